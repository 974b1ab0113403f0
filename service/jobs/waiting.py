"""`Prefer: wait=N` (RFC 7240): answer once the job has ended, or when the client's patience has."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from protocol.job import FINAL
from service.live import Mailbox
from service.stored import Stored
from service.wiring import Service

MOMENT = 1.0  # seconds that a consumer which is there needs at most
WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])', re.IGNORECASE)


def wished(request: web.Request, most: float) -> int | None:
    """How many seconds the client would wait, at most *most*; None if it did not say."""
    found = WAIT.search(", ".join(request.headers.getall("Prefer", ())))
    return min(int(found[1]), int(most)) if found else None


async def until_final(service: Service, job_id: str, seconds: float, find: Callable[[], Awaitable[Stored]]) -> Stored:
    """The job that *find* finds, as soon as it is final, or as it is after *seconds*."""
    with service.hub.watch(job_id, lambda job: job.final) as mailbox:
        stored = await find()
        if stored.state in FINAL:
            return stored
        return await _next(mailbox, stored, seconds) or await find()


async def until_under_way(service: Service, ended: Stored, ask: Callable[[], Awaitable[None]]) -> Stored:
    """The *ended* job once what *ask* asks for is seen, so that who asks next sees it too; after a moment, as it is."""
    with service.hub.watch(ended.id, lambda job: not job.final) as mailbox:
        await ask()
        return await _next(mailbox, ended, MOMENT) or ended


async def _next(mailbox: Mailbox, known: Stored, seconds: float) -> Stored | None:
    """The version that is waited for, newer than the *known* one; None if it does not come, or the service stops."""
    mailbox.skip(known)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            event = await mailbox.take()
            return Stored.of(event.job) if event else None
    return None

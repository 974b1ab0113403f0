"""`Prefer: wait=N` (RFC 7240): answer once the job has ended, or when the client's patience has."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

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
    with service.hub.watch(job_id) as mailbox:
        stored = await find()
        # None: it was deleted, or the service stops.
        return await _follow(mailbox, stored, seconds, lambda now: now.state in FINAL) or await find()


async def until_under_way(service: Service, ended: Stored, ask: Callable[[], Awaitable[None]]) -> Stored:
    """The *ended* job once what *ask* asks for is seen, so that who asks next sees it too; after a moment, as it is."""
    with service.hub.watch(ended.id) as mailbox:
        await ask()
        return await _follow(mailbox, ended, MOMENT, lambda now: now.state not in FINAL) or ended


async def _follow(mailbox: Mailbox, stored: Stored, seconds: float, there: Callable[[Stored], bool]) -> Stored | None:
    try:
        async with asyncio.timeout(seconds):
            while not there(stored):
                event = await mailbox.take()
                if event is None:
                    return None
                if event.job.version > stored.version:
                    stored = Stored.of(event.job)
    except TimeoutError:
        pass
    return stored

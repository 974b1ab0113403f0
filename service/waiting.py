"""`Prefer: wait=N` (RFC 7240): answer once the job has ended, or when the client's patience has."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from protocol.job import FINAL
from service.stored import Stored
from service.wiring import Service

WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])', re.IGNORECASE)


def wished(request: web.Request, most: float) -> int | None:
    """How many seconds the client would wait, at most *most*; None if it did not say."""
    found = WAIT.search(", ".join(request.headers.getall("Prefer", ())))
    return min(int(found[1]), int(most)) if found else None


async def until_final(service: Service, job_id: str, seconds: float, find: Callable[[], Awaitable[Stored]]) -> Stored:
    """The job that *find* finds, as soon as it is final, or as it is after *seconds*."""
    with service.hub.watch(job_id) as mailbox:
        stored = await find()
        try:
            async with asyncio.timeout(seconds):
                while stored.state not in FINAL:
                    event = await mailbox.take()
                    if event is None:  # it was deleted, or the service stops
                        return await find()
                    if event.job.version > stored.version:
                        stored = Stored.of(event.job)
        except TimeoutError:
            pass
    return stored

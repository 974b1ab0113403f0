"""`Prefer: wait=N` (RFC 7240): answer once the job has ended, or when the client's patience has."""

from __future__ import annotations

import asyncio
import re

from aiohttp import web

from protocol.job import FINAL
from service.problems import Refused
from service.store import Stored
from service.wiring import Service

WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])', re.IGNORECASE)


def wished(request: web.Request, most: float) -> int | None:
    """How many seconds the client would wait, at most *most*; None if it did not say."""
    found = WAIT.search(", ".join(request.headers.getall("Prefer", ())))
    return min(int(found[1]), int(most)) if found else None


async def until_final(service: Service, job_id: str, seconds: float) -> Stored:
    """The job as soon as it is final, or as it is after *seconds*."""
    if seconds > 0:
        await _watch(service, job_id, seconds)
    stored = await service.store.get(job_id)
    if stored is None:
        raise Refused("no_such_job", f"There is no job {job_id}.")
    return stored


async def _watch(service: Service, job_id: str, seconds: float) -> None:
    with service.hub.watch(job_id) as mailbox:
        stored = await service.store.get(job_id)
        if stored is None or stored.state in FINAL:
            return
        try:
            async with asyncio.timeout(seconds):
                while (event := await mailbox.take()) and not event.job.final:
                    pass
        except TimeoutError:
            pass

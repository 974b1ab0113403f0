"""Asks again about jobs that nobody speaks of any more, in case a broker lost what was said.

A queue that an operator deletes takes its messages along, and so does a quorum queue that its broker was killed under
right after making it. A job that stands still while nothing waits in the queue is asked for once more: a consumer that
never heard of it runs it, one that knows better tells how it stands, and a version decides, so asking does no harm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from protocol.databases import Row
from protocol.job import State
from protocol.messages import JOBS
from protocol.transports import NotSent
from service.wiring import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """A job's version, and since when (loop time) it has been that."""

    version: int
    since: float


def look(seen: Mapping[str, Seen], rows: Iterable[Row], now: float) -> dict[str, Seen]:
    """What is known of the unfinished jobs in *rows*, with what was *seen* of them before."""
    return {
        row["id"]: before
        if (before := seen.get(row["id"])) and before.version == row["version"]
        else Seen(row["version"], now)
        for row in rows
    }


def stale(seen: Mapping[str, Seen], rows: Iterable[Row], now: float, quiet: float, waiting: float) -> list[str]:
    """The jobs that have stood still too long; those that wait for their next attempt may do so longer."""
    patience = {State.WAITING: waiting}
    return [row["id"] for row in rows if now - seen[row["id"]].since > patience.get(row["state"], quiet)]


async def remind(service: Service) -> None:
    """For ever."""
    seen: dict[str, Seen] = {}
    loop, limits = asyncio.get_running_loop(), service.limits
    while True:
        await asyncio.sleep(limits.look)
        rows = await service.store.unfinished()
        now = loop.time()
        seen = look(seen, rows, now)
        forgotten = stale(seen, rows, now, limits.quiet, limits.waiting)
        if forgotten and await _nothing_waits(service):
            log.warning("asking again about jobs that stand still", extra={"jobs": len(forgotten), "action": "remind"})
            for job_id in forgotten:
                log.info("asked again", extra={"job": job_id, "action": "remind"})
                await service.store.remind(job_id)
                seen[job_id] = Seen(seen[job_id].version, now)


async def _nothing_waits(service: Service) -> bool:
    """Whether every message that was sent has also been taken: then what stands still was lost, or merely is slow."""
    try:
        return await service.transport.backlog(JOBS) == 0 and await service.outbox.oldest() is None
    except NotSent:
        return False

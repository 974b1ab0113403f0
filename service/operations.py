"""What operators and their machines ask: is it alive, is it ready, and how much of what."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from protocol.job import State
from protocol.messages import CONTROL, DEAD, EVENTS, JOBS, Stream
from protocol.transports import NotSent
from service.jobs.api import answer_json
from service.wiring import SERVICE, Service

log = logging.getLogger(__name__)
PATIENCE = 3.0  # seconds for one part to answer
PROBE = "ready"  # a file that is there for a moment
QUEUES: tuple[Stream[Any], ...] = (JOBS, CONTROL, EVENTS, DEAD)
Check = Callable[[Service], Awaitable[str | None]]


async def alive(_request: web.Request) -> web.Response:
    return answer_json('{"status":"ok"}')


async def readiness(request: web.Request) -> web.Response:
    """200 when jobs can be accepted and will be run, else 503 with a sentence for each part that is missing."""
    faults = await look(request.app[SERVICE])
    ready = not any(faults.values())
    parts = {name: fault or "ok" for name, fault in faults.items()}
    text = json.dumps({"status": "ok" if ready else "not ready", "parts": parts})
    return answer_json(text, status=200 if ready else 503, headers={} if ready else {"Retry-After": "2"})


async def look(service: Service) -> dict[str, str | None]:
    """What is wrong with each part."""
    faults = await asyncio.gather(*(_ask(check, service) for check in CHECKS.values()))
    return dict(zip(CHECKS, faults, strict=True))


async def _ask(check: Check, service: Service) -> str | None:
    try:
        async with asyncio.timeout(PATIENCE):
            return await check(service)
    except TimeoutError:
        return f"no answer within {PATIENCE:.0f} s"
    except Exception as exc:  # noqa: BLE001 - whatever it is, the part is not ready
        log.warning("not ready: %s", exc)
        return "it failed; the log has the reason"


async def check_database(service: Service) -> str | None:
    await service.store.exists("")
    return None


async def check_files(service: Service) -> str | None:
    free = await service.files.free_space()
    if free is not None and free < service.limits.space_floor:
        return "too little space left"
    await service.files.put(PROBE, b"")  # else a disk gone read-only, or a store out of reach, would pass for ready
    await service.files.remove(PROBE)
    return None


async def check_transport(service: Service) -> str | None:
    return await service.transport.ready()


async def check_consumer(service: Service) -> str | None:
    silence = service.offers.silence()
    if silence is None:
        return "no consumer was heard yet"
    return f"no consumer was heard for {silence:.0f} s" if silence > service.limits.silence else None


CHECKS: dict[str, Check] = {
    "database": check_database,
    "files": check_files,
    "transport": check_transport,
    "consumer": check_consumer,
}


async def measure(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    counts = await service.store.count_states()
    for state in State:  # those without a job too: an old figure would pass for a true one
        service.metrics.jobs.labels(state).set(counts.get(state, 0))
    oldest = await service.outbox.oldest()
    service.metrics.outbox.set(0 if oldest is None else max(0.0, service.clock() - oldest))
    service.metrics.uploads.set(service.slots.taken)
    service.metrics.watchers.set(service.hub.watchers)
    await asyncio.gather(_measure_readiness(service), *(_measure_queue(service, stream) for stream in QUEUES))
    return web.Response(body=service.metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4"})


async def _measure_readiness(service: Service) -> None:
    for part, fault in (await look(service)).items():
        service.metrics.ready.labels(part).set(fault is None)


async def _measure_queue(service: Service, stream: Stream[Any]) -> None:
    """What nobody can tell is left out: an old figure would pass for a true one."""
    waiting = None
    with suppress(NotSent, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            waiting = await service.transport.backlog(stream)
    if waiting is not None:
        service.metrics.queues.labels(stream.name).set(waiting)
    else:
        service.metrics.queues.remove(stream.name)

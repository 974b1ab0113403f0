"""Server-Sent Events, for programs without websockets: a job as it is, then each newer version; the version is the id.

Who reconnects says which version was the last, and misses nothing; 204 tells such a client that no more will come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from protocol.job import Job
from service.door.caller import CALLER
from service.jobs.api import find
from service.jobs.sending import send_all
from service.jobs.streams import check_room
from service.live import Event, Mailbox
from service.wiring import SERVICE, Service

HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
BEGIN = b"retry: 2000\n\n"  # milliseconds until a client whose connection broke asks again
STILL_HERE = b": still here\n\n"
LONGEST = 18  # digits of a version


async def follow_job(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    check_room(service)
    known = last_known(request)
    with service.hub.watch(request.match_info["id"]) as mailbox:
        mailbox.session = request[CALLER].csrf
        job = (await find(service, request)).job()
        if job.final and job.version <= known:
            return web.Response(status=204)
        return await _serve(request, service, frames(job, mailbox, known, service.limits.heartbeat))


def last_known(request: web.Request) -> int:
    """The version that the client had last; what is no version is none."""
    text = request.headers.get("Last-Event-ID", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST else -1


async def frames(job: Job, mailbox: Mailbox, known: int, patience: float) -> AsyncIterator[bytes]:
    """What is sent: every version after *known*, and a sign of life where there is none for *patience* seconds."""
    event: Event | None = Event(job)
    yield BEGIN
    while event:
        if event.job.version > known:
            yield b"id: %d\ndata: %b\n\n" % (event.job.version, event.data)
            known = event.job.version
        if event.job.final:
            return
        while (event := await _next(mailbox, patience)) is None and not mailbox.closed:
            yield STILL_HERE


async def _next(mailbox: Mailbox, patience: float) -> Event | None:
    try:
        async with asyncio.timeout(patience):
            return await mailbox.take()
    except TimeoutError:
        return None


async def _serve(request: web.Request, service: Service, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    await send_all(request, pieces, response.write, service.limits.send)
    return response

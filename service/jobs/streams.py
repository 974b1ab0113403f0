"""The websockets: a job as it is, then each newer version; a client that does not read is dropped, not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from aiohttp import WSCloseCode, WSMsgType, web

from protocol.job import Job
from service.door.caller import CALLER
from service.jobs import listing
from service.jobs.api import find
from service.jobs.sending import drop, send_all
from service.live import Event, Mailbox
from service.problems import Refused
from service.wiring import SERVICE, Service

AT_ONCE = 32 * 2**10  # bytes; half of what is buffered before anybody waits
INCOMING = 1024  # bytes; clients have nothing to say


async def stream_job(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    _check_wish(request, service)
    with service.hub.watch(request.match_info["id"]) as mailbox:
        stored = await find(service, request)
        return await _serve(request, service, mailbox, _until_final(stored.job(), mailbox))


async def stream_all(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    caller = request[CALLER]
    states, kinds = listing.parse_states(request.query), listing.parse_kinds(request.query)
    _check_wish(request, service)

    def wanted(job: Job) -> bool:
        chosen = (not states or job.state in states) and (not kinds or job.kind in kinds)
        return chosen and caller.sees(job.submitted_by, job.id)

    with service.hub.watch_all(service.limits.backlog, wanted) as mailbox:
        return await _serve(request, service, mailbox, _for_ever(mailbox))


def _check_wish(request: web.Request, service: Service) -> None:
    if not web.WebSocketResponse().can_prepare(request):
        raise Refused("upgrade_required", "Connect with a websocket.", headers={"Upgrade": "websocket"})
    check_room(service)


def check_room(service: Service) -> None:
    if service.hub.watchers >= service.limits.clients:
        raise Refused("busy", "Too many clients are watching.", headers={"Retry-After": "10"})


async def _until_final(job: Job, mailbox: Mailbox) -> AsyncIterator[Event]:
    mailbox.skip(job)
    event: Event | None = Event(job)
    while event:
        yield event
        if event.job.final:
            return
        event = await mailbox.take()


async def _for_ever(mailbox: Mailbox) -> AsyncIterator[Event]:
    while event := await mailbox.take():
        yield event


async def _serve(
    request: web.Request, service: Service, mailbox: Mailbox, events: AsyncIterator[Event]
) -> web.WebSocketResponse:
    limits = service.limits
    mailbox.session = request[CALLER].csrf
    socket = web.WebSocketResponse(
        heartbeat=limits.heartbeat,
        max_msg_size=INCOMING,
        timeout=limits.send,
        compress=False,  # or each version would be packed anew for each who watches
    )
    await socket.prepare(request)
    if transport := request.transport:
        mailbox.direct = partial(_send_at_once, transport, socket)
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(_listen(socket, mailbox))
        read_all = await _speak(request, socket, events, limits.send)
        listening.cancel()
        await asyncio.wait([listening])  # or closing would not wait for the client's answer
        if read_all and not await _part(socket, _close_code(service, mailbox), limits.send):
            drop(request)
        elif socket.close_code == WSCloseCode.ABNORMAL_CLOSURE and request.transport:
            request.transport.abort()
    return socket


async def _listen(socket: web.WebSocketResponse, mailbox: Mailbox) -> None:
    """Nothing that a client says matters, but that it says nothing any more does."""
    async for _message in socket:
        pass
    mailbox.close()


async def _speak(
    request: web.Request, socket: web.WebSocketResponse, events: AsyncIterator[Event], patience: float
) -> bool:
    """Send the events; return whether the client took them all, or has gone by itself."""
    send = partial(socket.send_frame, opcode=WSMsgType.TEXT)
    try:
        return await send_all(request, (event.data async for event in events), send, patience)
    except ConnectionError:
        return True


def _send_at_once(transport: asyncio.Transport, socket: web.WebSocketResponse, event: Event) -> bool:
    """The same bytes for all who watch, past the library, which would frame them for each.

    Only where the client has read all that was sent, and the event fits into the buffer on its way to it.
    """
    if len(event.data) > AT_ONCE or transport.get_write_buffer_size() or transport.is_closing() or socket.closed:
        return False
    transport.write(event.frame)
    return True


def _close_code(service: Service, mailbox: Mailbox) -> WSCloseCode:
    if service.hub.closed:
        return WSCloseCode.GOING_AWAY
    return WSCloseCode.TRY_AGAIN_LATER if mailbox.behind else WSCloseCode.OK


async def _part(socket: web.WebSocketResponse, code: WSCloseCode, patience: float) -> bool:
    """Close; return whether the client did so too, or had gone by itself."""
    try:
        # The library limits how long the answer takes, not the sending before it.
        async with asyncio.timeout(2 * patience):
            closed_by_us = await socket.close(code=code)
    except TimeoutError:
        return False
    return not (closed_by_us and socket.close_code == WSCloseCode.ABNORMAL_CLOSURE)

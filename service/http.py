"""The HTTP server under the application: how it listens, how long it waits, and what it says to what is not HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

from aiohttp import web
from aiohttp.http import RawRequestMessage

from protocol.adapters import PREFIX, BadConfig
from service.crowding import Crowd, room
from service.descriptors import raise_limit
from service.door.guard import harden
from service.gathering import Gathering, keep_memory
from service.problems import answer, describe
from service.wiring import Service

log = logging.getLogger(__name__)
BROKEN = 400


class Connection(Gathering):
    """A client's connection. What the library refuses before there is a request gets a problem too."""

    __slots__ = ("_service",)

    def __init__(self, service: Service, server: web.Server, **options: Any) -> None:
        super().__init__(lambda: service.slots.taken, server, **options)
        self._service = service

    def data_received(self, data: bytes) -> None:
        """The library tells of what is no HTTP when the next request is due; here it ends the body that it broke."""
        super().data_received(data)
        request = self._current_request
        broken = self._messages and not isinstance(self._messages[-1][0], RawRequestMessage)
        if broken and request and not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError("the body is not encoded as its headers say"))

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; whoever does not read it is let go. One that comes before all of the request is the last.

        Else a proxy that gives up the rest may send the next request, somebody else's, in its place.
        """
        if not request.content.is_eof():
            resp.force_close()
        try:
            async with asyncio.timeout(self._service.limits.answer):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            self._service.metrics.dropped.inc()
            if self.transport:
                self.transport.abort()
            raise ConnectionError("the client does not read") from None

    def log_exception(self, *args: Any, **options: Any) -> None:
        """Not that a body is no such as its headers say, or never ends: whoever sent it has been told, or has gone."""
        if not isinstance(options.get("exc_info"), web.RequestPayloadError | ConnectionError):
            super().log_exception(*args, **options)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - what it says is for us, not for the client
    ) -> web.StreamResponse:
        if status != BROKEN:
            log.error("%s %s failed outside its handler", request.method, request.path, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun; it cannot become another one")
        response = _answer(status)
        harden(response)
        response.force_close()
        return response


def _answer(status: int) -> web.Response:
    if status == BROKEN:
        return answer(describe("malformed", "This is not HTTP."))
    return answer(describe("internal", "This is our fault."))


@asynccontextmanager
async def listening(service: Service, app: web.Application) -> AsyncIterator[str]:
    """Answer requests until the end; then whoever waits or watches goes first, so that nothing holds up the rest."""
    keep_memory()
    raise_limit()
    runner = web.AppRunner(app, shutdown_timeout=service.limits.stop)
    await runner.setup()
    try:
        server = await _bind(runner, service)
        try:
            yield _address(service.settings.host, server)
        finally:
            server.close()
            service.hub.close()
    finally:
        await runner.cleanup()


async def _bind(runner: web.AppRunner, service: Service) -> asyncio.Server:
    loop, host, port = asyncio.get_running_loop(), service.settings.host, service.settings.port
    answering = cast("web.Server", runner.server)
    connect = partial(
        Connection,
        service,
        answering,
        loop=loop,
        keepalive_timeout=service.limits.idle,
        access_log=None,  # means none, as with the runner
        auto_decompress=False,  # see submissions/codings.py
    )
    most = room(service.limits.connections)
    crowd = Crowd(connect, lambda: len(answering.connections), most, service.metrics.refused.inc)
    try:
        return await loop.create_server(crowd, host, port, backlog=128)
    except OSError as exc:
        raise BadConfig(f"{PREFIX}HOST, {PREFIX}PORT: cannot listen on {host}:{port}: {exc.strerror}") from None


def _address(host: str, server: asyncio.Server) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{server.sockets[0].getsockname()[1]}"

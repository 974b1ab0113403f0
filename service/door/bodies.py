"""Bodies that are small and come at once, as whoever asks for a key, a ticket or a session sends one."""

from __future__ import annotations

from aiohttp import web

from service.expectations import invite
from service.problems import Refused
from service.submissions.patience import Patience
from service.submissions.reception import read_body
from service.wiring import SERVICE

LARGEST = 4096  # bytes


async def read_small(request: web.Request) -> bytes:
    """The whole body, or a refusal."""
    await invite(request)
    body = b""
    async for block in read_body(request, Patience(request.app[SERVICE].limits, request.content)):
        body += block
        if len(body) > LARGEST:
            raise Refused("malformed", f"There may be {LARGEST:,} bytes here.")
    return body

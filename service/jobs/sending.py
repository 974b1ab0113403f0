"""Sends what comes in pieces. A client that does not read is dropped, not waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from service.wiring import SERVICE

log = logging.getLogger(__name__)
Piece = TypeVar("Piece")


async def send_all(
    request: web.Request, pieces: AsyncIterator[Piece], send: Callable[[Piece], Awaitable[None]], patience: float
) -> bool:
    """Send each of *pieces*, or drop the client that takes *patience* seconds for one; return whether it took them all.

    An error of where they come from goes on to `problems.explain`, which breaks off the answer that has begun.
    """
    async for piece in pieces:
        try:
            async with asyncio.timeout(patience):
                await send(piece)
        except TimeoutError:
            drop(request)
            return False
    return True


def drop(request: web.Request) -> None:
    """End the connection at once: closing it would wait until all is read."""
    request.app[SERVICE].metrics.dropped.inc()
    log.info("dropped a client that does not read", extra={"path": request.path})
    if request.transport:
        request.transport.abort()

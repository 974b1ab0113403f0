"""Long bodies, handed on a good part at a time: each time wakes all who deal with it, and costs more than the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from protocol.background import PART

HELD = 0.05  # seconds that what came waits for more
LEAST = 128 * 2**10  # bytes of each connection, however many there are
KEPT = 16 * 2**20  # bytes: a block that is freed at once, so that what is no larger is kept from then on


def keep_memory() -> None:
    """Have what is freed serve for the next bytes that come, instead of fetching memory for each part of a body.

    glibc does that for all sizes up to the largest that was ever freed (`M_MMAP_THRESHOLD` in mallopt(3)).
    """
    bytearray(KEPT)


class Gathering(web.RequestHandler):
    """A client's connection, which may gather what comes, up to two parts of it, before the library parses it.

    The *uploads* that there are share one part: nobody else waits longer the more there are.
    """

    __slots__ = ("_coming", "_expiry", "_gathered", "_size", "_uploads", "_usual")

    def __init__(self, uploads: Callable[[], int], server: web.Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._uploads = uploads
        self._coming = 0  # bytes of the body that are gathered, those that are to come included
        self._gathered: list[bytes] = []
        self._size = 0
        self._expiry: asyncio.TimerHandle | None = None
        self._usual: int | None = None

    def gather(self, request: web.BaseRequest) -> None:
        """What is to come of this request's body, if that is much and the request says how much."""
        length = request.content_length or 0
        if self._coming or self.transport is None or length <= 2 * PART:  # without a transport: the client has gone
            return
        self._coming = length - request.content.total_raw_bytes
        if self._coming:
            self._usual = self._ask_for(self._share())

    def data_received(self, data: bytes) -> None:
        if not self._coming or not data:  # none: what the parser holds back may go on
            super().data_received(data)
            return
        self._coming = max(self._coming - len(data), 0)
        self._gathered.append(data)
        self._size += len(data)
        if self._size >= self._share() or not self._coming:
            self._hand_on()
        elif self._expiry is None:
            self._expiry = asyncio.get_running_loop().call_later(HELD, self._hand_on)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._coming = 0
        self._hand_on()
        super().connection_lost(exc)

    def _hand_on(self) -> None:
        if self._expiry:
            self._expiry.cancel()
            self._expiry = None
        self._ask_for(self._share() if self._coming else self._usual)
        gathered, self._gathered, self._size = self._gathered, [], 0
        if gathered:
            super().data_received(b"".join(gathered))

    def _share(self) -> int:
        return max(PART // max(self._uploads(), 1), LEAST)

    def _ask_for(self, size: int | None) -> int | None:
        """How many bytes the socket is asked for at a time; what that was. A loop that is not asyncio's tells none."""
        before = getattr(self.transport, "max_size", None)
        if before and size:
            vars(self.transport)["max_size"] = size
        return before

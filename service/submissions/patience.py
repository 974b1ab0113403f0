"""How long a client may take to send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from aiohttp import StreamReader

from service.limits import Limits
from service.problems import Refused

T = TypeVar("T")


class Patience:
    """For one read of *content*, and for all of them: also one that never quite stops."""

    def __init__(self, limits: Limits, content: StreamReader) -> None:
        self._read, self._pace, self._content = limits.read, limits.pace, content
        self._clock = asyncio.get_running_loop().time
        self._end = self._clock() + limits.upload
        self._left = limits.read  # seconds: waiting uses them up, what comes brings new ones

    async def wait(self, reading: Awaitable[T]) -> T:
        if self._content.is_eof():  # all of it has come
            return await reading
        began = self._clock()
        try:
            async with asyncio.timeout_at(min(self._end, began + min(self._left, self._read))):
                got = await reading
        except TimeoutError:
            raise Refused("timeout", "Nothing or too little came for too long.") from None
        size = len(got) if isinstance(got, bytes | bytearray) else 0
        self._left += size / self._pace - (self._clock() - began)
        return got

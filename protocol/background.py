"""Work on bytes that stream by, done in a thread: a part at a time, while the next one gathers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

PART = 2**20  # bytes that are worth the way to a thread and back
PIECES = 256  # or so many pieces: each takes memory of its own, however short it is


class Background:
    """Two parts are in memory at most: the one that is worked on, and the one that gathers (`held`)."""

    def __init__(self, work: Callable[[Iterable[bytes]], None]) -> None:
        self._work, self._size = work, 0
        self._under_way: asyncio.Future[None] | None = None
        self.held: list[bytes] = []

    async def add(self, piece: bytes) -> None:
        """Take the next piece; what went wrong with one before it is raised here."""
        self.held.append(piece)
        self._size += len(piece)
        if self._size >= PART or len(self.held) >= PIECES:
            await self.flush()

    async def flush(self) -> None:
        """Begin with what has gathered, as soon as the part before it is done."""
        await self.pause()
        if self.held:
            self._under_way = asyncio.get_running_loop().run_in_executor(None, self._work, self.held)
            self.held, self._size = [], 0

    async def pause(self) -> None:
        """Until nothing is worked on."""
        if under_way := self._under_way:
            if not under_way.done():
                await asyncio.wait([under_way])
            self._under_way = None
            under_way.result()

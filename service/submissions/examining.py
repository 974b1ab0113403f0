"""What the bytes of a file come to, found in threads while they stream by: their hash, and whether they are a table."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

from protocol.background import Background
from protocol.intake import BadTable, Inspector, Layout, ReadOptions
from protocol.intake.scanning import Count
from service.submissions.uploads import BLOCK, finish


class Examination:
    """A *hopeful* one is over as soon as the bytes are no table; otherwise that is only told at the end.

    It may go on from one stream to the next: `size` bytes were handed to it so far, and between two streams
    (`pause`) it has seen them all.
    """

    def __init__(
        self,
        name: str,
        options: ReadOptions,
        *,
        hopeful: bool = True,
        packed: bool = False,
        count: Count = bytes.count,
    ) -> None:
        self.name, self.options, self.size = name, options, 0
        self.bad: BadTable | None = None
        self._hopeful, self._digest = hopeful, hashlib.sha256()
        self._inspector = Inspector(options, name=name, count=count, packed=packed)
        self._hashing, self._looking = Background(self._hash), Background(self._look)
        self._loop, self._waiting = asyncio.get_running_loop(), asyncio.timeout(None)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def packed(self) -> bool:
        """Whether it is compressed, where it may be: only its hash is known then."""
        return self._inspector.packed

    @property
    def over(self) -> bool:
        return self._hopeful and self.bad is not None

    def verdict(self) -> Layout | BadTable:
        """Of all the bytes; there can be no more."""
        return self.bad or finish(self._inspector)

    async def hashed(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The blocks as they come, no more of them once it is over."""
        while not self.over and (block := await self._next(blocks)) is not None:
            await self._hashing.add(block)
            yield block

    async def look(self, block: bytes) -> None:
        self.size += len(block)
        if self._looking.idle and len(block) <= BLOCK:
            self._inspect(block)
        else:
            await self._looking.add(block)
            await self._looking.flush()  # it may be all that comes for a while

    async def pause(self) -> None:
        """Until all that came is hashed and looked at."""
        await self._hashing.pause()
        self._hash(self._hashing.rest())
        await self._looking.pause()

    async def _next(self, blocks: AsyncIterator[bytes]) -> bytes | None:
        """None too where what came before turns out to be no table: who knows when there is more."""
        try:
            async with asyncio.timeout(None) as self._waiting:
                return await anext(blocks, None)
        except TimeoutError:
            if self._waiting.expired():
                return None
            raise

    def _hash(self, pieces: Iterable[bytes]) -> None:
        self._digest.update(b"".join(pieces))  # one way out of Python and back, however many they are

    def _look(self, blocks: Iterable[bytes]) -> None:
        """In a thread."""
        for block in blocks:
            self._inspect(block)
        if self.over:
            self._loop.call_soon_threadsafe(self._give_up)

    def _give_up(self) -> None:
        with suppress(RuntimeError):  # nobody waits
            self._waiting.reschedule(self._loop.time())

    def _inspect(self, block: bytes) -> None:
        if self.bad is None:
            try:
                self._inspector.feed(block)
            except BadTable as bad:
                self.bad = bad

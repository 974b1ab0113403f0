"""A request's bytes on their way into parts of bounded size. What came before the link broke off counts too."""

from __future__ import annotations

from collections.abc import AsyncIterator

from service.problems import Refused
from service.submissions.examining import Examination
from service.tus.headers import Checksum

PART = 8 * 2**20  # no more than so much is lost when the service is killed


class Body:
    """At most *room* bytes, part after part, under *examination* as they come; `broken` is why they ended early."""

    def __init__(
        self, blocks: AsyncIterator[bytes], room: int, examination: Examination | None, checksum: Checksum | None
    ) -> None:
        self.examination, self._checksum, self._room = examination, checksum, room
        within = self._within(blocks)
        self._blocks, self._next = self._examined(within, examination) if examination else within, b""
        self.broken: Exception | None = None

    async def more(self) -> bool:
        """Whether there is another part."""
        self._next = self._next or await anext(self._blocks, b"")
        return bool(self._next)

    async def part(self) -> AsyncIterator[bytes]:
        size = 0
        while self._next:
            block, self._next = self._next, b""
            size += len(block)
            yield block
            if size < PART:
                self._next = await anext(self._blocks, b"")

    async def _within(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Those that count: the examination must see no others."""
        try:
            async for block in blocks:
                self._count(block)
                yield block
        except (Refused, OSError) as exc:  # OSError: the client has gone
            self.broken = exc

    def _count(self, block: bytes) -> None:
        self._room -= len(block)
        if self._room < 0:
            raise Refused("malformed", "There are more bytes than the upload was to have.")
        if self._checksum:
            self._checksum.digest.update(block)

    async def _examined(self, blocks: AsyncIterator[bytes], examination: Examination) -> AsyncIterator[bytes]:
        """Up to the first fault that is known: what comes behind it would stand where the bytes before it belong."""
        async for block in examination.hashed(blocks):
            await examination.look(block)
            yield block
        await examination.pause()
        self.broken = examination.bad or self.broken

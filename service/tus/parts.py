"""A request's bytes on their way into parts of bounded size. What came before the link broke off counts too."""

from __future__ import annotations

from collections.abc import AsyncIterator

from protocol.files import Files
from protocol.intake import BadTable, Inspector
from service.problems import Refused
from service.tus.headers import Checksum
from service.tus.parcels import Parcel

PACKED = (b"\x1f", b"\x28")  # how compressed tables begin: those are looked at when all is here
PART = 8 * 2**20  # no more than so much is lost when the service is killed


class Body:
    """At most *room* bytes, part after part; `broken` is why it ended early. The *inspector* sees them as they come."""

    def __init__(
        self,
        blocks: AsyncIterator[bytes],
        room: int,
        inspector: Inspector | None,
        checksum: Checksum | None,
        *,
        fresh: bool,
    ) -> None:
        self._blocks, self._room, self._fresh = self._looked_at(blocks), room, fresh
        self.inspector, self._checksum = inspector, checksum
        self._next = b""
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

    async def _looked_at(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Up to the first fault: what comes behind it would stand where the bytes before it belong."""
        try:
            async for block in blocks:
                self._look_at(block)
                yield block
        except (Refused, BadTable, OSError) as exc:  # OSError: the client has gone
            self.broken = exc

    def _look_at(self, block: bytes) -> None:
        self._room -= len(block)
        if self._room < 0:
            raise Refused("malformed", "There are more bytes than the upload was to have.")
        if self._checksum:
            self._checksum.digest.update(block)
        if block.startswith(PACKED) and self._fresh:
            self.inspector = None
        self._fresh = False
        if self.inspector:
            self.inspector.feed(block)


async def joined(files: Files, parcel: Parcel) -> AsyncIterator[bytes]:
    """The whole upload, in pieces as they are stored."""
    start = 0
    while start < parcel.length:
        async for piece in files.get(parcel.part(start)):
            yield piece
            start += len(piece)

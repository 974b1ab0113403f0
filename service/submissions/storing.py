"""One file on its way from the client to storage: unpacked, counted and examined while it streams by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from protocol.files import Files
from protocol.intake import BadTable, Layout, ReadOptions
from protocol.intake.scanning import uncounted
from protocol.intake.unpacking import Unpacker
from service.submissions.examining import Examination
from service.submissions.uploads import LOOK_AROUND, Upload, check_size, check_space, explain, inspect


@dataclass(frozen=True)
class Place:
    """Where a file goes: at *most* bytes, and so that *floor* bytes stay free."""

    files: Files
    key: str
    most: int
    floor: int


class Uploading:
    """The state of one upload while it streams.

    A *hopeful* one is refused as soon as its bytes are no table. Otherwise the reading options are not known yet:
    everything is stored, and judged when they are.
    """

    def __init__(self, place: Place, name: str, options: ReadOptions | None) -> None:
        self._place, self._unpacker = place, Unpacker()
        known = options or ReadOptions()
        self._examination = Examination(name, known, hopeful=options is not None, count=uncounted)
        self._failure: Exception | None = None

    async def store(self, blocks: AsyncIterator[bytes]) -> Upload:
        seen = self._examination
        try:
            await self._place.files.put(self._place.key, self._pass(blocks))
        except Exception as exc:  # noqa: BLE001 - every store has errors of its own
            raise self._failure or await explain(self._place.files, exc) from None
        await seen.pause()
        verdict = await self._judge()
        if isinstance(verdict, BadTable) and seen.over:
            raise verdict
        packed = self._unpacker.compression
        come = self._unpacker.received if packed else None
        return Upload(seen.name, seen.size, seen.sha256, seen.options, verdict, packed, come)

    async def _pass(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in self._unpacker.unpack(self._examination.hashed(blocks)):
                await self._take(piece)
                yield piece
                if self._examination.over:
                    return
        except Exception as exc:  # the store may wrap it beyond recognition
            if not self._examination.over:  # else it is only that the rest is missing
                self._failure = exc
                raise

    async def _take(self, block: bytes) -> None:
        before = self._examination.size
        if before // LOOK_AROUND != (before + len(block)) // LOOK_AROUND:
            await check_space(self._place.files, 0, self._place.floor)
        check_size(before + len(block), self._place.most)
        await self._examination.look(block)

    async def _judge(self) -> Layout | BadTable:
        """Counting lines is half the cost of a look: it is done where one has to be told, in what was stored."""
        seen = self._examination
        verdict = seen.verdict()
        if isinstance(verdict, Layout):
            return verdict
        counted = await inspect(self._place.files, self._place.key, seen.name, seen.options)
        return counted if isinstance(counted, BadTable) else verdict

"""One file on its way from the client to storage: counted, hashed and looked at while it streams by."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass

from protocol.background import Background
from protocol.files import Files
from protocol.intake import BadTable, Inspector, Layout, ReadOptions
from protocol.intake.scanning import uncounted
from protocol.intake.unpacking import Unpacker
from service.submissions.uploads import BLOCK, LOOK_AROUND, Upload, check_size, check_space, explain, finish, inspect


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
        self._place, self._name = place, name
        self._options, self._hopeful = options or ReadOptions(), options is not None
        self._inspector = Inspector(self._options, name=name, count=uncounted)
        self._digest, self._size, self._unpacker = hashlib.sha256(), 0, Unpacker()
        self._hashing, self._looking = Background(self._hash), Background(self._look)
        self._loop, self._waiting = asyncio.get_running_loop(), asyncio.timeout(None)
        self._bad: BadTable | None = None
        self._failure: Exception | None = None

    async def store(self, blocks: AsyncIterator[bytes]) -> Upload:
        try:
            await self._place.files.put(self._place.key, self._pass(blocks))
        except Exception as exc:  # noqa: BLE001 - every store has errors of its own
            raise self._failure or await explain(self._place.files, exc) from None
        await self._looking.pause()
        verdict = await self._judge()
        if isinstance(verdict, BadTable) and self._stopped:
            raise verdict
        packed = self._unpacker.compression
        come = self._unpacker.received if packed else None
        return Upload(self._name, self._size, self._digest.hexdigest(), self._options, verdict, packed, come)

    async def _pass(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in self._unpacker.unpack(self._arrive(blocks)):
                await self._take(piece)
                yield piece
                if self._stopped:
                    return
        except Exception as exc:  # the store may wrap it beyond recognition
            if not self._stopped:  # else it is only that the rest is missing
                self._failure = exc
                raise

    async def _arrive(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        while not self._stopped and (block := await self._next(blocks)) is not None:
            await self._hashing.add(block)
            yield block
        await self._hashing.pause()
        self._hash(self._hashing.held)  # too little to be worth a thread

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

    async def _take(self, block: bytes) -> None:
        if self._size // LOOK_AROUND != (self._size + len(block)) // LOOK_AROUND:
            await check_space(self._place.files, 0, self._place.floor)
        self._size += len(block)
        check_size(self._size, self._place.most)
        if self._looking.idle and len(block) <= BLOCK:
            self._inspect(block)
        else:
            await self._looking.add(block)
            await self._looking.flush()  # it may be all that comes for a while

    def _look(self, blocks: Iterable[bytes]) -> None:
        """In a thread."""
        for block in blocks:
            self._inspect(block)
        if self._stopped:
            self._loop.call_soon_threadsafe(self._give_up)

    def _give_up(self) -> None:
        with suppress(RuntimeError):  # nobody waits
            self._waiting.reschedule(self._loop.time())

    def _inspect(self, block: bytes) -> None:
        if self._bad is None:
            try:
                self._inspector.feed(block)
            except BadTable as bad:
                self._bad = bad

    @property
    def _stopped(self) -> bool:
        return self._hopeful and self._bad is not None

    async def _judge(self) -> Layout | BadTable:
        """Counting lines is half the cost of a look: it is done where one has to be told, in what was stored."""
        verdict = self._bad or finish(self._inspector)
        if isinstance(verdict, Layout):
            return verdict
        counted = await inspect(self._place.files, self._place.key, self._name, self._options)
        return counted if isinstance(counted, BadTable) else verdict

"""One file on its way from the client to storage: counted, hashed and looked at while it streams by.

Nothing of it stays when the client goes away or the file is refused, whoever of the two notices first.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from protocol import kept
from protocol.background import Background
from protocol.files import Files
from protocol.intake import BadTable, Inspector, Layout, ReadOptions
from protocol.intake.layout import MEDIA_TYPES, Format
from protocol.intake.scanning import uncounted
from protocol.intake.unpacking import Unpacker, plain_name
from protocol.job import Source
from service.problems import Refused
from service.store import Store

log = logging.getLogger(__name__)
PLAIN, TABBED = "text/csv", "text/tab-separated-values"
BLOCK = 256 * 2**10
LOOK_AROUND = 64 * 2**20  # bytes between two looks at the free space


@dataclass(frozen=True)
class Upload:
    """A stored file. The verdict is about its bytes, read with *options*; nobody has counted a good table's lines."""

    name: str
    size: int
    sha256: str
    options: ReadOptions
    verdict: Layout | BadTable
    compression: str | None = None
    received: int | None = None

    @property
    def source(self) -> Source:
        tabbed = plain_name(self.name).lower().endswith((".tsv", ".tab"))
        form = self.verdict.format if isinstance(self.verdict, Layout) else Format.CSV
        return Source(
            name=self.name,
            size=self.size,
            sha256=self.sha256,
            media_type=TABBED if tabbed and form is Format.CSV else MEDIA_TYPES[form],
            compression=self.compression,
            received=self.received,
        )


@dataclass(frozen=True)
class Place:
    """Where a file goes: at *most* bytes, and so that *floor* bytes stay free."""

    files: Files
    key: str
    most: int
    floor: int


class Slots:
    """At most *most* uploads at a time; the others wait with their bodies unread, but no longer than *patience*."""

    def __init__(self, most: int, patience: float) -> None:
        self._room, self._patience = asyncio.Semaphore(most), patience
        self.taken = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        if self._room.locked():
            await self._wait()
        else:
            await self._room.acquire()
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
            self._room.release()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._room.acquire()
        except TimeoutError:
            raise Refused("busy", "Too many uploads are under way.", headers={"Retry-After": "5"}) from None


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
        self._hashing = Background(self._hash)
        self._bad: BadTable | None = None
        self._failure: Exception | None = None

    async def store(self, blocks: AsyncIterator[bytes]) -> Upload:
        try:
            await self._place.files.put(self._place.key, self._pass(blocks))
        except Exception as exc:  # noqa: BLE001 - every store has errors of its own
            raise self._failure or await explain(self._place.files, exc) from None
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
            self._failure = exc
            raise

    async def _arrive(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for block in blocks:
            await self._hashing.add(block)
            yield block
        await self._hashing.pause()
        self._hash(self._hashing.held)  # too little to be worth a thread

    def _hash(self, pieces: Iterable[bytes]) -> None:
        self._digest.update(b"".join(pieces))  # one way out of Python and back, however many they are

    async def _take(self, block: bytes) -> None:
        if self._size // LOOK_AROUND != (self._size + len(block)) // LOOK_AROUND:
            await check_space(self._place.files, 0, self._place.floor)
        self._size += len(block)
        check_size(self._size, self._place.most)
        self._inspect(block)

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


async def explain(files: Files, exc: Exception) -> Exception:
    """What to say of a file that could not be stored."""
    free = await files.free_space()
    return exc if free is None or free > LOOK_AROUND else Refused("no_space", "The disk is full; nothing is kept.")


def finish(inspector: Inspector) -> Layout | BadTable:
    try:
        return inspector.finish()
    except BadTable as bad:
        return bad


async def inspect(files: Files, key: str, name: str, options: ReadOptions) -> Layout | BadTable:
    """Look at a stored file again, a block at a time so that nobody else waits."""
    inspector = Inspector(options, name=name)
    try:
        async for piece in files.get(key):
            for start in range(0, len(piece), BLOCK):
                inspector.feed(piece[start : start + BLOCK])
                await asyncio.sleep(0)
    except BadTable as bad:
        return bad
    return finish(inspector)


def check_size(size: int, most: int) -> None:
    if size > most:
        raise Refused("too_large", f"A table may have {most:,} bytes here.")


async def check_space(files: Files, size: int, floor: int) -> None:
    free = await files.free_space()
    if free is not None and free - size < floor:
        raise Refused("no_space", "There is too little space left for this table.", headers={"Retry-After": "60"})


@asynccontextmanager
async def guarded(store: Store, files: Files, job_id: str, key: str) -> AsyncIterator[None]:
    """Whatever happens before the job exists, its file goes; what a crash leaves, `sweep` finds."""
    await store.begin_upload(job_id)
    try:
        yield
    except BaseException:
        if not await store.exists(job_id):
            await _discard(store, files, job_id, key)
        raise


async def _discard(store: Store, files: Files, job_id: str, key: str) -> None:
    await files.remove(key)
    await files.remove(kept.basis(job_id))
    await store.end_upload(job_id)


async def sweep(store: Store, files: Files) -> None:
    """On start: remove the files of uploads that died with their process."""
    await files.sweep()
    for job_id in await store.begun_uploads():
        await _discard(store, files, job_id, f"uploads/{job_id}")
        log.info("removed what a dead process left of an upload", extra={"job": job_id})

"""Files that came: how many may at a time, what is known of one, and what its bytes are taken for.

Nothing of a file stays when its client goes away or it is refused, whoever of the two notices first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from protocol import kept
from protocol.files import FileMissing, Files
from protocol.intake import BadTable, Inspector, Layout, ReadOptions
from protocol.intake.layout import MEDIA_TYPES, Format
from protocol.intake.unpacking import plain_name
from protocol.job import Source, upload_key
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


async def explain(files: Files, exc: Exception) -> Exception:
    """What to say of a file that could not be stored."""
    if isinstance(exc, FileMissing):
        return exc  # however full the disk is
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
        async for block in blocks_of(files.get(key)):
            inspector.feed(block)
    except BadTable as bad:
        return bad
    return finish(inspector)


async def blocks_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, cut so that what is done with a block keeps nobody waiting."""
    async for piece in pieces:
        for start in range(0, len(piece), BLOCK):
            yield piece[start : start + BLOCK]
            await asyncio.sleep(0)


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
        await _discard(store, files, job_id, upload_key(job_id))
        log.info("removed what a dead process left of an upload", extra={"job": job_id})

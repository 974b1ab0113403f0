"""What obstore's stores have in common; the adapters add what only theirs can do."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import obstore

from protocol.config import SPACE_FLOOR
from protocol.files import PIECE, FileMissing, Files
from protocol.findings import Finding, fault, weigh_space

PART = 5 * 2**20  # bytes that are sent at once; S3 takes no smaller ones
ADVICE = "See that the place is there and may be written to, or correct ROWMILL_FILES_URL."


@contextmanager
def found(key: str) -> Iterator[None]:
    """What the system does not find is missing."""
    try:
        yield
    except FileNotFoundError:
        raise FileMissing(key) from None


class Objects:
    def __init__(self, store: Any, url: str) -> None:
        self._store, self.url = store, url

    async def put(self, key: str, data: bytes | AsyncIterable[bytes]) -> None:
        await obstore.put_async(self._store, key, data, chunk_size=PART, max_concurrency=2)

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        size = await self.size(key)
        stop = size if stop is None else min(stop, size)
        while start < stop:
            with found(key):
                piece = await obstore.get_range_async(self._store, key, start=start, end=min(start + PIECE, stop))
            yield bytes(piece)
            start += len(piece)

    async def size(self, key: str) -> int:
        with found(key):
            return int((await obstore.head_async(self._store, key))["size"])

    async def copy(self, source: str, target: str) -> None:
        with found(source):
            try:
                await obstore.copy_async(self._store, source, target)
            except FileNotFoundError:
                raise
            except Exception:  # noqa: BLE001 - not every disk has hard links, and S3 copies no more than 5 GiB at once
                await self.put(target, self.get(source))

    async def grow(self, key: str, at: int, data: AsyncIterable[bytes]) -> int:
        """No object can be added to: each part is one, named after where it begins."""
        part = _part(key, at)
        for beyond in await self._below(key, after=part):
            await self.remove(beyond)
        await self.put(part, data)
        return at + await self.size(part)

    async def grown(self, key: str) -> AsyncIterator[bytes]:
        parts, end = sorted(await self.keys(key)), 0
        if not parts:
            raise FileMissing(key)
        for part in parts:
            if part != _part(key, end):
                raise FileMissing(_part(key, end))
            async for piece in self.get(part):
                yield piece
                end += len(piece)

    async def settle(self, key: str, target: str) -> None:
        await self.put(target, self.grown(key))

    async def keys(self, prefix: str) -> list[str]:
        return await self._below(prefix)

    async def _below(self, prefix: str, after: str | None = None) -> list[str]:
        listed = obstore.list(self._store, prefix=prefix, offset=after)
        return [entry["path"] async for batch in listed for entry in batch]

    async def remove(self, key: str) -> None:
        with suppress(FileNotFoundError):
            await obstore.delete_async(self._store, await self.keys(key) if key.endswith("/") else [key])

    async def sweep(self) -> None:
        """An object store shows only what is whole; nothing to do."""

    async def free_space(self) -> int | None:
        return None


def _part(key: str, begin: int) -> str:
    return f"{key}{begin:015d}"


class BlockingObjects:
    def __init__(self, store: Any) -> None:
        self._store = store

    def size(self, key: str) -> int:
        with found(key):
            return int(obstore.head(self._store, key)["size"])

    def read(self, key: str, start: int, stop: int) -> bytes:
        if start >= stop:
            return b""
        with found(key):
            return bytes(obstore.get_range(self._store, key, start=start, end=stop))

    def write(self, key: str, data: Iterable[bytes]) -> None:
        # Not put(): it would run the iterator within its own runtime, where no other call to the store is possible.
        with obstore.open_writer(self._store, key) as writer:
            for piece in data:
                writer.write(piece)


async def try_out(files: Files) -> Finding:
    """Store, read and remove a small file."""
    try:
        read = await _store_and_read(files, f"doctor-{uuid.uuid4().hex}/", b"rowmill")
        free = await files.free_space()
    except Exception as exc:  # noqa: BLE001 - each store has failures of its own
        reason = str(exc).strip().partition("\n")[0] or type(exc).__name__
        return fault("files", f"{files.url}: {reason}", ADVICE)
    if read != b"rowmill":
        return fault("files", f"{files.url}: what was written is not what is read", ADVICE)
    return weigh_space("files", f"{files.url}: writable", free, SPACE_FLOOR)


async def _store_and_read(files: Files, folder: str, content: bytes) -> bytes:
    try:
        await files.put(f"{folder}probe", content)
        return b"".join([piece async for piece in files.get(f"{folder}probe")])
    finally:
        await files.remove(folder)

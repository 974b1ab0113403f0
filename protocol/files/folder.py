"""A folder of this machine as the file store of an event loop."""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from obstore.store import LocalStore

from protocol.background import PART, PIECES, Background
from protocol.files.file import growing, remove_torn, whole, write_all, write_whole
from protocol.files.objects import Objects, found

LOOK = 1.0  # seconds between two looks at how much is free
GROWN = "grown"  # the one file below the key of what grows
STAGED = re.compile(r"#\d+$")  # how the store names a file that is not whole yet


class Folder(Objects):
    """Writes without the store's help: a stream costs it four times what it costs the system."""

    def __init__(self, root: Path, url: str) -> None:
        super().__init__(LocalStore(root), url)
        self._root = root
        self._known: tuple[float, int] | None = None  # when the disk was looked at last, and what was free

    async def put(self, key: str, data: bytes | AsyncIterable[bytes]) -> None:
        path = f"{self._root}/{key}"
        with self._filling():
            if isinstance(data, bytes):
                await _in_thread(partial(write_whole, path, [data]))
            else:
                await _store(path, aiter(data))

    async def grow(self, key: str, at: int, data: AsyncIterable[bytes]) -> int:
        with found(key), self._filling(), growing(f"{self._root}/{key}{GROWN}", at) as file:
            await _pour(file, [], aiter(data))
            return file.tell()

    def grown(self, key: str) -> AsyncIterator[bytes]:
        return self.get(f"{key}{GROWN}")

    async def settle(self, key: str, target: str) -> None:
        await self.copy(f"{key}{GROWN}", target)

    async def remove(self, key: str) -> None:
        await super().remove(key)
        if key.endswith("/"):
            await asyncio.to_thread(shutil.rmtree, self._root / key, ignore_errors=True)

    async def sweep(self) -> None:
        await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        for path in self._root.rglob("*#*"):
            if STAGED.search(path.name):
                remove_torn(path)

    @contextmanager
    def _filling(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._known = None  # the disk may be full
            raise

    async def free_space(self) -> int | None:
        """As it was within the last second: a look takes a thread, and each small upload asks for one."""
        now = time.monotonic()
        if self._known is None or now - self._known[0] > LOOK:
            self._known = now, (await asyncio.to_thread(shutil.disk_usage, self._root)).free
        return self._known[1]


async def _store(path: str, pieces: AsyncIterator[bytes]) -> None:
    begun, more = await _begin(pieces)
    if not more:
        await _in_thread(partial(write_whole, path, begun))
        return
    with whole(path) as file:
        await _pour(file, begun, pieces)


async def _begin(pieces: AsyncIterator[bytes]) -> tuple[list[bytes], bool]:
    """What comes first, and whether there may be more: most files are small, and one way to a thread is enough."""
    begun, size = [], 0
    async for piece in pieces:
        begun.append(piece)
        size += len(piece)
        if size >= PART or len(begun) >= PIECES:
            return begun, True
    return begun, False


async def _in_thread(work: Callable[[], None]) -> None:
    """Also when cancelled it ends before this does: nobody else may touch its file meanwhile."""
    done = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        await asyncio.wait([done])
    except asyncio.CancelledError:
        await asyncio.wait([done])
        raise
    done.result()


async def _pour(file: io.FileIO, begun: Iterable[bytes], pieces: AsyncIterator[bytes]) -> None:
    """Write what comes, a part in a thread while the next one gathers."""
    writing = Background(partial(write_all, file))
    try:
        for piece in begun:
            await writing.add(piece)
        async for piece in pieces:
            await writing.add(piece)
        await writing.flush()
    finally:
        await writing.pause()  # also when cancelled: nobody closes the file under it

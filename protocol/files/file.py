"""file:///folder - plain files on this machine."""

from __future__ import annotations

import asyncio
import io
import os
import re
import shutil
import time
import uuid
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.store import LocalStore

from protocol.background import PART, PIECES, Background
from protocol.files import BlockingFiles, FileMissing
from protocol.files.objects import ADVICE, BlockingObjects, Objects, try_out
from protocol.findings import Finding, fault, find_obstacle

LOOK = 1.0  # seconds between two looks at how much is free
STAGED = re.compile(r"#\d+$")  # how the store names a file that is not whole yet


class Folder(Objects):
    """Writes without the store's help: a stream costs it four times what it costs the system."""

    def __init__(self, root: Path, url: str) -> None:
        super().__init__(LocalStore(root), url)
        self._root = root
        self._known: tuple[float, int] | None = None  # when the disk was looked at last, and what was free

    async def put(self, key: str, data: bytes | AsyncIterable[bytes]) -> None:
        path = f"{self._root}/{key}"
        try:
            if isinstance(data, bytes):
                await _in_thread(partial(_write_whole, path, [data]))
            else:
                await _store(path, aiter(data))
        except BaseException:
            self._known = None  # the disk may be full
            raise

    async def remove(self, key: str) -> None:
        await super().remove(key)
        if key.endswith("/"):
            await asyncio.to_thread(shutil.rmtree, self._root / key, ignore_errors=True)

    async def sweep(self) -> None:
        await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        for path in self._root.rglob("*#*"):
            if STAGED.search(path.name):
                path.unlink(missing_ok=True)

    async def free_space(self) -> int | None:
        """As it was within the last second: a look takes a thread, and each small upload asks for one."""
        now = time.monotonic()
        if self._known is None or now - self._known[0] > LOOK:
            self._known = now, (await asyncio.to_thread(shutil.disk_usage, self._root)).free
        return self._known[1]


def folder_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path)).absolute()


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Folder]:
    root = folder_of(url)
    root.mkdir(0o700, parents=True, exist_ok=True)
    yield Folder(root, url)


async def examine(url: str) -> Finding:
    root = folder_of(url)
    if obstacle := find_obstacle(root):
        return fault("files", obstacle, ADVICE)
    if not root.exists():
        return Finding(part="files", detail=f"{root} will be made by the first start")
    async with connect(url) as files:
        return await try_out(files)


class BlockingFolder(BlockingObjects):
    """Reads and writes without the store's help: small files cost it a hundred times what they cost the system."""

    def __init__(self, root: Path) -> None:
        super().__init__(LocalStore(root, mkdir=True))
        self._root = root

    def size(self, key: str) -> int:
        try:
            return os.stat(f"{self._root}/{key}").st_size
        except FileNotFoundError:
            raise FileMissing(key) from None

    def write(self, key: str, data: Iterable[bytes]) -> None:
        _write_whole(f"{self._root}/{key}", data)

    def read(self, key: str, start: int, stop: int) -> bytes:
        if start >= stop:
            return b""
        try:
            file = os.open(f"{self._root}/{key}", os.O_RDONLY)
        except FileNotFoundError:
            raise FileMissing(key) from None
        try:
            data = os.pread(file, stop - start, start)
            while len(data) < stop - start and (more := os.pread(file, stop - start - len(data), start + len(data))):
                data += more
        finally:
            os.close(file)
        return data


@contextmanager
def _whole(path: str) -> Iterator[io.FileIO]:
    """The file that will be *path* when all of it is written, or nothing that stays."""
    staged = f"{path}#{uuid.uuid4().int}"
    try:
        with _open(staged) as file:
            yield file
        os.replace(staged, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(staged)
        raise


def _open(staged: str) -> io.FileIO:
    try:
        return io.FileIO(staged, "xb")
    except FileNotFoundError:  # the first in its folder
        os.makedirs(os.path.dirname(staged), exist_ok=True)
        return io.FileIO(staged, "xb")


async def _store(path: str, pieces: AsyncIterator[bytes]) -> None:
    begun, more = await _begin(pieces)
    if not more:
        await _in_thread(partial(_write_whole, path, begun))
        return
    with _whole(path) as file:
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
    finally:
        await asyncio.wait([done])
    done.result()


def _write_whole(path: str, pieces: Iterable[bytes]) -> None:
    with _whole(path) as file:
        _write_all(file, pieces)


async def _pour(file: io.FileIO, begun: Iterable[bytes], pieces: AsyncIterator[bytes]) -> None:
    """Write what comes, a part in a thread while the next one gathers."""
    writing = Background(partial(_write_together, file))
    try:
        for piece in begun:
            await writing.add(piece)
        async for piece in pieces:
            await writing.add(piece)
        await writing.flush()
    finally:
        await writing.pause()  # also when cancelled: nobody closes the file under it


def _write_all(file: io.FileIO, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        left = memoryview(piece)
        while left:
            left = left[file.write(left) :]


def _write_together(file: io.FileIO, pieces: Iterable[bytes]) -> None:
    """In one call, if the system takes all at once: threads wait for one another before and after each."""
    left = deque(memoryview(piece) for piece in pieces)
    while left:
        written = os.writev(file.fileno(), left)
        while left and written >= len(left[0]):
            written -= len(left.popleft())
        if left:
            left[0] = left[0][written:]


def connect_blocking(url: str) -> BlockingFiles:
    return BlockingFolder(folder_of(url))

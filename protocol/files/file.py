"""file:///folder - plain files on this machine."""

from __future__ import annotations

import fcntl
import io
import os
import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from protocol.files import BlockingFiles, FileMissing
from protocol.findings import Finding, fault, find_obstacle

if TYPE_CHECKING:  # the library behind it is not for the workers
    from protocol.files.folder import Folder

# For what is written at once, the system looks for a piece of free memory as large as that. Where a host has to provide
# it first, as on many virtual machines, writing took 0.6 to 1.8 s a GB instead of 0.27 with a mebibyte at once. These
# 192 KiB it keeps in pieces of 64 and 128 KiB; larger ones up to 320 did as well, and less only costs more calls.
AT_ONCE = 192 * 2**10
MOST = 512  # pieces: the system takes 1024


def folder_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path)).absolute()


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Folder]:
    from protocol.files.folder import Folder  # noqa: PLC0415

    root = folder_of(url)
    root.mkdir(0o700, parents=True, exist_ok=True)
    yield Folder(root, url)


async def examine(url: str) -> Finding:
    from protocol.files.objects import ADVICE, try_out  # noqa: PLC0415

    root = folder_of(url)
    if obstacle := find_obstacle(root):
        return fault("files", obstacle, ADVICE)
    if not root.exists():
        return Finding(part="files", detail=f"{root} will be made by the first start")
    async with connect(url) as files:
        return await try_out(files)


class BlockingFolder:
    """Small files cost a library for object stores a hundred times what they cost the system."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def size(self, key: str) -> int:
        try:
            return os.stat(f"{self._root}/{key}").st_size
        except FileNotFoundError:
            raise FileMissing(key) from None

    def write(self, key: str, data: Iterable[bytes]) -> None:
        write_whole(f"{self._root}/{key}", data)

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
def whole(path: str) -> Iterator[io.FileIO]:
    """The file that will be *path* when all of it is written, or nothing that stays."""
    staged = f"{path}#{uuid.uuid4().int}"
    try:
        with _begin(staged) as file:
            yield file
            os.replace(staged, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(staged)
        raise


def remove_torn(staged: str | Path) -> None:
    """Remove what a process left that died while it wrote; what is still written is locked, by whatever process."""
    with suppress(OSError), open(staged, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(staged)


def _begin(staged: str) -> io.FileIO:
    while True:
        file = _open(staged)
        with suppress(OSError):  # not every file system has locks; where there are none, nothing is removed either
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # it was removed before it was locked


def _open(staged: str) -> io.FileIO:
    try:
        return io.FileIO(staged, "xb")
    except FileNotFoundError:  # the first in its folder
        os.makedirs(os.path.dirname(staged), exist_ok=True)
        return io.FileIO(staged, "xb")


def write_whole(path: str, pieces: Iterable[bytes]) -> None:
    with whole(path) as file:
        write_all(file, pieces)


@contextmanager
def growing(path: str, size: int) -> Iterator[io.FileIO]:
    """The file at *path* cut to *size* bytes, to be written on; FileNotFoundError where it has fewer."""
    if not size:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with io.FileIO(path, "r+b" if size else "wb") as file:
        if os.fstat(file.fileno()).st_size < size:
            raise FileNotFoundError(path)
        file.truncate(size)
        file.seek(size)
        yield file


def write_all(file: io.FileIO, pieces: Iterable[bytes]) -> None:
    for batch in _batches(pieces):
        left = deque(batch)
        while left:
            written = os.writev(file.fileno(), left)
            while left and written >= len(left[0]):
                written -= len(left.popleft())
            if left:
                left[0] = left[0][written:]


def _batches(pieces: Iterable[bytes]) -> Iterator[list[memoryview]]:
    batch, room = list[memoryview](), AT_ONCE
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            batch.append(rest[:room])
            room, rest = room - len(batch[-1]), rest[room:]
            if not room or len(batch) == MOST:
                yield batch
                batch, room = [], AT_ONCE
    if batch:
        yield batch


def connect_blocking(url: str) -> BlockingFiles:
    return BlockingFolder(folder_of(url))

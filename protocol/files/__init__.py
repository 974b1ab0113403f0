"""The port to a file store: uploads and artefacts by key. Keys are ours; nothing from a client becomes one."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, cast

from protocol import adapters
from protocol.findings import Finding

PIECE = 2**20


class FileMissing(Exception):
    """No file has this key."""


class Files(Protocol):
    url: str

    async def put(self, key: str, data: bytes | AsyncIterable[bytes]) -> None:
        """Store *data* whole or not at all: an iterable that raises or is cancelled leaves nothing behind."""

    def get(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from *start* up to *stop*, or to the end, in pieces of at most a mebibyte; or FileMissing."""

    async def size(self, key: str) -> int:
        """In bytes, or FileMissing."""

    async def copy(self, source: str, target: str) -> None:
        """Have the file *source* as *target* too, each on its own from then on; or FileMissing.

        Where the store can, that takes neither time nor space: files are never changed, only replaced.
        """

    async def grow(self, key: str, at: int, data: AsyncIterable[bytes]) -> int:
        """Have *data* follow the first *at* bytes of what grows below *key*, which ends with a slash; the new size.

        *at* is 0 or a size that it had; what else followed is dropped. FileMissing where there are fewer bytes, here
        or, in a store that cannot know it yet, when it is read or settled. It is no file before that.
        """

    def grown(self, key: str) -> AsyncIterator[bytes]:
        """All that has grown below *key*, in pieces of at most a mebibyte; or FileMissing."""

    async def settle(self, key: str, target: str) -> None:
        """Have all that has grown below *key* as the file *target* too; or FileMissing.

        Where the store can, that takes neither time nor space: beside *target* it must not grow on.
        """

    async def keys(self, prefix: str) -> list[str]:
        """Every key below *prefix*, which ends with a slash."""

    async def remove(self, key: str) -> None:
        """Remove a file, or everything below a key that ends with a slash. What is not there is no error."""

    async def sweep(self) -> None:
        """Remove what uploads left behind that died with their process; what others are still storing stays."""

    async def free_space(self) -> int | None:
        """In bytes; None where nobody can know."""


class BlockingFiles(Protocol):
    """The same store for worker processes, which have no event loop."""

    def size(self, key: str) -> int: ...
    def read(self, key: str, start: int, stop: int) -> bytes: ...
    def write(self, key: str, data: Iterable[bytes]) -> None: ...


def blocks(files: BlockingFiles, key: str) -> Iterator[bytes]:
    """The whole file, a mebibyte at a time."""
    size = files.size(key)
    for start in range(0, size, PIECE):
        yield files.read(key, start, min(start + PIECE, size))


def open_files(url: str) -> AbstractAsyncContextManager[Files]:
    return cast("AbstractAsyncContextManager[Files]", adapters.find(__name__, url).connect(url))


def open_blocking(url: str) -> BlockingFiles:
    return cast("BlockingFiles", adapters.find(__name__, url).connect_blocking(url))


async def examine(url: str) -> Sequence[Finding]:
    """Whether a file can be stored, read and removed at *url*, and whether there is space for more."""
    return [cast("Finding", await adapters.find(__name__, url).examine(url))]

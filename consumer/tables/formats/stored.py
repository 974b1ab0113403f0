"""A stored file as those libraries want it that jump about in files."""

from __future__ import annotations

import io

from protocol.files import BlockingFiles

_BUFFER = 2**20


class _Raw(io.RawIOBase):
    def __init__(self, files: BlockingFiles, key: str) -> None:
        self._files, self._key = files, key
        self._size, self._at = files.size(key), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        stop = min(self._at + len(buffer), self._size)
        if stop <= self._at:
            return 0
        data = self._files.read(self._key, self._at, stop)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def open_stored(files: BlockingFiles, key: str) -> io.BufferedReader:
    return io.BufferedReader(_Raw(files, key), _BUFFER)

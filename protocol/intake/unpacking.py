"""Compressed tables, unpacked as they come: known by their first bytes, in bounded memory, refused where they swell.

Several members or frames one after another are one table. Work is done in threads, for it may take a while.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from protocol.intake.layout import BadTable
from protocol.job import Fault

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE = 256 * 1024
RATIO, FREE = 200, 16 * 2**20  # so many times its size a table may grow, and so many bytes in any case
_WINDOW = 25  # what a zstd frame may ask for: 2**25 bytes of memory
GZIP, ZSTD, DEFLATE = "gzip", "zstd", "deflate"
_SKIPPABLE = tuple(b"%c*M\x18" % first for first in range(0x50, 0x60))  # frames of zstd that hold no table
_MAGIC = {GZIP: (b"\x1f\x8b",), ZSTD: (b"\x28\xb5\x2f\xfd", *_SKIPPABLE)}
_SUFFIXES = (".gz", ".gzip", ".zst", ".zstd")
_LONGEST = 4


@dataclass(frozen=True)
class _Stream:
    """One member or frame. `some` of it is what the next bytes, and those that were left, give: a piece at most."""

    inner: Any
    some: Callable[[bytes], bytes]


def _zlib(wbits: int) -> _Stream:
    inner = zlib.decompressobj(wbits)
    return _Stream(inner, lambda data: inner.decompress(inner.unconsumed_tail + data, PIECE))


def _gzip(_: bytes) -> _Stream:
    return _zlib(zlib.MAX_WBITS + 16)


def _deflate(begun: bytes) -> _Stream:
    """With zlib's head, as RFC 9110 has it, or without one, as many clients do."""
    return _zlib(zlib.MAX_WBITS if begun[0] & 0xF == zlib.DEFLATED else -zlib.MAX_WBITS)


def _zstd(_: bytes) -> _Stream:
    inner = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW})
    return _Stream(inner, lambda data: inner.decompress(data, PIECE))


_STREAMS: dict[str, Callable[[bytes], _Stream]] = {GZIP: _gzip, ZSTD: _zstd, DEFLATE: _deflate}


def compression_of(head: bytes) -> str | None:
    """How what begins with *head* is compressed, if it is."""
    return next((name for name, magic in _MAGIC.items() if head.startswith(magic)), None)


def plain_name(name: str) -> str:
    """A file's name without what only says that it is compressed."""
    suffix = next((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


class Unpacker:
    """The bytes of a table as they are, if they come compressed. `received` counts those that came.

    How, is told by their first bytes or said by *compression*. What is no whole compressed table, or swells too much,
    raises BadTable.
    """

    def __init__(self, compression: str | None = None) -> None:
        self.compression = compression
        self.received = self.given = 0
        self._begun: bytes | None = None if compression else b""
        self._rest = b""  # perhaps the beginning of another member
        self._stream: _Stream | None = None

    async def unpack(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pieces of the table: blocks as they came, where nothing is compressed."""
        async for block in blocks:
            async for piece in self._take(block):
                yield piece
        for piece in self._end():
            yield piece

    def unpack_some(self, data: bytes, most: int) -> bytes:
        """The first *most* bytes of the table that begins with *data*, which may end anywhere."""
        if compression_of(data) is None:
            return data[:most]
        found = bytearray()
        for piece in self._inflate(self._open(data)):
            found += piece
            if len(found) >= most:
                break
        return bytes(found[:most])

    async def _take(self, block: bytes) -> AsyncIterator[bytes]:
        self.received += len(block)
        if self._begun is not None:
            self._begun += block
            if len(self._begun) < _LONGEST:
                return
            block, self._begun = self._open(self._begun), None
        if self.compression is None:
            yield block
            return
        pieces = self._inflate(block)
        while piece := await asyncio.to_thread(_gather, pieces):
            yield piece

    def _open(self, begun: bytes) -> bytes:
        self.compression = compression_of(begun)
        return begun

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        """All that *data* gives, and then nothing more until there is more of it."""
        while True:
            if self._stream is None:
                if not (data := self._between(data)):
                    return
                self._stream = _STREAMS[str(self.compression)](data)
            piece, data = self._some(data), b""
            if piece:
                self._count(piece)
                yield piece
            if self._stream.inner.eof:
                data, self._stream = self._stream.inner.unused_data, None
            elif not piece:
                return

    def _between(self, data: bytes) -> bytes:
        """The next member, and not less of it than tells that it is one; zeros after gzip are padding."""
        rest, self._rest = self._rest + data, b""
        if self.compression == GZIP and self.given:
            rest = rest.lstrip(b"\0")
        magic = _MAGIC.get(str(self.compression), (b"",))
        if any(len(rest) < len(one) and one.startswith(rest) for one in magic):
            self._rest, rest = rest, b""
        elif not rest.startswith(magic):
            raise self._bad("trailing_bytes", f"Something follows the {self.compression} data that is none.")
        return rest

    def _some(self, data: bytes) -> bytes:
        try:
            return self._stream.some(data) if self._stream else b""
        except (zlib.error, zstd.ZstdError) as exc:
            detail = f"The {self.compression} data is damaged and cannot be unpacked ({str(exc)[:80]})."
            raise self._bad("damaged", detail) from None

    def _count(self, piece: bytes) -> None:
        self.given += len(piece)
        if self.given > FREE + RATIO * self.received and self.received:
            detail = f"The {self.compression} data grows to more than {RATIO} times its size; send the table as it is."
            raise self._bad("swells", detail, status=413)

    def _end(self) -> Iterator[bytes]:
        if self._begun:
            block, self._begun = self._open(self._begun), None
            yield from [block] if self.compression is None else self._inflate(block)
        if self.compression and (self._stream or self._rest):
            raise self._bad("cut_off", f"The {self.compression} data is cut off: its end is missing.")

    def _bad(self, code: str, detail: str, status: int = 422) -> BadTable:
        return BadTable(status, (Fault(code=code, detail=detail),))


def _gather(pieces: Iterator[bytes]) -> bytes:
    """Small members together: the way to a thread and back takes longer than one of them."""
    some, size = [], 0
    for piece in pieces:
        some.append(piece)
        size += len(piece)
        if size >= PIECE:
            break
    return b"".join(some)

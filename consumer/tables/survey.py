"""Looks at a whole table once: how it is written, and where its UTF-8 lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protocol.files import PIECE, BlockingFiles
from protocol.intake import Inspector, Layout, ReadOptions
from protocol.intake.decoding import UTF8, transcode


@dataclass(frozen=True)
class Survey:
    """`key` holds the table as UTF-8, `size` bytes of it."""

    layout: Layout
    key: str
    size: int


def survey(files: BlockingFiles, key: str, options: ReadOptions, *, name: str, work_prefix: str) -> Survey:
    """What there is to know of the table at *key*, or BadTable.

    One that is not UTF-8 is copied as such to `{work_prefix}table`, in bounded memory.
    """
    layout = inspect(files, key, options, name=name)
    if layout.encoding != UTF8:
        original, key = key, f"{work_prefix}table"
        files.write(key, transcode(blocks(files, original, 0, files.size(original)), options.encoding))
    return Survey(layout, key, layout.size)


def inspect(files: BlockingFiles, key: str, options: ReadOptions, *, name: str) -> Layout:
    """How the table at *key* is written, or BadTable."""
    inspector = Inspector(options, name=name)
    for block in blocks(files, key, 0, files.size(key)):
        inspector.feed(block)
    return inspector.finish()


def blocks(files: BlockingFiles, key: str, start: int, stop: int) -> Iterator[bytes]:
    """The bytes from *start* to *stop*, a mebibyte at a time."""
    for begin in range(start, stop, PIECE):
        yield files.read(key, begin, min(begin + PIECE, stop))

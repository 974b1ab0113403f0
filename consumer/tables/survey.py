"""Looks at a whole table once: how it is written, and where its UTF-8 lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from consumer.tables import copies
from protocol.files import PIECE, BlockingFiles
from protocol.intake import Inspector, Layout, ReadOptions
from protocol.intake.decoding import UTF8, transcode
from protocol.intake.layout import Format
from protocol.intake.scanning import Scanner


@dataclass(frozen=True)
class Survey:
    """`key` holds the table as UTF-8, `size` bytes of it.

    `marks` are places in it, for who cuts it next; they do not travel.
    """

    layout: Layout
    key: str
    size: int
    marks: Sequence[Scanner] = field(default=(), repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"marks": ()}


def survey(files: BlockingFiles, key: str, options: ReadOptions, *, name: str, work_prefix: str) -> Survey:
    """What there is to know of the table at *key*, or BadTable.

    One that is not UTF-8, has other quotes or is no CSV is copied as such to `{work_prefix}table`, in bounded memory.
    """
    marks: list[Scanner] = []
    layout = inspect(files, key, options, name=name, marks=marks)
    if copies.needed(layout, options):
        return _of_copy(files, key, options, layout, f"{work_prefix}table")
    if layout.encoding != UTF8:
        original, key = key, f"{work_prefix}table"
        files.write(key, transcode(blocks(files, original, 0, files.size(original)), options.encoding))
    return Survey(layout, key, layout.size, marks)


def _of_copy(files: BlockingFiles, key: str, options: ReadOptions, layout: Layout, to: str) -> Survey:
    copy, marks = copies.make(files, key, options, layout, to), list[Scanner]()
    found = inspect(files, to, copy.options, name="table.csv", marks=marks)
    told = [*copy.findings, *(one for one in found.findings if layout.format is Format.XLSX and one.what == "header")]
    changes: dict[str, Any] = {"findings": tuple(told), "format": layout.format}
    if copy.line_after and copy.line_after != found.lines:
        begin = copy.first + int(not found.headless)  # the header, too, may have newlines in its cells
        changes |= {"rowwise": True, "lines": copy.line_after, "first_line": begin}
    return Survey(found.model_copy(update=changes), to, found.size, marks)


def inspect(
    files: BlockingFiles, key: str, options: ReadOptions, *, name: str, marks: list[Scanner] | None = None
) -> Layout:
    """How the table at *key* is written, or BadTable; *marks* is filled with places in it."""
    inspector = Inspector(options, name=name, count=count, plain=is_plain, marks=marks)
    for block in blocks(files, key, 0, files.size(key)):
        inspector.feed(block)
    return inspector.finish()


def blocks(files: BlockingFiles, key: str, start: int, stop: int) -> Iterator[bytes]:
    """The bytes from *start* to *stop*, a mebibyte at a time."""
    for begin in range(start, stop, PIECE):
        yield files.read(key, begin, min(begin + PIECE, stop))


def count(data: bytes, byte: bytes) -> int:
    """How often *byte* is in *data*: ten times as fast as Python counts."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == byte[0]))


def is_plain(data: bytes) -> bool:
    """Whether *data* is ASCII without NUL: one look for what Python needs two."""
    return not data or int(np.frombuffer(data, np.int8).min()) > 0

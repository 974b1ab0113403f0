"""Rows that take the place of others in a table that itself stays as it is: how they are kept, and laid over a chunk.

Each stands in for the row that begins on a certain line, and keeps that line, whatever its own height.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from consumer.tables import rows, write
from consumer.tables.cells import Tokeniser, joined
from consumer.tables.cut import Chunk, Slice
from consumer.tables.survey import Survey
from protocol.files import BlockingFiles
from protocol.intake.layout import Layout

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Overlay:
    """Row *i*, of what begins on `lines[i]`, lies in bytes `bounds[i]` to `bounds[i + 1]` of *key*, with commas."""

    key: str
    lines: Numbers
    bounds: Numbers

    def __len__(self) -> int:
        return len(self.lines)

    def between(self, first: int, stop: int) -> Overlay | None:
        """The part that stands in for lines from *first* up to *stop*, if there is any."""
        start, end = np.searchsorted(self.lines, [first, stop])
        part = replace(self, lines=self.lines[start:end], bounds=self.bounds[start : end + 1])
        return part if len(part) else None

    def over(self, files: BlockingFiles, other: Overlay | None, key: str) -> Overlay:
        """Laid over the *other*, which has older rows, if there is one: both as one, stored as *key*."""
        if other is None:
            return store(files, key, self.lines, self.rows_in(files))
        older = np.flatnonzero(~np.isin(other.lines, self.lines))
        lines = np.concatenate([other.lines[older], self.lines])
        both = pa.concat_arrays([other.rows_in(files).take(pa.array(older)), self.rows_in(files)])
        order = np.argsort(lines)
        return store(files, key, lines[order], both.take(pa.array(order)))

    def lay(self, files: BlockingFiles, data: bytes, layout: Layout, first_line: int) -> tuple[bytes, Numbers]:
        """The rows of a chunk, with these in their places, and the lines of all."""
        how = {"blanks": layout.blanks, "rowwise": layout.rowwise}
        found = rows.find(data, layout.delimiter, first_line=first_line, **how)
        places = np.searchsorted(found.lines, self.lines)
        if not np.array_equal(found.lines[places.clip(max=len(found.lines) - 1)], self.lines):
            raise ValueError("rows were to stand in for others that are not there")
        pieces, end = [], 0
        for place, row in zip(places.tolist(), self._spelled(files, layout), strict=True):
            pieces += [data[end : found.bounds[place]], row]
            end = int(found.bounds[place + 1])
        return b"".join([*pieces, data[end:]]), found.lines.astype(np.int64)

    def rows_in(self, files: BlockingFiles) -> pa.Array:
        """The bytes of each row."""
        data = self._bytes(files)
        buffers = [None, pa.py_buffer(self.bounds - self.bounds[0]), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.large_binary(), len(self), buffers)

    def _spelled(self, files: BlockingFiles, layout: Layout) -> list[bytes]:
        """Each row as it is written in a table with this layout."""
        width = len(layout.header)
        batches, _ = Tokeniser(",", range(width), lambda batch: batch).run(self._bytes(files), width)
        columns = [pa.concat_arrays(pieces) for pieces in zip(*batches, strict=True)]
        spelled: list[bytes] = write.rows(columns, layout.delimiter).cast(pa.binary()).to_pylist()
        return spelled

    def _bytes(self, files: BlockingFiles) -> bytes:
        return files.read(self.key, int(self.bounds[0]), int(self.bounds[-1]))


@dataclass(frozen=True)
class Alone:
    """The rows of an overlay as a table of their own, read without what is round them."""

    lines: Numbers

    def lay(self, _files: BlockingFiles, data: bytes, _layout: Layout, _first_line: int) -> tuple[bytes, Numbers]:
        return data, self.lines


@dataclass(frozen=True)
class Part:
    """A chunk of one of the tables that a job is made of, with what takes the place of some rows in it."""

    table: int
    chunk: Chunk
    overlay: Overlay | Alone | None = None


@dataclass(frozen=True)
class Tables:
    """Tables that are read as one; what is written has the `layout`'s columns."""

    layout: Layout
    surveys: tuple[Survey, ...]


@lru_cache(maxsize=8)  # one after another, the steps of a few jobs ask for the same
def load(found: bytes) -> Survey | Tables:
    """The table of a plan, or the tables, which it has pickled."""
    tables: Survey | Tables = pickle.loads(found)  # noqa: S301 - written by the plan, kept in our own store
    return tables


def write_down(files: BlockingFiles, key: str, found: Mapping[int, Sequence[str]], width: int) -> Overlay:
    """An overlay of these rows (cells by line, *width* each), stored as *key*."""
    lines = sorted(found)
    columns = [pa.array([found[line][place] for line in lines], pa.string()) for place in range(width)]
    return store(files, key, np.array(lines, np.int64), write.rows(columns))


def store(files: BlockingFiles, key: str, lines: Numbers, texts: pa.Array) -> Overlay:
    files.write(key, [joined(texts)])
    sizes: Any = pc.binary_length(texts)
    return Overlay(key, lines, np.concatenate([[0], np.cumsum(sizes.to_numpy(zero_copy_only=False), dtype=np.int64)]))


def survey_of(overlay: Overlay, layout: Layout) -> Survey:
    """The overlay as a table with the columns of *layout*."""
    plain = layout.model_copy(update={"delimiter": ",", "blanks": False})
    return Survey(plain, overlay.key, int(overlay.bounds[-1]))


def alone(overlay: Overlay, table: int, chunk_size: int) -> Iterator[Part]:
    """The rows of *overlay* in chunks of about *chunk_size* bytes, to be read without the rest of the table."""
    start = 0
    while start < len(overlay):
        limit = overlay.bounds[start] + chunk_size
        stop = max(start + 1, int(np.searchsorted(overlay.bounds, limit, side="right")) - 1)
        chunk = Chunk(-1, (Slice(int(overlay.bounds[start]), int(overlay.bounds[stop]), 1),))
        yield Part(table, chunk, Alone(overlay.lines[start:stop]))
        start = stop

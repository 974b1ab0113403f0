"""The rows of a chunk as they stood: their cells and lines, for the few that are written out again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consumer.tables import lines, rows, wide
from consumer.tables.cells import Tokeniser, joined, split
from consumer.tables.lines import Lines
from consumer.tables.misfits import Misfits
from consumer.tables.rows import Places, Rows
from protocol.intake.layout import Layout

AT_HAND = 128  # rows, which Python picks before pyarrow has begun


@dataclass(frozen=True)
class Originals:
    """A chunk's bytes. A row is known by its place among all rows of the chunk.

    `numbers` are the lines of its rows, where other rows took the place of what stood there; `count` is how many rows
    and lines of blanks there are. Where they lie may be `known`.
    """

    data: bytes
    layout: Layout
    first_line: int
    misfits: Misfits
    count: int
    numbers: Places | None = None
    known: Rows | None = None

    @cached_property
    def rows(self) -> Rows | Lines:
        return self.known or self._as_lines or self._found

    def lines(self, places: Places) -> Places:
        """The physical lines on which these rows begin."""
        if self.numbers is not None:
            return self.numbers[places]
        rows = self.rows
        found = rows.lines[places] if isinstance(rows, Rows) else places.astype(np.int64) + self.first_line
        return np.asarray(found, np.int64)  # the same, however they were found

    @cached_property
    def _as_lines(self) -> Lines | None:
        return lines.find(self.data, self.count)

    @cached_property
    def _found(self) -> Rows:
        how = {"blanks": self.layout.blanks, "rowwise": self.layout.rowwise}
        return rows.find(self.data, self.layout.delimiter, first_line=self.first_line, **how)

    def cells(self, places: Places, *, surplus: bool) -> list[pa.Array]:
        """The cells of these rows, as many as the header has, unstripped: a short row gets empty ones.

        Surplus cells are added to the last column, with their delimiters, or else left out.
        """
        widths = self.widths(places)
        parts = [(np.flatnonzero(widths == width), int(width)) for width in np.unique(widths)]
        columns = [self._of_width(places[part], width, surplus=surplus) for part, width in parts]
        if len(columns) == 1:
            return columns[0]
        order = pa.array(np.argsort(np.concatenate([part for part, _ in parts])))
        return [pa.concat_arrays(pieces).take(order) for pieces in zip(*columns, strict=True)]

    def texts(self, places: Places) -> list[tuple[str, ...]] | None:
        """The same of a few rows that Python can split; None where they are others."""
        if len(places) > AT_HAND or (self.widths(places) != len(self.layout.header)).any():
            return None
        return self._split(self.bytes_of(places))

    def every_text(self) -> list[tuple[str, ...]] | None:
        """The same of all rows, which need not be found for that."""
        return None if self.count > AT_HAND or len(self.misfits.places) else self._split(self.data)

    def _split(self, data: bytes) -> list[tuple[str, ...]] | None:
        return split(data, self.layout.delimiter, len(self.layout.header))

    def widths(self, places: Places) -> Places:
        """How many cells these rows have."""
        widths = np.full(len(places), len(self.layout.header))
        odd = self.misfits
        if len(odd.places):
            at = np.searchsorted(odd.places, places).clip(max=len(odd.places) - 1)
            widths = np.where(odd.places[at] == places, odd.widths[at], widths)
        return widths

    def by_width(self, least: int) -> Iterator[tuple[Places, int]]:
        """The places of the misfits that have at least so many cells, together with those of their width."""
        widths = self.misfits.widths
        for width in np.unique(widths[widths >= least]):
            yield self.misfits.places[widths == width], int(width)

    def bytes_of(self, places: Places) -> bytes:
        if len(places) > AT_HAND:
            return joined(self.rows.take(places))
        return b"".join(self._each(places))

    def _each(self, places: Places) -> list[bytes]:
        begins, ends = self.rows.where(places)
        return [self.data[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]

    def narrow(self, places: Places, width: int, *, surplus: bool) -> tuple[bytes, int]:
        """The bytes of these rows of that *width*, and how many cells each has: the header's number where very many."""
        delimiter, columns = self.layout.delimiter, len(self.layout.header)
        if width <= columns + wide.WIDEST:
            return self.bytes_of(places), width
        rows = [wide.narrowed(row, delimiter, columns, surplus=surplus) for row in self._each(places)]
        return b"".join(rows), columns

    def _of_width(self, places: Places, width: int, *, surplus: bool) -> list[pa.Array]:
        columns = len(self.layout.header)
        data, width = self.narrow(places, width, surplus=surplus)
        batches, _ = Tokeniser(self.layout.delimiter, range(width), lambda batch: batch).run(data, width)
        found = [pa.concat_arrays(pieces) for pieces in zip(*batches, strict=True)]
        if width > columns:
            last = (
                pc.binary_join_element_wise(*found[columns - 1 :], self.layout.delimiter)
                if surplus
                else found[columns - 1]
            )
            return [*found[: columns - 1], last]
        return found + [pa.array([""] * len(places), pa.string())] * (columns - width)

"""Reads a chunk: the needed columns as a typed, complete frame, every other row as a reject with line and reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from consumer.kinds import Column
from consumer.tables import converted, rows
from consumer.tables.batch import Batch, Rejects
from consumer.tables.cells import Tokeniser, TooManyMisfits, joined
from consumer.tables.converted import Converted
from consumer.tables.cut import Chunk
from consumer.tables.misfits import Misfits, sort_out
from consumer.tables.originals import Originals
from consumer.tables.overlay import Alone, Overlay
from consumer.tables.rows import Places
from consumer.tables.survey import Survey
from protocol.files import BlockingFiles
from protocol.intake import BadTable, ReadOptions, check_columns
from protocol.intake.layout import Layout
from protocol.kinds import NeededColumn

__all__ = ["Batch", "every_column", "read"]


def read(
    files: BlockingFiles,
    survey: Survey,
    chunk: Chunk,
    columns: Sequence[Column],
    options: ReadOptions,
    *,
    surplus: Literal["reject", "ignore"] = "reject",
    overlay: Overlay | Alone | None = None,
) -> Batch:
    """The rows of *chunk*, typed and complete in *columns*, and the rejects; identical however the table was cut.

    The rows of *overlay* stand where they stand in for others.
    """
    layout = survey.layout
    if faults := check_columns(layout, [NeededColumn(name=column.name) for column in columns], {}):
        raise BadTable(422, faults, layout)
    reading = _Reading(layout, tuple(columns), options.decimal, surplus == "ignore")
    data, numbers = _bytes(files, survey, chunk), None
    if overlay is not None:
        data, numbers = overlay.lay(files, data, layout, chunk.first_line)
    places, found, originals = reading.rows(data, chunk.first_line, numbers)
    good = found.reasons == 0
    bad = reading.misfits(originals).add(places[~good], found.reasons[~good], converted.vocabulary(columns))
    frame = found.where(good).frame([column.name for column in columns])
    return Batch(frame, places[good], bad, originals)


def every_column(layout: Layout) -> tuple[Column, ...]:
    """All columns of a table, as text; only rows with a wrong number of cells are then rejected."""
    return tuple(Column(name, required=False) for name in layout.header)


@dataclass(frozen=True)
class _Reading:
    """What is asked of the rows of one table."""

    layout: Layout
    columns: tuple[Column, ...]
    decimal: str
    ignores_surplus: bool

    def rows(self, data: bytes, first_line: int, numbers: Places | None) -> tuple[Places, Converted, Originals]:
        """The rows with all the cells that are needed, converted: their places in file order, and the originals."""
        parts, misfits = self._parts(data)
        originals = Originals(data, self.layout, first_line, misfits, numbers)
        found = converted.join(parts, self.columns)
        del parts
        places = misfits.others(len(found))
        if self.ignores_surplus:
            places, found = self._with_longer(places, found, originals)
        if len(self.layout.header) == 1:
            places, found = _without_blank_lines(places, found, originals)
        return places, found, originals

    def misfits(self, originals: Originals) -> Rejects:
        """The rows with too few cells or, unless a surplus is ignored, too many."""
        columns, odd = len(self.layout.header), originals.misfits
        bad = odd.widths < columns if self.ignores_surplus else odd.widths > 0
        widths, reasons = np.unique(odd.widths[bad], return_inverse=True)
        words = (f"{'short' if width < columns else 'long'}_row: {width} of {columns} cells" for width in widths)
        return Rejects(odd.places[bad], reasons.astype(np.uint16), tuple(words))

    def _parts(self, data: bytes) -> tuple[list[Converted], Misfits]:
        """The rows with as many cells as the header has, in batches, and the others."""
        width = len(self.layout.header)
        try:
            return self._tokeniser.run(data, width)
        except TooManyMisfits:
            found = rows.find(data, self.layout.delimiter, blanks=self.layout.blanks, first_line=1)
        fitting, misfits = sort_out(found, self.layout.delimiter, width, blanks=self.layout.blanks)
        return self._tokeniser.run(joined(found.take(fitting)), width)[0], misfits

    @property
    def _tokeniser(self) -> Tokeniser[Converted]:
        wanted = [self.layout.header.index(column.name) for column in self.columns] or [0]
        return Tokeniser(
            self.layout.delimiter, wanted, partial(converted.convert, columns=self.columns, decimal=self.decimal)
        )

    def _with_longer(self, places: Places, found: Converted, originals: Originals) -> tuple[Places, Converted]:
        """Together with the rows that have surplus cells."""
        where, parts = [places], [found]
        for longer, width in originals.by_width(len(self.layout.header) + 1):
            where.append(longer)
            parts += self._tokeniser.run(originals.bytes_of(longer), width)[0]
        together = np.concatenate(where)
        order = np.argsort(together)
        return together[order], converted.join(parts, self.columns).take(order)


def _bytes(files: BlockingFiles, survey: Survey, chunk: Chunk) -> bytes:
    data = files.read(survey.key, chunk.start, chunk.stop) if chunk.start < chunk.stop else b""
    if survey.layout.blanks and b'"' in data:
        data = rows.without_blanks(data, survey.layout.delimiter)
    return data if not data or data.endswith((b"\n", b"\r")) else data + b"\n"


def _without_blank_lines(places: Places, found: Converted, originals: Originals) -> tuple[Places, Converted]:
    """In a table of one column a line of blanks looks like a row, and is none."""
    empty = np.flatnonzero(found.empty)
    if not len(empty):
        return places, found
    keep = np.delete(np.arange(len(places)), empty[originals.rows.blank(places[empty])])
    return places[keep], found.take(keep)

"""Reads a chunk: the needed columns as a typed, complete frame, every other row as a reject with line and reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import pyarrow as pa

from consumer.kinds import Column
from consumer.tables import converted, rows, values
from consumer.tables.batch import Batch, Rejects
from consumer.tables.cells import Tokeniser, TooManyMisfits, joined
from consumer.tables.converted import Converted
from consumer.tables.cut import Chunk, Slice
from consumer.tables.learned import Learned, learned
from consumer.tables.misfits import Misfits, sort_out
from consumer.tables.originals import Originals
from consumer.tables.overlay import Alone, Overlay
from consumer.tables.rejected import Cells
from consumer.tables.rows import Places
from consumer.tables.survey import Survey
from protocol.files import BlockingFiles
from protocol.intake import BadTable, ReadOptions, check_columns
from protocol.intake.layout import Format, Layout
from protocol.kinds import NeededColumn

__all__ = ["Batch", "Reader", "every_column"]


class Reader:
    """Reads the rows of one table, typed and complete in some columns, and the rejects.

    They are identical however the table was cut.
    """

    def __init__(
        self,
        files: BlockingFiles,
        survey: Survey,
        columns: Sequence[Column],
        options: ReadOptions,
        *,
        surplus: Literal["reject", "ignore"] = "reject",
    ) -> None:
        self._files, self._survey = files, survey
        self._reading = _reading(survey, columns, options, surplus)

    def read(self, chunk: Chunk, overlay: Overlay | Alone | None = None) -> Batch:
        """All of *chunk* at once. The rows of *overlay* stand where they stand in for others."""
        data, numbers = _bytes(self._files, self._survey, chunk.whole), None
        if overlay is not None:
            data, numbers = overlay.lay(self._files, data, self._survey.layout, chunk.first_line)
        return self._reading.batch(data, chunk.first_line, numbers)

    def slices(self, chunk: Chunk) -> Iterator[Batch]:
        """The same, slice by slice."""
        for part in chunk.slices:
            yield self._reading.batch(_bytes(self._files, self._survey, part), part.first_line)

    def again(self, chunk: Chunk, data: bytes) -> Batch:
        """The same of some rows of *chunk*, whose bytes (of a batch's originals) are *data*; their lines are lost."""
        return self._reading.batch(data, chunk.first_line)


def every_column(layout: Layout) -> tuple[Column, ...]:
    """All columns of a table, as text; only rows with a wrong number of cells are then rejected."""
    return tuple(Column(name, required=False) for name in layout.header)


FEW = 8  # one row in so many
_Found = tuple[Places, Converted, Originals]
_Keep = Callable[[Misfits, int], Originals]


def _reading(
    survey: Survey, columns: Sequence[Column], options: ReadOptions, surplus: Literal["reject", "ignore"]
) -> _Reading:
    layout = survey.layout
    if faults := check_columns(layout, [NeededColumn(name=column.name) for column in columns], {}, options.columns):
        raise BadTable(422, faults, layout)
    about = learned(f"{survey.key} {options.decimal} {layout.delimiter}")
    wanted = tuple(layout.header.index(options.name_of(column.name)) for column in columns)
    return _Reading(layout, tuple(columns), wanted, options.decimal, surplus == "ignore", about)


@dataclass(frozen=True)
class _Reading:
    """What is asked of the rows of one table; the columns are in the *wanted* places of its header."""

    layout: Layout
    columns: tuple[Column, ...]
    wanted: tuple[int, ...]
    decimal: str
    ignores_surplus: bool
    learned: Learned

    def batch(self, data: bytes, first_line: int, numbers: Places | None = None) -> Batch:
        places, found, originals = self._rows(data, partial(Originals, data, self.layout, first_line, numbers=numbers))
        good = found.reasons == 0
        bad = self._misfits(originals).add(places[~good], found.reasons[~good], self._vocabulary)
        names = tuple(column.name for column in self.columns)
        return Batch(found.where(good), names, places[good], bad, originals, self)

    @property
    def _vocabulary(self) -> tuple[str, ...]:
        return converted.vocabulary([self.layout.header[place] for place in self.wanted])

    def name_of(self, column: str) -> str:
        places = zip(self.columns, self.wanted, strict=True)
        return next((self.layout.header[place] for needed, place in places if needed.name == column), column)

    def explain(self, cells: Cells) -> pa.Array:
        """Why rows with these cells are rejected, of which one that is needed is bad."""
        wanted = [cells[place] for place in self.wanted]
        found = converted.convert(wanted, self.columns, self.decimal, self.learned, alone=False)
        return pa.array(self._vocabulary).take(pa.array(found.reasons))

    def explain_few(self, columns: Sequence[Sequence[str]]) -> list[str]:
        rows = zip(*(columns[place] for place in self.wanted), strict=True)
        return [self._vocabulary[self._first_reason(cells)] for cells in rows]

    def _first_reason(self, cells: Sequence[str]) -> int:
        found = [values.why(cell, column, self.decimal) for cell, column in zip(cells, self.columns, strict=True)]
        for cell, column, why in zip(cells, self.columns, found, strict=True):
            if column.type == "number":
                self.learned.note_one(cell, why)
        return next((why + nth * len(values.Why) for nth, why in enumerate(found) if why), 0)

    def _rows(self, data: bytes, kept: _Keep) -> _Found:
        """The rows with all the cells that are needed, converted: their places in file order, and the originals."""
        places, found, originals = self._typed(data, kept) or self._text(data, kept)
        if self.ignores_surplus:
            places, found = self._with_longer(places, found, originals)
        if len(self.layout.header) == 1:
            places, found = _without_blank_lines(places, found, originals)
        return places, found, originals

    def _misfits(self, originals: Originals) -> Rejects:
        """The rows with too few cells or, unless a surplus is ignored, too many."""
        columns, odd = len(self.layout.header), originals.misfits
        bad = odd.widths < columns if self.ignores_surplus else odd.widths > 0
        widths, reasons = np.unique(odd.widths[bad], return_inverse=True)
        words = (f"{self._misfit(width)}: {width} of {columns} cells" for width in widths)
        return Rejects(odd.places[bad], reasons.astype(np.uint16), tuple(words))

    def _misfit(self, width: int) -> str:
        if self.layout.format is Format.JSONL:  # where that is the only way to have too few cells
            return "not_an_object"
        return "short_row" if width < len(self.layout.header) else "long_row"

    def _typed(self, data: bytes, kept: _Keep) -> _Found | None:
        """The rows as pyarrow converts them; None where that is no use. The doubtful ones are read again as text."""
        if self._is_plain or not self.learned.promising:
            return None
        try:
            parts, misfits = self._tokeniser(typed=True).run(data, len(self.layout.header))
        except (TooManyMisfits, pa.ArrowInvalid):
            self.learned.tell(right=False)
            return None
        found = converted.join(parts, self.columns)
        originals = kept(misfits, misfits.beside(len(found)))
        places, doubtful = misfits.others(len(found)), found.doubtful
        if len(doubtful) * FEW > len(found):
            return None
        self.learned.tell(right=True)
        if len(doubtful) and not self._all_required:
            doubted = found.doubted(doubtful)
            again = self._only(doubted).as_text(originals.bytes_of(places[doubtful]))
            found = found.settled(doubtful, doubted, again)
        return places, found, originals

    @property
    def _all_required(self) -> bool:
        """Whether each doubtful row is surely bad; why, is found out when it is written, many at once."""
        return all(column.required for column in self.columns)

    def _only(self, columns: Sequence[int]) -> _Reading:
        wanted = tuple(self.wanted[nth] for nth in columns)
        return replace(self, columns=tuple(self.columns[nth] for nth in columns), wanted=wanted)

    def as_text(self, data: bytes) -> Converted:
        """Rows that have as many cells as the header, as text."""
        return converted.join(self._tokeniser().run(data, len(self.layout.header))[0], self.columns)

    def _text(self, data: bytes, kept: _Keep) -> _Found:
        parts, misfits = self._parts(data)
        found = converted.join(parts, self.columns)
        return misfits.others(len(found)), found, kept(misfits, misfits.beside(len(found)))

    def _parts(self, data: bytes) -> tuple[list[Converted], Misfits]:
        """The rows with as many cells as the header has, in batches, and the others."""
        width = len(self.layout.header)
        try:
            return self._tokeniser().run(data, width)
        except TooManyMisfits:
            found = rows.find(data, self.layout.delimiter, blanks=self.layout.blanks, first_line=1)
        fitting, misfits = sort_out(found, self.layout.delimiter, width, blanks=self.layout.blanks)
        return self._tokeniser().run(joined(found.take(fitting)), width)[0], misfits

    @property
    def _is_plain(self) -> bool:
        """Whether nothing is to be converted."""
        return len(self.layout.header) == 1 or all(column.type == "text" for column in self.columns)

    def _tokeniser(self, *, typed: bool = False) -> Tokeniser[Converted]:
        delimiter, wanted = self.layout.delimiter, self.wanted
        if typed:
            types, nulls = [converted.TYPES[column.type] for column in self.columns], sorted(self.learned.texts)
            accept = partial(converted.accept, columns=self.columns)
            return Tokeniser(delimiter, wanted, accept, types, nulls, self.decimal)
        alone = len(self.layout.header) == 1
        convert = partial(
            converted.convert, columns=self.columns, decimal=self.decimal, learned=self.learned, alone=alone
        )
        return Tokeniser(delimiter, wanted or [0], convert, text=converted.TYPES["text"], plain=self._is_plain)

    def _with_longer(self, places: Places, found: Converted, originals: Originals) -> tuple[Places, Converted]:
        """Together with the rows that have surplus cells."""
        where, parts = [places], [found]
        for longer, width in originals.by_width(len(self.layout.header) + 1):
            where.append(longer)
            parts += self._tokeniser().run(originals.bytes_of(longer), width)[0]
        together = np.concatenate(where)
        order = np.argsort(together)
        return together[order], converted.join(parts, self.columns).take(order)


def _bytes(files: BlockingFiles, survey: Survey, part: Slice) -> bytes:
    data = files.read(survey.key, part.start, part.stop) if part.start < part.stop else b""
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

"""What is asked of the rows of a table, and the ways to read them: by compiled code, by pyarrow typed, or as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa

from consumer.kinds import Column
from consumer.native.tokens import Shape
from consumer.tables import converted, rows, values
from consumer.tables.batch import Batch, Rejects
from consumer.tables.cells import Tokeniser, TooManyMisfits, joined
from consumer.tables.compiled import Compiled
from consumer.tables.converted import Converted
from consumer.tables.learned import Learned
from consumer.tables.misfits import Misfits, sort_out
from consumer.tables.originals import Originals
from consumer.tables.rejected import Cells
from consumer.tables.rows import Places
from protocol.intake.layout import Format, Layout

_NO_REASON = "a row was turned down of which all needed cells are fine"
_Found = tuple[Places, Converted, Originals]
_Keep = Callable[[Misfits, int], Originals]


@dataclass(frozen=True)
class Reading:
    """What is asked of the rows of one table; the columns are in the *wanted* places of its header."""

    layout: Layout
    columns: tuple[Column, ...]
    wanted: tuple[int, ...]
    decimal: str
    ignores_surplus: bool
    learned: Learned

    def batch(self, data: bytes, first_line: int, numbers: Places | None = None) -> Batch:
        kept = partial(Originals, data, self.layout, first_line, numbers=numbers)
        places, found, originals = self._rows(data, first_line, kept)
        good = found.reasons == 0
        bad = self._misfits(originals).add(places[~good], found.reasons[~good], self._vocabulary)
        names = tuple(column.name for column in self.columns)
        return Batch(found.where(good), names, places[good], bad, originals, self)

    @property
    def _vocabulary(self) -> tuple[str, ...]:
        return converted.vocabulary(tuple(self.layout.header[place] for place in self.wanted))

    def name_of(self, column: str) -> str:
        places = zip(self.columns, self.wanted, strict=True)
        return next((self.layout.header[place] for needed, place in places if needed.name == column), column)

    def explain(self, cells: Cells) -> pa.Array:
        """Why rows with these cells are rejected, of which one that is needed is bad."""
        wanted = [cells[place] for place in self.wanted]
        found = converted.convert(wanted, self.columns, self.decimal, self.learned, alone=False)
        if not found.reasons.all():
            raise AssertionError(_NO_REASON)
        return pa.array(self._vocabulary).take(pa.array(found.reasons))

    def explain_few(self, columns: Sequence[Sequence[str]]) -> list[str]:
        rows, words = zip(*(columns[place] for place in self.wanted), strict=True), self._vocabulary
        return [words[self._first_reason(cells)] for cells in rows]

    def _first_reason(self, cells: Sequence[str]) -> int:
        found = [values.why(cell, column, self.decimal) for cell, column in zip(cells, self.columns, strict=True)]
        for cell, column, why in zip(cells, self.columns, found, strict=True):
            if column.type == "number":
                self.learned.note_one(cell, why)
        for nth, why in enumerate(found):
            if why:
                return int(values.reason_of(nth, why))
        raise AssertionError(_NO_REASON)

    def _rows(self, data: bytes, first_line: int, kept: _Keep) -> _Found:
        """The rows with all the cells that are needed, converted: their places in file order, and the originals."""
        places, found, originals = (
            self._compiled(data, first_line, kept) or self._typed(data, kept) or self._text(data, kept)
        )
        if self.ignores_surplus:
            places, found = self._with_longer(places, found, originals)
        if len(self.layout.header) == 1:
            places, found = _without_blank_lines(places, found, originals)
        return places, found, originals

    def _misfits(self, originals: Originals) -> Rejects:
        """The rows with too few cells or, unless a surplus is ignored, too many."""
        columns, odd = len(self.layout.header), originals.misfits
        if not len(odd.places):
            return Rejects(odd.places, np.zeros(0, np.uint16), ())
        bad = odd.widths < columns if self.ignores_surplus else odd.widths > 0
        widths, reasons = np.unique(odd.widths[bad], return_inverse=True)
        words = (f"{self._misfit(width)}: {width} of {columns} cells" for width in widths)
        return Rejects(odd.places[bad], reasons.astype(np.uint16), tuple(words))

    def _misfit(self, width: int) -> str:
        if self.layout.format is Format.JSONL:  # where that is the only way to have too few cells
            return "not_an_object"
        return "short_row" if width < len(self.layout.header) else "long_row"

    def _compiled(self, data: bytes, first_line: int, kept: _Keep) -> _Found | None:
        """The rows as compiled code reads them; None where it does not."""
        shape = Shape(len(self.layout.header), self.layout.delimiter, self.decimal, self.layout.rowwise)
        read = Compiled(shape, self.wanted, self.columns, self.learned).read(data, first_line)
        if read is None:
            return None
        found, places = read.rows, read.misfits.others(len(read.rows))
        originals = replace(kept(read.misfits, read.misfits.beside(len(found))), known=read.where)
        if len(read.hard):
            again = self.as_text(originals.bytes_of(places[read.hard]))
            found = found.settled(read.hard, range(len(self.columns)), again)
        return places, found, originals

    def _typed(self, data: bytes, kept: _Keep) -> _Found | None:
        """The rows as pyarrow converts them; None where that is no use. The doubtful ones are read again as text."""
        if self._is_plain or not self.learned.typed.promising:
            return None
        try:
            parts, misfits = self._tokeniser(typed=True).run(data, len(self.layout.header))
        except (TooManyMisfits, pa.ArrowInvalid):
            self.learned.typed.tell(right=False)
            return None
        found = converted.join(parts, self.columns)
        originals = kept(misfits, misfits.beside(len(found)))
        places, doubtful = misfits.others(len(found)), found.doubtful
        useful = len(doubtful) * rows.ONE_IN <= len(found)
        self.learned.typed.tell(right=useful)
        if not useful:
            return None
        if len(doubtful) and not self._doubt_is_enough:
            doubted = found.doubted(doubtful)
            again = self._only(doubted).as_text(originals.bytes_of(places[doubtful]))
            found = found.settled(doubtful, doubted, again)
        return places, found, originals

    @property
    def _doubt_is_enough(self) -> bool:
        """Whether each doubtful row is surely bad; why, is found out when it is written, many at once."""
        return all(column.required for column in self.columns)

    def _only(self, columns: Sequence[int]) -> Reading:
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
            parts += self._tokeniser().run(*originals.narrow(longer, width, surplus=False))[0]
        together = np.concatenate(where)
        order = np.argsort(together)
        return together[order], converted.join(parts, self.columns).take(order)


def _without_blank_lines(places: Places, found: Converted, originals: Originals) -> tuple[Places, Converted]:
    """In a table of one column a line of blanks looks like a row, and is none."""
    empty = np.flatnonzero(found.empty)
    if not len(empty):
        return places, found
    keep = np.delete(np.arange(len(places)), empty[originals.rows.blank(places[empty])])
    return places[keep], found.take(keep)

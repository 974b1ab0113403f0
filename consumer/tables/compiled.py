"""Rows read by compiled code, as they are read by pyarrow; what is unusual in them is left to that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consumer.kinds import Column
from consumer.native import tokens
from consumer.native.tokens import Cells, Judgement, Outcome, Shape, Text, Type, Wanted, Words
from consumer.tables import rows, values
from consumer.tables.cells import as_array
from consumer.tables.converted import TYPES, Converted
from consumer.tables.learned import Learned
from consumer.tables.misfits import Misfits
from consumer.tables.rows import Flags, Places, Rows
from consumer.tables.values import Reasons, Why

MOST_COLUMNS = 64  # where each is text, and takes memory of its own
_WHY = {
    Judgement.good: Why.fine,
    Judgement.missing: Why.missing,
    Judgement.not_a_number: Why.not_a_number,
    Judgement.hard: Why.fine,  # until they are looked at again
}
_WHYS = np.array([_WHY[judgement] for judgement in Judgement], np.uint16)
_TYPES = {"number": Type.number, "category": Type.coded, "text": Type.text}


@dataclass(frozen=True)
class Found:
    """The rows that fit, those of them that have to be looked at again, the others, and where all of them lie."""

    rows: Converted
    hard: Places
    misfits: Misfits
    where: Rows


@dataclass(frozen=True)
class Compiled:
    """Reads the *columns* in these *places* of rows of that *shape*."""

    shape: Shape
    places: Sequence[int]
    columns: Sequence[Column]
    learned: Learned

    def read(self, data: bytes, first_line: int) -> Found | None:
        """None where others have to, or would have to look at many rows again."""
        if not self._suits(data) or not self.learned.compiled.promising:
            return None
        cells = self._cells(data, first_line)
        found = None if cells is None else _found(data, cells, self.columns)
        useful = found is not None and len(found.hard) * rows.ONE_IN <= len(found.rows)
        self.learned.compiled.tell(right=useful)
        return found if useful else None

    def _suits(self, data: bytes) -> bool:
        return len(self.columns) <= MOST_COLUMNS and tokens.suits(data, self.shape.width)

    def _cells(self, data: bytes, first_line: int) -> Cells | None:
        found = tokens.read(data, first_line, self.shape, self._wanted)
        if found is Outcome.many_words:
            self.learned.many_words = True
            found = tokens.read(data, first_line, self.shape, self._wanted)
        return None if isinstance(found, Outcome) else found

    @property
    def _wanted(self) -> list[Wanted]:
        types = {**_TYPES, "category": Type.text} if self.learned.many_words else _TYPES
        both = zip(self.places, self.columns, strict=True)
        return [Wanted(place, types[column.type], column.required) for place, column in both]


def _found(data: bytes, cells: Cells, columns: Sequence[Column]) -> Found:
    (reasons, hard), taken = _judged(cells), []
    for nth, (found, column) in enumerate(zip(cells.columns, columns, strict=True)):
        value, bad = _taken(found, column)
        taken.append(value)
        if bad is not None:
            missing, before = np.uint16(values.reason_of(nth, Why.missing)), reasons[bad]
            reasons[bad] = np.where((before > 0) & (before < missing), before, missing)
    bounds = np.append(cells.begins, np.int32(len(data)))
    blank = cells.widths == 0
    odd, widths = cells.misfits.astype(np.uint32), cells.widths.astype(np.uint32)
    misfits = Misfits(odd[~blank], widths[~blank], odd[blank])
    fitting = Converted(tuple(taken), reasons, np.zeros(len(reasons), np.bool_))
    return Found(fitting, hard, misfits, Rows(data, bounds, cells.lines))


def _judged(cells: Cells) -> tuple[Reasons, Places]:
    """What the numbers are rejected for, and the rows that have to be looked at again."""
    odd = np.flatnonzero(cells.judged)
    nth, judged = np.divmod(cells.judged[odd], np.uint16(len(Judgement)))
    reasons, why = np.zeros(len(cells.judged), np.uint16), _WHYS[judged]
    reasons[odd] = np.where(why > 0, values.reason_of(nth, why), 0)
    return reasons, odd[judged == Judgement.hard]


def _taken(found: Any, column: Column) -> tuple[Any, Flags | None]:
    """The column, and where a missing cell rejects its row, if it does anywhere."""
    if isinstance(found, Words):
        coded = values.coded([word.strip() for word in found.words], found.codes)
        return coded, coded.codes < 0 if column.required and (coded.codes.min(initial=0) < 0) else None
    if not isinstance(found, Text):
        return found, None
    cells = as_array(found, TYPES["text"])
    if column.type == "category":
        coded, codes = values.categories(pc.dictionary_encode(cells), required=column.required)
        return coded, codes > 0
    text, codes = values.texts(values.strip(cells), required=column.required)
    return pa.chunked_array([text], TYPES["text"]), codes > 0 if column.required else None

"""Rows with the needed cells converted: what pyarrow delivers in batches, joined, put in order and filtered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from consumer.kinds import Column
from consumer.tables import values
from consumer.tables.learned import Learned
from consumer.tables.rows import Flags, Places
from consumer.tables.values import Reasons

TYPES = {"number": pa.float64(), "text": pa.large_string(), "category": pa.dictionary(pa.int32(), pa.string())}
_TEXT: Any = pd.StringDtype(na_value=np.nan)  # its way from arrow, which costs half of a series, has no type
UNTOLD = np.iinfo(np.uint16).max  # in the place of a reason that is still to be found


@dataclass(frozen=True)
class Converted:
    """`columns` are doubles (numpy), text (pyarrow) or coded text. A reason is 0, or tells what is bad first.

    `empty` tells which lines of a table of one column are blank.
    """

    columns: tuple[Any, ...]
    reasons: Reasons
    empty: Flags

    def __len__(self) -> int:
        return len(self.reasons)

    @property
    def doubtful(self) -> Places:
        """The rows of which the reason is not known yet."""
        return np.flatnonzero(self.reasons == UNTOLD)

    def doubted(self, rows: Places) -> list[int]:
        """The columns that these doubtful rows may be so for; what they have in the others is right."""
        return [nth for nth, column in enumerate(self.columns) if _is_doubted(column, rows)]

    def settled(self, rows: Places, doubted: Sequence[int], again: Converted) -> Converted:
        """With what was found when the *doubted* columns of these doubtful rows were read *again*, as text."""
        reasons, (nth, why) = self.reasons.copy(), values.told_by(again.reasons)
        reasons[rows] = np.where(why > 0, values.reason_of(np.array(doubted, np.uint16)[nth], why), 0)
        for place, found in zip(doubted, again.columns, strict=True):
            if isinstance(mine := self.columns[place], np.ndarray):
                mine[rows] = found
        return replace(self, reasons=reasons)

    def take(self, rows: Places) -> Converted:
        columns = tuple(
            column.take(pa.array(rows) if isinstance(column, pa.ChunkedArray) else rows) for column in self.columns
        )
        return Converted(columns, self.reasons[rows], self.empty[rows])

    def where(self, keep: Flags) -> Converted:
        return self if keep.all() else self.take(np.flatnonzero(keep))

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        frame = pd.DataFrame(dict(enumerate(map(_series, self.columns))), index=pd.RangeIndex(len(self)), copy=False)
        frame.columns = _index(tuple(names))
        return frame


def convert(
    batch: Sequence[pa.Array], columns: Sequence[Column], decimal: str, learned: Learned, *, alone: bool
) -> Converted:
    """The cells of *batch*, which are text, as *columns* says; where no column is needed, a batch still has one.

    *alone*: the table has no other column.
    """
    reasons = np.zeros(len(batch[0]), np.uint16)
    converted = []
    for nth, column in enumerate(columns):
        value, codes = values.convert(batch[nth], column, decimal)
        converted.append(value)
        if codes.any():
            bad = (codes > 0) & (reasons == 0)
            reasons[bad] = values.reason_of(nth, codes[bad].astype(np.uint16))
            if column.type == "number":
                learned.note(batch[nth], codes)
    empty = values.blank(values.strip(batch[0])) if alone else np.zeros(len(reasons), np.bool_)
    return Converted(tuple(converted), reasons, empty)


def accept(batch: Sequence[pa.Array], columns: Sequence[Column]) -> Converted:
    """The cells of *batch*, which have these TYPES already. Doubtful is where one is missing, or a number too large."""
    taken, doubts = [], np.zeros(len(batch[0]), np.bool_)
    for cells, column in zip(batch, columns, strict=True):
        value, bad = _accept(cells, column)
        taken.append(value)
        doubts |= bad
    reasons = np.where(doubts, np.uint16(UNTOLD), np.uint16(0))
    return Converted(tuple(taken), reasons, np.zeros(len(doubts), np.bool_))


def join(parts: Sequence[Converted], columns: Sequence[Column]) -> Converted:
    """One after another."""
    joined = (_join([part.columns[nth] for part in parts], column) for nth, column in enumerate(columns))
    reasons = np.concatenate([np.zeros(0, np.uint16), *(part.reasons for part in parts)])
    return Converted(tuple(joined), reasons, np.concatenate([np.zeros(0, np.bool_), *(part.empty for part in parts)]))


@lru_cache(maxsize=64)
def vocabulary(names: tuple[str, ...]) -> tuple[str, ...]:
    """The reasons by their numbers, of columns as the file names them: `revenue: missing`."""
    return tuple(f"{name}: {why.name}" for name in names for why in values.Why)


def _accept(cells: pa.Array, column: Column) -> tuple[Any, Flags]:
    if column.type == "number":
        numbers = values.array(cells)
        return numbers, ~np.isfinite(numbers)
    if column.type == "category":
        found, codes = values.categories(cells, required=column.required)
    else:
        found, codes = values.texts(values.strip(cells), required=column.required)
    return found, codes > 0


def _is_doubted(column: Any, rows: Places) -> bool:
    if isinstance(column, np.ndarray):
        return not np.isfinite(column[rows]).all()
    return not isinstance(column, values.Coded) or bool((column.codes[rows] < 0).any())


def _join(pieces: Sequence[Any], column: Column) -> Any:
    """In memory that can be written to."""
    if column.type == "number":
        return pieces[0] if len(pieces) == 1 and pieces[0].flags.writeable else np.concatenate([np.zeros(0), *pieces])
    if column.type == "category":
        return pieces[0] if len(pieces) == 1 else values.join(pieces)
    return pa.chunked_array(list(pieces), TYPES["text"])


@lru_cache(maxsize=64)
def _index(names: tuple[str, ...]) -> pd.Index[Any]:
    """Made once: an index that stays also keeps what it has learned of where its names are."""
    return pd.Index(names) if names else pd.RangeIndex(0)


def _series(column: Any) -> Any:
    if isinstance(column, values.Coded):
        return column.categorical()
    return _TEXT.__from_arrow__(column) if isinstance(column, pa.ChunkedArray) else column

"""Rows with the needed cells converted: what pyarrow delivers in batches, joined, put in order and filtered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from consumer.kinds import Column
from consumer.tables import values
from consumer.tables.rows import Flags, Places

_TEXT = pd.StringDtype(na_value=np.nan)


@dataclass(frozen=True)
class Converted:
    """`columns` are doubles (numpy) or text (pyarrow). A reason is 0, or says which column is bad first and why.

    `empty` tells where the first of the columns is blank.
    """

    columns: tuple[Any, ...]
    reasons: npt.NDArray[np.uint16]
    empty: Flags

    def __len__(self) -> int:
        return len(self.reasons)

    def take(self, rows: Places) -> Converted:
        columns = tuple(
            column.take(pa.array(rows) if isinstance(column, pa.ChunkedArray) else rows) for column in self.columns
        )
        return Converted(columns, self.reasons[rows], self.empty[rows])

    def where(self, keep: Flags) -> Converted:
        return self if keep.all() else self.take(np.flatnonzero(keep))

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        columns = {name: _series(column) for name, column in zip(names, self.columns, strict=True)}
        return pd.DataFrame(columns, index=pd.RangeIndex(len(self)), copy=False)


def convert(batch: Sequence[pa.Array], columns: Sequence[Column], decimal: str) -> Converted:
    """The cells of *batch* as *columns* says; where no column is needed, a batch still has one."""
    stripped = [values.strip(cells) for cells in batch]
    reasons = np.zeros(len(stripped[0]), np.uint16)
    converted = []
    for nth, column in enumerate(columns):
        value, codes = values.convert(stripped[nth], column, decimal)
        converted.append(value)
        bad = (codes > 0) & (reasons == 0)
        reasons[bad] = codes[bad].astype(np.uint16) + nth * len(values.Why)
    return Converted(tuple(converted), reasons, values.blank(stripped[0]))


def join(parts: Sequence[Converted], columns: Sequence[Column]) -> Converted:
    """One after another."""
    joined = (_join([part.columns[nth] for part in parts], column) for nth, column in enumerate(columns))
    reasons = np.concatenate([np.zeros(0, np.uint16), *(part.reasons for part in parts)])
    return Converted(tuple(joined), reasons, np.concatenate([np.zeros(0, np.bool_), *(part.empty for part in parts)]))


def vocabulary(columns: Sequence[Column]) -> tuple[str, ...]:
    """The reasons by their numbers: `revenue: missing`."""
    return tuple(f"{column.name}: {why.name}" for column in columns for why in values.Why)


def _join(pieces: Sequence[Any], column: Column) -> Any:
    if column.type == "number":
        return np.concatenate([np.zeros(0), *pieces])
    return pa.chunked_array(list(pieces), pa.string())


def _series(column: Any) -> Any:
    return pd.Series(column, dtype=_TEXT) if isinstance(column, pa.ChunkedArray) else column

"""Frames and rows to CSV: UTF-8, commas, `\\n`, quotes only where needed, numbers with 15 significant digits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from consumer.tables import decimals
from consumer.tables.cells import joined
from protocol.intake.layout import Layout
from protocol.kept import REJECTED

_AT_ONCE = 10_000  # rows
_MARKS = ('"', ",", "\r", "\n")  # what a cell is quoted for


def rejects_header(layout: Layout) -> bytes:
    """The first line of rejected.csv: the original columns, then the line and the reason."""
    return header((*layout.header, *REJECTED))


def carried_header(layout: Layout, added: Iterable[str]) -> bytes:
    """The first line of an artefact of selected rows."""
    return header(carried(layout, added))


def carried(layout: Layout, added: Iterable[str]) -> tuple[str, ...]:
    """The columns of selected rows: all of the input, and then what the kind adds to them."""
    return tuple(dict.fromkeys((*layout.header, *added)))


def header(names: Iterable[str]) -> bytes:
    return _header(tuple(map(str, names)))


@lru_cache(maxsize=16)  # a small job asks for the same ones several times
def _header(names: tuple[str, ...]) -> bytes:
    return spelled([[name] for name in names])


def table_csv(frame: pd.DataFrame) -> bytes:
    """A whole report table, its header included."""
    return header(frame.columns) + spelled([texts(series) for _, series in frame.items()])


def table(names: Sequence[str], cells: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """Rows of text as a whole table, its header included."""
    yield header(names)
    yield from pieces(cells)


def pieces(cells: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """Rows of text, some at a time, so that memory does not grow with their number."""
    left = iter(cells)
    while some := list(islice(left, _AT_ONCE)):
        yield spelled(list(zip(*some, strict=True)))


def texts(series: pd.Series[Any]) -> list[str]:
    """The values of a column as they are written; a missing one is an empty cell."""
    if pd.api.types.is_float_dtype(series.dtype):
        return [decimals.text(value) for value in _doubles(series).tolist()]
    values = series.tolist()
    if all(type(value) is str for value in values):  # then none is missing
        return values
    missing = series.isna().tolist()
    return ["" if gone else str(value) for value, gone in zip(values, missing, strict=True)]


def column(series: pd.Series[Any]) -> pa.Array:
    """The same, for `lines`."""
    if pd.api.types.is_float_dtype(series.dtype):
        return decimals.texts(_doubles(series))
    if isinstance(series.dtype, np.dtype) and pd.api.types.is_integer_dtype(series.dtype):
        return pc.cast(pa.array(series.to_numpy()), pa.string())
    return pa.array(texts(series), pa.string())


def _doubles(series: pd.Series[Any]) -> decimals.Doubles:
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def spelled(columns: Sequence[Sequence[str]]) -> bytes:
    """One line a row: what `lines` makes of the same texts, for a few that pyarrow would have to be given first."""
    cells = [_spelled(column) for column in columns]
    if len(cells) == 1:
        cells = [[cell if cell.strip() else f'"{cell}"' for cell in cells[0]]]
    return "".join(f"{row}\n" for row in map(",".join, zip(*cells, strict=True))).encode()


def _spelled(column: Sequence[str]) -> Sequence[str]:
    if not _is_marked("".join(column)):
        return column
    return ['"' + cell.replace('"', '""') + '"' if _is_marked(cell) else cell for cell in column]


def _is_marked(text: str) -> bool:
    return any(mark in text for mark in _MARKS)


def lines(columns: Sequence[pa.Array]) -> bytes:
    """One line a row. The columns are text and equally long."""
    return joined(rows(columns)) if columns and len(columns[0]) else b""


def rows(columns: Sequence[pa.Array], delimiter: str = ",") -> pa.Array:
    """The same, each row by itself."""
    cells = [_quoted(column, delimiter) for column in columns]
    if len(cells) == 1:  # a line of nothing but blanks would be no row
        blank = pc.equal(pc.utf8_trim_whitespace(cells[0]), "")
        cells = [pc.if_else(blank, pc.binary_join_element_wise('"', cells[0], '"', ""), cells[0])]
    return pc.binary_join_element_wise(pc.binary_join_element_wise(*cells, delimiter), "", "\n")


def _quoted(column: pa.Array, delimiter: str) -> pa.Array:
    text = joined(column)
    if not any(mark in text for mark in (b'"', delimiter.encode(), b"\r", b"\n")):
        return column
    doubled = pc.replace_substring(column, '"', '""')
    quoted = pc.binary_join_element_wise('"', doubled, '"', "")
    return pc.if_else(pc.match_substring_regex(column, f'["{delimiter}\r\n]'), quoted, column)

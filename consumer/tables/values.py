"""Text to values, exactly: what a number is, and why a cell is none."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from consumer.kinds import Column
from consumer.tables.cells import joined

Codes = npt.NDArray[np.uint8]


class Why(IntEnum):
    """Why a cell rejects its row; the names are the codes that users see."""

    fine = 0
    missing = 1
    not_a_number = 2
    not_finite = 3


_GRAMMAR = r"^[+-]?(?:[0-9]+{0}?[0-9]*|{0}[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_POINT, _COMMA = _GRAMMAR.format(r"\."), _GRAMMAR.format(",")
_PLAIN = b"0123456789.+-eE"  # made of these alone, a cell that pyarrow converts is one that the grammar allows


def strip(cells: pa.Array) -> pa.Array:
    """Without the white space around each cell, as `str.strip` does."""
    return pc.utf8_trim_whitespace(cells)


def convert(cells: pa.Array, column: Column, decimal: str) -> tuple[Any, Codes]:
    """Stripped cells as the column's type, and for each why it rejects its row."""
    if column.type == "number":
        return numbers(cells, required=column.required, decimal=decimal)
    return texts(cells, required=column.required)


def texts(cells: pa.Array, *, required: bool) -> tuple[pa.Array, Codes]:
    """Stripped cells as text; a blank one is missing."""
    missing = blank(cells)
    if not missing.any():
        return cells, np.zeros(len(cells), np.uint8)
    if required:
        return cells, missing.astype(np.uint8)
    return pc.if_else(pa.array(missing), None, cells), np.zeros(len(cells), np.uint8)


def numbers(cells: pa.Array, *, required: bool, decimal: str) -> tuple[npt.NDArray[np.float64], Codes]:
    """Stripped cells as doubles, correctly rounded; NaN where a cell is no number."""
    missing = blank(cells)
    values = None if missing.any() else _plain(cells, decimal)
    wrong = np.zeros(len(cells), np.bool_)
    if values is None:
        values, wrong = _odd(cells, decimal)
    infinite = ~np.isfinite(values) & ~wrong
    codes = np.where(missing, Why.missing * required, wrong * Why.not_a_number + infinite * Why.not_finite)
    return values, codes.astype(np.uint8)


def _plain(cells: pa.Array, decimal: str) -> npt.NDArray[np.float64] | None:
    """The common case: nothing but plain numbers. None where that is not so."""
    if decimal != "." or joined(cells).translate(None, _PLAIN):
        return None
    try:
        return _array(pc.cast(cells, pa.float64()))
    except pa.ArrowInvalid:
        return None


def _odd(cells: pa.Array, decimal: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    right = pc.match_substring_regex(cells, _POINT if decimal == "." else _COMMA)
    clean = pc.if_else(right, cells, "0")
    if decimal != ".":
        clean = pc.replace_substring(clean, decimal, ".")
    wrong = ~_array(right)
    return np.where(wrong, np.nan, _array(pc.cast(clean, pa.float64()))), wrong


def blank(cells: pa.Array) -> npt.NDArray[np.bool_]:
    """Which stripped cells are empty."""
    return _array(pc.equal(pc.binary_length(cells), 0))


def _array(values: pa.Array) -> npt.NDArray[Any]:
    return np.asarray(values.to_numpy(zero_copy_only=False))

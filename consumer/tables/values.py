"""Text to values, exactly: what a number is, and why a cell is none."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from consumer.kinds import Column
from consumer.tables import rows
from consumer.tables.cells import bounds, content, joined

Codes = npt.NDArray[np.uint8]
Reasons = npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Why(IntEnum):
    """Why a cell rejects its row; the names are the codes that users see."""

    fine = 0
    missing = 1
    not_a_number = 2
    not_finite = 3


def reason_of(column: Any, why: Any) -> Any:
    """The number of a reason, or of many: which of the columns it is, and why that rejects its row."""
    return column * len(Why) + why


def told_by(reasons: Reasons) -> tuple[Reasons, Reasons]:
    """Of each of these numbers the column, and why."""
    return np.divmod(reasons, np.uint16(len(Why)))


_GRAMMAR = r"^[+-]?(?:[0-9]+(?:{0}[0-9]*)?|{0}[0-9]+)(?:[eE][+-]?[0-9]+)?$"  # Python too is soon done with any text
_POINT, _COMMA = _GRAMMAR.format(r"\."), _GRAMMAR.format(",")
_FITS = {".": re.compile(_POINT).fullmatch, ",": re.compile(_COMMA).fullmatch}
_PLAIN = b"0123456789+-eE"  # made of these and the mark alone, a cell that pyarrow converts the grammar allows
_ODD = {mark: bytes(byte not in _PLAIN + mark.encode() for byte in range(256)) for mark in ".,"}
_TO_POINT = bytes.maketrans(b",", b".")
_DELETE = 127  # what lies between it and a space is no white space
_MAY_BE_BLANK = np.array([byte <= ord(" ") or byte >= _DELETE for byte in range(256)])
_IS_DIGIT = np.array([chr(byte) in "0123456789" for byte in range(256)])
AT_HAND = 64  # cells, which Python converts before pyarrow has begun


def strip(cells: pa.Array) -> pa.Array:
    """Without the white space around each cell, as `str.strip` does."""
    return cells if _is_dense(cells) else pc.utf8_trim_whitespace(cells)


def _is_dense(cells: pa.Array) -> bool:
    """Whether there is surely no white space in any cell."""
    octets = content(cells)
    return not len(octets) or bool(octets.min() > ord(" ") and octets.max() < _DELETE)


def convert(cells: pa.Array, column: Column, decimal: str) -> tuple[Any, Codes]:
    """The cells, stripped, as the column's type, and for each why it rejects its row."""
    if column.type == "number":
        return numbers(cells, required=column.required, decimal=decimal)
    if column.type == "category":
        return categories(pc.dictionary_encode(cells), required=column.required)
    return texts(strip(cells), required=column.required)


def texts(cells: pa.Array, *, required: bool) -> tuple[pa.Array, Codes]:
    """Stripped cells as text; a blank one is missing."""
    missing = blank(cells)
    if not missing.any():
        return cells, np.zeros(len(cells), np.uint8)
    if required:
        return cells, missing.astype(np.uint8)
    return without(cells, missing), np.zeros(len(cells), np.uint8)


def without(cells: pa.Array, missing: Flags) -> pa.Array:
    """The same cells, which are all there, but for the *missing* ones."""
    there = np.packbits(np.concatenate([np.zeros(cells.offset, np.bool_), ~missing]), bitorder="little")
    buffers = [pa.py_buffer(there), *cells.buffers()[1:]]
    return pa.Array.from_buffers(cells.type, len(cells), buffers, int(np.count_nonzero(missing)), cells.offset)


@dataclass(frozen=True)
class Coded:
    """Text as the numbers of its different `words`; -1 where it is missing."""

    codes: npt.NDArray[np.int32]
    words: tuple[str, ...]

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> Coded:
        return Coded(self.codes[rows], self.words)

    def categorical(self) -> pd.Categorical[Any]:
        return pd.Categorical.from_codes(self.codes, dtype=_dtype(self.words), validate=False)


@lru_cache(maxsize=16)
def _dtype(words: tuple[str, ...]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(pd.Index(words, dtype="str"))


def categories(cells: pa.DictionaryArray, *, required: bool) -> tuple[Coded, Codes]:
    """The cells, stripped; a blank one is missing."""
    found = coded(strip(cells.dictionary).to_pylist(), array(cells.indices))
    return found, (found.codes < 0).astype(np.uint8) if required else np.zeros(len(found.codes), np.uint8)


def coded(words: Sequence[str], codes: npt.NDArray[np.integer[Any]]) -> Coded:
    """The words may be there twice, and one may be empty."""
    known = tuple(sorted({*words} - {""}))
    number = {word: place for place, word in enumerate(known)}
    return Coded(np.array([number.get(word, -1) for word in words], np.int32)[codes], known)


def join(parts: Sequence[Coded]) -> Coded:
    """One after another."""
    words: list[str] = []
    codes = [np.zeros(0, np.int32)]
    for part in parts:
        codes.append(np.where(part.codes < 0, len(part.words), part.codes) + len(words))
        words += (*part.words, "")
    return coded(words, np.concatenate(codes))


def numbers(cells: pa.Array, *, required: bool, decimal: str) -> tuple[Floats, Codes]:
    """The cells as doubles, correctly rounded; NaN where a cell is no number."""
    values, empty = _few(cells, decimal) if len(cells) <= AT_HAND else _many(cells, decimal)
    wrong, infinite = np.isnan(values), np.isinf(values)
    codes = np.where(empty, Why.missing * required, wrong * Why.not_a_number + infinite * Why.not_finite)
    return values, codes.astype(np.uint8)


def why(cell: str, column: Column, decimal: str) -> Why:
    """Why the cell rejects its row: what `convert` finds for many."""
    if not (text := cell.strip()):
        return Why.missing if column.required else Why.fine
    if column.type != "number" or math.isfinite(value := _number(text, decimal)):
        return Why.fine
    return Why.not_a_number if math.isnan(value) else Why.not_finite


def _few(cells: pa.Array, decimal: str) -> tuple[Floats, Flags]:
    """The cells as doubles, and which are empty, looked at one by one."""
    texts = [cell.strip() for cell in cells.to_pylist()]
    values = [_number(text, decimal) for text in texts]
    return np.array(values, np.float64), np.array([not text for text in texts], np.bool_)


def _number(text: str, decimal: str) -> float:
    return float(text.replace(decimal, ".")) if _FITS[decimal](text) else math.nan


def _many(cells: pa.Array, decimal: str) -> tuple[Floats, Flags]:
    look = _Look(cells, decimal)
    if look.may_be_blank:
        look = _Look(strip(cells), decimal)
    return look.values(), look.empty


class _Look:
    """Cells that may be numbers: those that look odd are few as a rule, and pyarrow converts all others at once."""

    def __init__(self, cells: pa.Array, decimal: str) -> None:
        self._cells, self._decimal = cells, decimal
        self._text, self._bounds = joined(cells), bounds(cells)
        lengths = np.diff(self._bounds)
        self.empty = lengths == 0
        self._odd = self.empty.copy()
        octets = np.frombuffer(self._text, np.uint8)
        odd = np.flatnonzero(np.frombuffer(self._text.translate(_ODD[decimal]), np.bool_))
        self._odd[np.searchsorted(self._bounds, odd, side="right") - 1] = True
        alone = np.flatnonzero(lengths == 1)
        self._odd[alone[~_IS_DIGIT[octets[self._bounds[alone]]]]] = True
        self.may_be_blank = bool(_MAY_BE_BLANK[octets[odd]].any())

    def values(self) -> Floats:
        odd = np.flatnonzero(self._odd)
        if len(odd) * rows.ONE_IN > len(self._odd):
            return self._by_grammar(self._cells)
        try:
            values = array(pc.cast(self._without_odd(len(odd)), pa.float64()))
        except pa.ArrowInvalid:
            return self._by_grammar(self._cells)
        if len(odd):
            values[odd] = self._by_grammar(self._cells.take(pa.array(odd)))
        return values

    def _without_odd(self, odd: int) -> pa.Array:
        """The cells with null for the odd ones, and always a point before the decimals."""
        text = self._text if self._decimal == "." else self._text.translate(_TO_POINT)
        known = pa.py_buffer(np.packbits(~self._odd, bitorder="little")) if odd else None
        buffers = [known, pa.py_buffer(self._bounds), pa.py_buffer(text)]
        return pa.Array.from_buffers(self._cells.type, len(self._odd), buffers, null_count=odd)

    def _by_grammar(self, cells: pa.Array) -> Floats:
        right = pc.match_substring_regex(cells, _POINT if self._decimal == "." else _COMMA)
        clean = pc.if_else(right, cells, "0")
        if self._decimal != ".":
            clean = pc.replace_substring(clean, self._decimal, ".")
        return np.where(array(right), array(pc.cast(clean, pa.float64())), np.nan)


def blank(cells: pa.Array) -> Flags:
    """Which stripped cells are empty."""
    ends = bounds(cells)
    return np.asarray(ends[1:] == ends[:-1])


def array(values: pa.Array) -> npt.NDArray[Any]:
    return np.asarray(values.to_numpy(zero_copy_only=False))

"""Exact sums of doubles by `sums.c`: what is handed over, and what comes back."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from consumer import native
from consumer.native.arrays import address

WIDTH = 20  # bits of a digit
PIECE = 2 * WIDTH
BIAS = 1075  # the lowest bit of a double with exponent e is worth 2**(e - BIAS)
AT_ONCE = 2**21  # values, whose pieces do not overflow

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Digits = dict[int, NDArray[np.int64]]


def totals(values: Floats, codes: Codes | None = None, groups: int = 1) -> Digits:
    """The digits of each group's sum, by level: units of 2**(WIDTH * level). Without codes, all are in one group.

    A row with code -1 is in none. ValueError where a value of a group is not finite.
    """
    digits: Digits = {}
    if codes is not None and (len(codes) != len(values) or codes.max(initial=-1) >= groups):
        raise IndexError("a code without a group")
    for rows, base, places in _parts(values, codes):
        own = None if codes is None else address(codes[rows], np.int32)
        pieces = np.zeros((groups, places // PIECE + 3), np.int64)
        part = values[rows]
        native.code().sums_add(address(part, np.float64), own, len(part), base, pieces.shape[1], pieces.ctypes.data)
        _add(digits, (base - BIAS) // WIDTH, pieces)
    return digits


def weighed(values: Floats, weights: NDArray[np.int64] | None = None) -> tuple[Digits, Digits]:
    """The digits of their sum and of that of their squares, each as often as it weighs: less than 2**22 in all."""
    digits: tuple[Digits, Digits] = {}, {}
    for rows, base, places in _parts(values):
        part, own = values[rows], None if weights is None else address(weights[rows], np.int64)
        both = [np.zeros((1, nth * places // PIECE + 4), np.int64) for nth in (1, 2)]
        where = address(part, np.float64), own, len(part), base, *(each.ctypes.data for each in both)
        native.code().sums_add_weighed(*where)
        for nth, (found, pieces) in enumerate(zip(digits, both, strict=True), 1):
            _add(found, nth * (base - BIAS) // WIDTH, pieces)
    return digits


def whole(values: Floats, weights: NDArray[np.int64]) -> tuple[int, int] | None:
    """Their sum and that of their squares, where all are whole numbers below 2**31; None where one is not."""
    total, squares = ctypes.c_int64(), (ctypes.c_uint64 * 2)()
    numbers, own = address(values, np.float64), address(weights, np.int64)
    found = native.code().sums_whole(numbers, own, len(values), ctypes.byref(total), squares)
    return (total.value, squares[1] << 64 | squares[0]) if found else None


def _parts(values: Floats, codes: Codes | None = None) -> Iterator[tuple[slice, int, int]]:
    for start in range(0, len(values), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        yield rows, *_span(values[rows], None if codes is None else codes[rows])


def _span(values: Floats, codes: Codes | None) -> tuple[int, int]:
    """An exponent that none is below, whose lowest bit is a digit's, and how far above it the greatest is."""
    least, greatest = ctypes.c_int32(), ctypes.c_int32()
    where = address(values, np.float64), len(values), ctypes.byref(least), ctypes.byref(greatest)
    if not native.code().sums_span(*where):
        if codes is not None:  # what is not finite may be in no group
            return _span(values[codes >= 0], None)
        raise ValueError("only finite values can be summed")
    low = min(least.value, greatest.value)
    base = low - (low - BIAS) % WIDTH
    return base, greatest.value - base


def _add(digits: Digits, level: int, totals: NDArray[np.int64]) -> None:
    """Pieces as two digits each, of which the lower one is never negative."""
    pieces = totals.T
    found = np.empty((2 * len(pieces), len(totals)), np.int64)
    found[::2], found[1::2] = pieces & ((1 << WIDTH) - 1), pieces >> WIDTH
    for nth in np.flatnonzero(found.any(axis=1)).tolist():
        at = level + nth
        digits[at] = digits[at] + found[nth] if at in digits else found[nth]

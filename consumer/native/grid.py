"""Doubles counted in buckets by `grid.c`: what is handed over, and what comes back."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from consumer import native
from consumer.native.arrays import address

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def span(values: Floats) -> tuple[int, int]:
    """The least and the greatest key of at least one value; keys are integers that sort like the doubles."""
    least, greatest = ctypes.c_int64(), ctypes.c_int64()
    where = address(values, np.float64), len(values), ctypes.byref(least), ctypes.byref(greatest)
    native.code().grid_span(*where)
    return least.value, greatest.value


def filled(values: Floats, counts: Ints, shift: int, first: int, last: int) -> Ints:
    """How often values occur, by their keys without the last *shift* bits, which go from *first* to *last*."""
    found = np.zeros(last - first + 1, np.int64)
    where = address(values, np.float64), address(counts, np.int64), len(values), shift, first, found.ctypes.data
    native.code().grid_fill(*where)
    return found

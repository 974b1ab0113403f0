"""Doubles as decimal text, many at once, just as `format(value, ".15g")` writes each: rounded to 15 significant digits.

A double rounded to the one nearest to its 15 digits has these as its shortest text, since no two texts of so few digits
mean the same double; and the shortest text is what Arrow writes. So no digit is made here.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_DIGITS = 15
_LEAST, _MOST = 1e-4, 9e9  # Arrow writes smaller ones otherwise than `format`, and larger ones with exponents
_LEADING = range(-4, 10)  # the place of the first digit of what lies between
_STEPS = np.array([float(f"1e{place}") for place in _LEADING])
_SCALES = np.array([float(f"1e{_DIGITS - 1 - place}") for place in _LEADING])  # up to 1e22 they are exact
_SPLIT = 2.0**27 + 1
_AT_ONCE = 8192  # little enough for the processor's cache


def text(value: float) -> str:
    """Empty for NaN."""
    return "" if math.isnan(value) else f"{value + 0.0:.15g}"  # + 0.0 makes -0.0 a 0


def texts(values: Doubles) -> pa.Array:
    """The same of each."""
    values = values + 0.0
    size = np.abs(values)
    odd = ~((size == 0) | ((size >= _LEAST) & (size < _MOST)))
    usual = np.where(odd, 0.0, values)
    parts = [_rounded(usual[at : at + _AT_ONCE]) for at in range(0, len(usual), _AT_ONCE)]
    found = pc.cast(pa.array(np.concatenate([np.zeros(0), *parts])), pa.string())
    if not odd.any():
        return found
    others = pa.array([text(value) for value in values[odd].tolist()], pa.string())
    return pc.replace_with_mask(found, pa.array(odd), others)


def _rounded(values: Doubles) -> Doubles:
    """The doubles nearest to the decimals with 15 digits that are nearest to *values*; of two, to the even one."""
    size = np.abs(values)
    scale = _SCALES[np.searchsorted(_STEPS, size, side="right").clip(min=1) - 1]
    scaled, missed = _product(size, scale)
    whole = np.rint(scaled)
    rest = scaled - whole
    whole += missed > 0.5 - rest  # what the product's rounding has hidden
    whole -= missed < -0.5 - rest
    found: Doubles = np.copysign(whole / scale, values)
    return found


def _product(one: Doubles, other: Doubles) -> tuple[Doubles, Doubles]:
    """The rounded product, and what it lacks: together they are exact (Dekker 1971)."""
    product = one * other
    high, low = _halves(one)
    other_high, other_low = _halves(other)
    missed = ((high * other_high - product) + high * other_low + low * other_high) + low * other_low
    return product, missed


def _halves(values: Doubles) -> tuple[Doubles, Doubles]:
    """Each as a sum of two with half as many bits (Veltkamp)."""
    shifted = _SPLIT * values
    high = shifted - (shifted - values)
    return high, values - high

"""Sums of float64 arrays without any rounding until the end; it knows numbers, neither tables nor jobs.

Digits of doubles (`digits.py`) are integers and add up exactly, in any order: a sum is the same to the last bit however
its values were divided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumer import native
from consumer.exact.digits import LOW, WIDTH, Floats, Ints, gather, gather_weighed
from consumer.native import sums

__all__ = ["MOST_WEIGHT", "Floats", "Ints", "Moments", "Sums", "quotient", "root"]

Places = NDArray[np.intp]
MOST_WEIGHT = 2**22  # from there on the square of a double, weighed, may have more than 128 bits


@dataclass(frozen=True, eq=False)
class Sums:
    """One exact sum per group. `digits[level][group]` counts in units of 2**(WIDTH * level).

    It fits into 64 bits for up to 2**43 values, or squares.
    """

    groups: int
    digits: Mapping[int, Ints] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        """As one text of bytes: an array by itself costs more to pickle than what is in it."""
        return _unpickled, (self.groups, tuple(self.digits), b"".join(own.tobytes() for own in self.digits.values()))

    @classmethod
    def of(cls, values: Floats, rows: Ints | None = None) -> Sums:
        """The sums of finite *values*, which lie group by group: *rows* of them in each (none: all in one)."""
        return cls._of(values, rows, squares=False)[0]

    @classmethod
    def with_squares(cls, values: Floats, rows: Ints | None = None) -> tuple[Sums, Sums]:
        """And the sums of their squares, exact too."""
        return cls._of(values, rows, squares=True)

    @classmethod
    def by_code(cls, numbers: Sequence[Floats], codes: Ints, groups: int) -> list[Sums]:
        """For each of the *numbers* the sums of their finite values by code; a row whose code is -1 is in no group."""
        if native.is_there():
            narrow = np.ascontiguousarray(codes, np.int32)
            return [cls(groups, sums.totals(_doubles(values), narrow, groups)) for values in numbers]
        order = np.argsort(codes, kind="stable")
        bounds = np.searchsorted(codes[order], np.arange(groups + 1, dtype=codes.dtype))  # else all were converted
        return [cls.of(values[order[bounds[0] :]], np.diff(bounds)) for values in numbers]

    @classmethod
    def of_whole(cls, number: int) -> Sums:
        """One sum, of a whole number."""
        digits, level, half = {}, 0, 1 << WIDTH - 1
        while number:
            digit = ((number + half) & LOW) - half
            digits[level] = np.array([digit])
            number, level = (number - digit) >> WIDTH, level + 1
        return cls(1, digits)

    @classmethod
    def of_weighed(cls, values: Floats, weights: Ints) -> tuple[Sums, Sums]:
        """The sum of finite *values* and that of their squares, each as often as it weighs.

        ValueError from MOST_WEIGHT on, in all.
        """
        if weights.sum() >= MOST_WEIGHT:
            raise ValueError(f"the values weigh {MOST_WEIGHT:,} or more")
        if native.is_there():
            totals, squared = sums.weighed(_doubles(values), np.ascontiguousarray(weights, np.int64))
        else:
            totals, squared = gather_weighed(_doubles(values), weights.astype(np.float64))
        return cls(1, totals), cls(1, squared)

    @classmethod
    def _of(cls, values: Floats, rows: Ints | None, *, squares: bool) -> tuple[Sums, Sums]:
        every = _doubles(values)
        if rows is None and native.is_there():
            both = sums.weighed(every) if squares else (sums.totals(every), {})
            return cls(1, both[0]), cls(1, both[1])
        counts = np.array([len(every)]) if rows is None else rows
        some = np.flatnonzero(counts)
        full = counts[some]
        found = gather(every, np.cumsum(full) - full, squares=squares)
        totals, squared = (cls(len(full), one) for one in found)
        if len(some) == len(counts):
            return totals, squared
        return totals.spread(some, len(counts)), squared.spread(some, len(counts))

    def __add__(self, other: Sums) -> Sums:
        """Sum by sum; both have the same groups."""
        digits = dict(self.digits)
        for level, more in other.digits.items():
            digits[level] = digits[level] + more if level in digits else more
        return Sums(self.groups, digits)

    def spread(self, places: Places, groups: int) -> Sums:
        """The same sums among *groups*: that of group i becomes that of *places*[i], the others are zero."""
        digits = {level: np.zeros(groups, np.int64) for level in self.digits}
        for level, own in self.digits.items():
            digits[level][places] = own
        return Sums(groups, digits)

    def take(self, groups: Places) -> Sums:
        """Those of these groups."""
        return Sums(len(groups), {level: own[groups] for level, own in self.digits.items()})

    def weighed(self, weights: Ints) -> Sums:
        """One sum: that of each group, as often as it weighs."""
        return Sums(1, {level: np.array([own @ weights]) for level, own in self.digits.items()})

    def ratios(self) -> tuple[NDArray[Any], int]:
        """Each sum as an exact fraction: Python integers over one common denominator, a power of two."""
        low = min((0, *self.digits))
        units = np.zeros(self.groups, object)
        for level, digits in self.digits.items():
            units += digits.astype(object) << WIDTH * (level - low)
        return units, 1 << -WIDTH * low

    @property
    def ratio(self) -> tuple[int, int]:
        """The only sum as such a fraction, without numpy."""
        low = min((0, *self.digits))
        units = sum(digits.item() << WIDTH * (level - low) for level, digits in self.digits.items())
        return units, 1 << -WIDTH * low

    @property
    def nearest(self) -> Floats:
        """The sums, each rounded once, to the nearest double (beyond the largest: infinity)."""
        units, denominator = self.ratios()
        return _rounded(units, denominator)

    @property
    def value(self) -> float:
        """The sum of the only group."""
        return quotient(*self.ratio)

    def means(self, counts: Ints) -> Floats:
        """Each sum over its count, rounded once; NaN where the count is 0."""
        units, denominator = self.ratios()
        return _rounded(units, counts.astype(object) * denominator)


def _unpickled(groups: int, levels: Sequence[int], octets: bytes) -> Sums:
    digits = np.frombuffer(bytearray(octets), np.int64).reshape(len(levels), groups)
    return Sums(groups, dict(zip(levels, digits, strict=True)))


@dataclass(frozen=True, eq=False)
class Moments:
    """How many values there are, their sum and that of their squares: what mean and deviation are made of."""

    count: int
    total: Sums
    squares: Sums

    @classmethod
    def of(cls, values: Floats) -> Moments:
        return cls(len(values), *Sums.with_squares(values))

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float | None:
        """Rounded once; None without values."""
        units, below = self.total.ratio
        return quotient(units, self.count * below) if self.count else None

    @property
    def variance(self) -> float | None:
        """The sample variance (ddof=1), rounded once; None for fewer than two values."""
        return None if self.count < 2 else quotient(*self._variance())  # noqa: PLR2004

    @property
    def std(self) -> float | None:
        """The square root of the exact sample variance, rounded once; None for fewer than two values."""
        return None if self.count < 2 else root(*self._variance())  # noqa: PLR2004

    def _variance(self) -> tuple[int, int]:
        """(n * sum of squares - square of sum) / (n * (n - 1)) as a fraction: nothing cancels in integers."""
        total, below = self.total.ratio
        squares, below_squares = self.squares.ratio
        n = self.count
        return n * squares * below**2 - total**2 * below_squares, n * (n - 1) * below_squares * below**2


def quotient(numerator: int, denominator: int) -> float:
    """The nearest double: division of Python's integers rounds correctly."""
    if not denominator:
        return math.nan
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


def root(numerator: int, denominator: int) -> float:
    """The double nearest to the square root of a fraction that is not negative.

    The integer root of the fraction, scaled to have at least 55 bits, is rounded to odd, so that the one rounding
    that follows is right: S. Boldo, G. Melquiond, "Emulation of a FMA and Correctly Rounded Sums", IEEE Trans.
    Comput. 57 (2008).
    """
    shift = (denominator.bit_length() - numerator.bit_length() + 112) // 2
    numerator, denominator = (
        (numerator << 2 * shift, denominator) if shift > 0 else (numerator, denominator << -2 * shift)
    )
    found = math.isqrt(numerator // denominator)
    odd = found | (found * found * denominator != numerator)
    return quotient(odd, 1 << shift) if shift > 0 else quotient(odd << -shift, 1)


def _doubles(values: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(values, np.float64)


_rounded_object = np.frompyfunc(quotient, 2, 1)


def _rounded(numerators: NDArray[Any], denominators: NDArray[Any] | int) -> Floats:
    return np.asarray(_rounded_object(numerators, denominators), np.float64)

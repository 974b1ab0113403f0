"""Sums of float64 arrays without any rounding until the end; it knows numbers, neither tables nor jobs.

A double is cut into digits on one fixed grid of powers of two, so what a value adds to each digit depends on the value
alone. Digits are integers and add up exactly, in any order: a sum is the same to the last bit however its values were
divided. The cutting by adding and subtracting a large constant is error-free: S. M. Rump, T. Ogita, S. Oishi, "Accurate
Floating-Point Summation Part I", SIAM J. Sci. Comput. 31 (2008), algorithm ExtractScalar; on a grid fixed in advance:
J. Demmel, H. D. Nguyen, "Fast Reproducible Floating-Point Summation", ARITH 2013.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Places = NDArray[np.intp]

WIDTH = 28  # bits of a digit: a digit's sum fits into 64 bits up to 2**35 values, squared or not
BLOCK = 1 << 15  # values at a time: they stay in the processor's cache, and a block's digit sums are exact doubles
SHIFT = 20  # digits by which values are moved that are too large or too small to be cut or squared as they are
LARGE, LARGE_TO_SQUARE, SMALL_TO_SQUARE = 2.0**900, 2.0**480, 2.0**-440
SPLITTER = 2.0**27 + 1
HALF = 0.5


@dataclass(frozen=True, eq=False)
class Sums:
    """One exact sum per group. `digits[level][group]` counts in units of 2**(WIDTH * level)."""

    groups: int
    digits: Mapping[int, Ints] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Floats, rows: Ints | None = None) -> Sums:
        """The sums of finite *values*, which lie group by group: *rows* of them in each (none: all in one)."""
        return cls._of(_pieces, values, np.array([len(values)]) if rows is None else rows)

    @classmethod
    def of_squares(cls, values: Floats, rows: Ints | None = None) -> Sums:
        """The sums of the squares of finite *values*, exact too."""
        return cls._of(_squares, values, np.array([len(values)]) if rows is None else rows)

    @classmethod
    def of_whole(cls, number: int) -> Sums:
        """One sum, of a whole number."""
        digits, level, half = {}, 0, 1 << WIDTH - 1
        while number:
            digit = ((number + half) & ((1 << WIDTH) - 1)) - half
            digits[level] = np.array([digit])
            number, level = (number - digit) >> WIDTH, level + 1
        return cls(1, digits)

    @classmethod
    def of_weighed(cls, values: Floats, weights: Floats, *, squared: bool = False) -> Sums:
        """The sum of finite *values*, or of their squares, each as often as it weighs: less than 2**24 times in all."""
        sums: dict[int, Ints] = {}
        for start, block, shift in (_squares if squared else _pieces)(values):
            for level, digits in _digits(block):
                found = int(math.ldexp(float(digits @ weights[start : start + len(block)]), -WIDTH * level))
                sums[level + shift] = sums.get(level + shift, np.zeros(1, np.int64)) + found
        return cls(1, sums)

    @classmethod
    def _of(cls, cut: Callable[[Floats], Iterator[Piece]], values: Floats, rows: Ints) -> Sums:
        if rows.all():
            return cls(len(rows), _gather(cut(values), np.cumsum(rows) - rows))
        some = np.flatnonzero(rows)
        return cls._of(cut, values, rows[some]).spread(some, len(rows))

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

    def weighed(self, weights: Ints) -> Sums:
        """One sum: that of each group, as often as it weighs."""
        return Sums(1, {level: np.array([own @ weights]) for level, own in self.digits.items()})

    def ratios(self) -> tuple[NDArray[Any], int]:
        """Each sum as an exact fraction: Python integers over one common denominator, a power of two."""
        low = min(self.digits, default=0)
        units = np.zeros(self.groups, object)
        for level, digits in self.digits.items():
            units += digits.astype(object) << WIDTH * (level - low)
        return (units << WIDTH * low, 1) if low > 0 else (units, 1 << -WIDTH * low)

    @property
    def nearest(self) -> Floats:
        """The sums, each rounded once, to the nearest double (beyond the largest: infinity)."""
        units, denominator = self.ratios()
        return _rounded(units, denominator)

    @property
    def value(self) -> float:
        """The sum of the only group."""
        return float(self.nearest[0])

    def means(self, counts: Ints) -> Floats:
        """Each sum over its count, rounded once; NaN where the count is 0."""
        units, denominator = self.ratios()
        return _rounded(units, counts.astype(object) * denominator)


@dataclass(frozen=True, eq=False)
class Moments:
    """How many values there are, their sum and that of their squares: what mean and deviation are made of."""

    count: int
    total: Sums
    squares: Sums

    @classmethod
    def of(cls, values: Floats) -> Moments:
        return cls(len(values), Sums.of(values), Sums.of_squares(values))

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float | None:
        """Rounded once; None without values."""
        return float(self.total.means(np.array([self.count]))[0]) if self.count else None

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
        (total,), below = self.total.ratios()
        (squares,), below_squares = self.squares.ratios()
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


_rounded_object = np.frompyfunc(quotient, 2, 1)


def _rounded(numerators: NDArray[Any], denominators: NDArray[Any] | int) -> Floats:
    return np.asarray(_rounded_object(numerators, denominators), np.float64)


Piece = tuple[int, Floats, int]  # where the values stand, themselves, and by how many digits they were moved


def _pieces(values: Floats, small: float = 0.0, large: float = LARGE) -> Iterator[Piece]:
    """Blocks of *values*, of which those outside [small, large) are moved by SHIFT digits in pieces of their own."""
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        size = np.abs(block)
        low, high = size.min(), size.max()
        if not high < math.inf:
            raise ValueError("only finite values can be summed")
        if small <= low and high < large:
            yield start, block, 0
            continue
        above, below = size >= large, size < small
        for moved, shift in ((above, SHIFT), (below, -SHIFT), (~(above | below), 0)):
            yield start, np.where(moved, block, 0.0) * 2.0 ** (-WIDTH * shift), shift


def _squares(values: Floats) -> Iterator[Piece]:
    """Each square as two doubles, the rounded one and its error.

    T. J. Dekker's product, as procedure Square in J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and
    Fast Robust Geometric Predicates", Discrete Comput. Geom. 18 (1997). The bands keep it from over- and underflow.
    """
    for start, block, shift in _pieces(values, SMALL_TO_SQUARE, LARGE_TO_SQUARE):
        carried = block * SPLITTER
        high = carried - (carried - block)
        low = block - high
        square = block * block
        yield start, square, 2 * shift
        yield start, low * low - ((square - high * high) - (high + high) * low), 2 * shift


def _gather(pieces: Iterable[Piece], begins: Ints) -> dict[int, Ints]:
    """The digits of each group's sum, by level. *Begins* tells where the groups begin, none of which is empty."""
    sums: dict[int, Ints] = {}
    for start, values, shift in pieces:
        first, last = np.searchsorted(begins, [start + 1, start + len(values)]) - [1, 0]
        cuts = np.maximum(begins[first:last] - start, 0)
        for level, digits in _digits(values):
            found = np.ldexp(np.add.reduceat(digits, cuts), -WIDTH * level).astype(np.int64)
            sums.setdefault(level + shift, np.zeros(len(begins), np.int64))[first:last] += found
    return sums


def _digits(values: Floats) -> Iterator[tuple[int, Floats]]:
    """From the top: the level, and each value's digit there, as a double that is a multiple of the level's unit.

    The array is used again for the next level. Levels where all digits are zero are skipped.
    """
    rest, digits = values.copy(), np.empty_like(values)
    while size := max(rest.max(initial=0.0), -rest.min(initial=0.0)):
        fraction, exponent = math.frexp(size)
        bits = exponent + (fraction > HALF)  # half a unit rounds to zero: it belongs to the level below
        level = -(-bits // WIDTH) - 1
        extractor = math.ldexp(1.5, 52 + WIDTH * level)
        np.add(rest, extractor, out=digits)
        digits -= extractor
        rest -= digits
        yield level, digits

"""Doubles as digits on one fixed grid of powers of two, whose sums are exact; knows neither what they are for.

What a value adds to each digit depends on the value alone. The cutting by adding and subtracting a large constant is
error-free: S. M. Rump, T. Ogita, S. Oishi, "Accurate Floating-Point Summation Part I", SIAM J. Sci. Comput. 31 (2008),
algorithm ExtractScalar; on a grid fixed in advance: J. Demmel, H. D. Nguyen, "Fast Reproducible Floating-Point
Summation", ARITH 2013.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WIDTH = 20  # bits of a digit, which is 2**19 at most: a block's sums of products of two are exact doubles
BLOCK = 1 << 15  # values at a time: they stay in the processor's cache
SHIFT = 28  # digits by which values are moved that are too large or too small to be cut or squared as they are
LARGE, LARGE_TO_SQUARE, SMALL_TO_SQUARE = 2.0**900, 2.0**440, 2.0**-400
LOW = (1 << WIDTH) - 1
HALF = 0.5

Piece = tuple[int, Floats, int]  # where the values stand, themselves, and by how many digits they were moved
Digits = dict[int, Ints]  # by level, those of each group


def gather(values: Floats, begins: Ints, *, squares: bool) -> tuple[Digits, Digits]:
    """The digits of each group's sum and, where wanted, of the sum of its squares, by level.

    *Begins* tells where the groups begin, none of which is empty. A square is the sum of all products of two digits.
    """
    totals, squared = _Tally(len(begins)), _Tally(len(begins))
    for start, block, shift in _pieces(values, *((SMALL_TO_SQUARE, LARGE_TO_SQUARE) if squares else (0.0, LARGE))):
        first, last = np.searchsorted(begins, [start + 1, start + len(block)]) - [1, 0]
        groups, cuts = slice(first, last), np.maximum(begins[first:last] - start, 0)
        above: list[tuple[int, Floats]] = []
        for level, digits in _digits(block, keep=squares):
            totals.add(level + shift, groups, _whole(_sums(digits, cuts), level))
            if squares:
                above.append((level, digits))
                for higher, others in above:
                    product = _whole(_products(digits, others, cuts), level + higher) << (higher > level)  # and back
                    squared.add(level + higher + 2 * shift, groups, product & LOW)
                    squared.add(level + higher + 2 * shift + 1, groups, product >> WIDTH)
    return totals.digits, squared.digits


def gather_weighed(values: Floats, weights: Floats) -> tuple[Digits, Digits]:
    """The digits of their sum and of that of their squares, each as often as it weighs: less than 2**24 in all."""
    totals, squared, one = _Tally(1), _Tally(1), slice(1)
    for start, block, shift in _pieces(values, SMALL_TO_SQUARE, LARGE_TO_SQUARE):
        often, above = weights[start : start + len(block)], []
        for level, digits in _digits(block, keep=True):
            totals.add(level + shift, one, _whole(np.array([digits @ often]), level))
            above.append((level, digits))
            for higher, others in above:
                for place, part in _halved(digits * others, level + higher):
                    found = _whole(np.array([part @ often]), place) << (higher > level)  # and back
                    squared.add(place + 2 * shift, one, found)
    return totals.digits, squared.digits


def _pieces(values: Floats, small: float, large: float) -> Iterator[Piece]:
    """Blocks of *values*, of which those outside [small, large) are moved by SHIFT digits in pieces of their own."""
    for start in range(0, len(values), BLOCK):
        block = values[start : start + BLOCK]
        high = max(block.max(), -block.min())
        if not high < math.inf:
            raise ValueError("only finite values can be summed")
        if high < large and not small:
            yield start, block, 0
            continue
        size = np.abs(block)
        above, below = size >= large, (size < small) & (size > 0)
        if not (above.any() or below.any()):
            yield start, block, 0
            continue
        for moved, shift in ((above, SHIFT), (below, -SHIFT), (~(above | below), 0)):
            yield start, np.where(moved, block, 0.0) * 2.0 ** (-WIDTH * shift), shift


def _sums(digits: Floats, cuts: Ints) -> Floats:
    return np.add.reduceat(digits, cuts) if len(cuts) > 1 else np.array([digits.sum()])


def _products(ones: Floats, others: Floats, cuts: Ints) -> Floats:
    return np.add.reduceat(ones * others, cuts) if len(cuts) > 1 else np.array([ones @ others])


def _halved(products: Floats, level: int) -> Iterator[tuple[int, Floats]]:
    """Their lower digits, which have that level, and the higher ones."""
    extractor = math.ldexp(1.5, 52 + WIDTH * (level + 1))
    high = (products + extractor) - extractor
    yield level, products - high
    yield level + 1, high


def _whole(sums: Floats, level: int) -> Ints:
    """In units of the level."""
    return np.ldexp(sums, -WIDTH * level).astype(np.int64)


@dataclass(frozen=True)
class _Tally:
    """Digits on their way to be those of so many sums."""

    groups: int
    digits: dict[int, Ints] = field(default_factory=dict)

    def add(self, level: int, groups: slice, found: Ints) -> None:
        if level not in self.digits:
            self.digits[level] = np.zeros(self.groups, np.int64)
        self.digits[level][groups] += found


def _digits(values: Floats, *, keep: bool) -> Iterator[tuple[int, Floats]]:
    """From the top: the level, and each value's digit there, as a double that is a multiple of the level's unit.

    Levels where all digits are zero are skipped. Unless they are to be kept, one array serves all levels.
    """
    rest, room = values.copy(), None if keep else np.empty_like(values)
    while size := max(rest.max(initial=0.0), -rest.min(initial=0.0)):
        fraction, exponent = math.frexp(size)
        bits = exponent + (fraction > HALF)  # half a unit rounds to zero: it belongs to the level below
        level = -(-bits // WIDTH) - 1
        extractor = math.ldexp(1.5, 52 + WIDTH * level)
        digits = np.add(rest, extractor, out=room)
        digits -= extractor
        rest -= digits
        yield level, digits

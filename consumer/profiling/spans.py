"""Values of a column that have a size - numbers, dates, lengths - summed up exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from consumer import native
from consumer.exact import Moments, Sums
from consumer.native import sums
from consumer.profiling.grid import Floats, Grid
from consumer.profiling.octets import Ints

SMALL, MANY = 2.0**31, 2**21  # the sum of so many numbers below that has no more bits than a double


@dataclass(frozen=True, eq=False)
class Span:
    """How many there are, the least, the greatest (NaN without any), and how they are spread."""

    count: int
    low: float
    high: float
    grid: Grid

    @classmethod
    def of(cls, values: Floats, counts: Ints, buckets: int) -> Span:
        """Finite *values*, each *counts* times."""
        if not len(values):
            return cls.none(buckets)
        low, high = float(values.min()), float(values.max())
        return cls(int(counts.sum()), low + 0.0, high + 0.0, Grid.of(values, counts, buckets))

    @classmethod
    def none(cls, buckets: int) -> Span:
        empty = np.zeros(0, np.int64)
        return cls(0, math.nan, math.nan, Grid(buckets, 0, empty, empty))

    def __add__(self, other: Span) -> Span:
        if not (self.count and other.count):
            return self if self.count else other
        low, high = min(self.low, other.low), max(self.high, other.high)
        return Span(self.count + other.count, low, high, self.grid + other.grid)

    def quantiles(self, shares: Floats) -> Floats:
        return self.grid.quantiles(shares).clip(self.low, self.high)


@dataclass(frozen=True, eq=False)
class Numbers:
    span: Span
    moments: Moments

    @classmethod
    def of(cls, values: Floats, counts: Ints, buckets: int) -> Numbers:
        return cls(Span.of(values, counts, buckets), _moments(values, counts))

    def __add__(self, other: Numbers) -> Numbers:
        if not (self.span.count and other.span.count):
            return self if self.span.count else other
        return Numbers(self.span + other.span, self.moments + other.moments)


def _moments(values: Floats, counts: Ints) -> Moments:
    if (count := int(counts.sum())) >= MANY:
        often, rows = np.unique(counts, return_counts=True)  # what occurs equally often is summed up together
        ordered = values[np.argsort(counts)]
        return Moments(count, *(each.weighed(often) for each in Sums.with_squares(ordered, rows)))
    if whole := _of_whole(values, counts):
        return Moments(count, *map(Sums.of_whole, whole))
    return Moments(count, *Sums.of_weighed(values, counts))


def _of_whole(values: Floats, counts: Ints) -> tuple[int, int] | None:
    """The sum of small whole numbers and that of their squares; None where one is none.

    Halves of these numbers have products of which also the sums are whole doubles, in whatever order they are added:
    (2**16 h + l)**2 is 2**32 hh + 2**17 hl + ll.
    """
    if native.is_there():
        return sums.whole(np.ascontiguousarray(values), np.ascontiguousarray(counts))
    if not (np.abs(values).max(initial=0) < SMALL and (np.rint(values) == values).all()):
        return None
    weights, high = counts.astype(np.float64), np.floor(values * 2.0**-16)
    low = values - high * 2.0**16
    weighed = low * weights
    squares = (int(high * weights @ high) << 32) + (int(weighed @ high) << 17) + int(weighed @ low)
    return int(values @ weights), squares


@dataclass(frozen=True)
class Lengths:
    """Characters of the texts: the shortest's, the longest's and those of all together."""

    shortest: int
    longest: int
    total: int

    @classmethod
    def of(cls, lengths: Ints, counts: Ints) -> Lengths | None:
        if not len(lengths):
            return None
        return cls(int(lengths.min()), int(lengths.max()), int(lengths @ counts))

    def __add__(self, other: Lengths) -> Lengths:
        shortest, longest = min(self.shortest, other.shortest), max(self.longest, other.longest)
        return Lengths(shortest, longest, self.total + other.total)

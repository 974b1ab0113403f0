"""Values of a column that have a size - numbers, dates, lengths - summed up exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from consumer.exact import Moments, Sums
from consumer.profiling.grid import Floats, Grid
from consumer.profiling.octets import Ints

SELDOM = 50  # a value that occurs less often is rather added as often as it occurs
LARGE = 2.0**900  # larger ones are not multiplied


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
    """As of each value as often as it counts, but of fewer: 3 v is v + 2v, and 4 vv is (2v)(2v). Doubling is exact."""
    if counts.sum() <= SELDOM * len(counts) or np.abs(values).max(initial=0) > LARGE:
        return Moments.of(np.repeat(values, counts))
    powers = [(place, counts >> place) for place in range(0, int(counts.max()).bit_length(), 2)]
    singles = [np.ldexp(values[rest >> half & 1 == 1], place + half) for place, rest in powers for half in (0, 1)]
    squares = [np.ldexp(np.repeat(values, rest & 3), place // 2) for place, rest in powers]
    sums = Sums.of(np.concatenate(singles)), Sums.of_squares(np.concatenate(squares))
    return Moments(int(counts.sum()), *sums)


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

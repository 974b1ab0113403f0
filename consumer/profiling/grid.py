"""Numbers in buckets of a grid that gets coarser as they become many: quantiles and histograms in bounded memory.

Doubles sort like the integers that their bits spell; a bucket holds those that agree in all but the last `shift` bits.
The shift is the smallest one with which few enough buckets are in use. A part never needs a coarser grid than the
whole, so the grid of the whole is the same however it was divided. (The idea is that of UDDSketch: I. Epicoco et al.,
2020.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumer import native
from consumer.native import grid
from consumer.profiling.octets import Ints, bit_lengths, in_order

Floats = NDArray[np.float64]

_POSITIVE = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_LARGEST = np.float64(np.finfo(np.float64).max).view(np.int64)
_MANTISSA = 52
PLACES, FEW = 1 << 15, 1 << 12  # of a grid that is tried by counting; as many numbers are rather sorted


@dataclass(frozen=True, eq=False)
class Grid:
    """Ascending `keys` of buckets, and how many numbers each has; at most `most` of them."""

    most: int
    shift: int
    keys: Ints
    counts: Ints

    @classmethod
    def of(cls, values: Floats, counts: Ints, most: int) -> Grid:
        """Finite *values*, each *counts* times."""
        return _counted(most, values, counts) or _fitting(most, 0, *in_order(_keys(values), counts))

    def __add__(self, other: Grid) -> Grid:
        shift = max(self.shift, other.shift)
        keys = np.concatenate([part.keys >> np.int64(shift - part.shift) for part in (self, other)])
        return _fitting(self.most, shift, *in_order(keys, np.concatenate([self.counts, other.counts])))

    @property
    def size(self) -> int:
        return int(self.counts.sum())

    @property
    def error(self) -> float:
        """How far a quantile can be off, relative to itself; 0 where each bucket is one number."""
        return 2.0 ** (self.shift - _MANTISSA) if self.shift else 0.0

    def edges(self) -> tuple[Floats, Floats]:
        """The smallest and the largest number of each bucket, finite."""
        low = self.keys << np.int64(self.shift)
        return _double(low), _double(low + np.int64((1 << self.shift) - 1))

    def quantiles(self, shares: Floats) -> Floats:
        """Interpolated between neighbours as pandas does; in a bucket, numbers are taken to be spread evenly."""
        ranks = np.asarray(shares) * (self.size - 1)
        below = np.floor(ranks)
        low, high = self._ranked(below), self._ranked(np.ceil(ranks))
        part = ranks - below
        return _between(low, high, part)

    def _ranked(self, ranks: Floats) -> Floats:
        """The numbers with these ranks, from 0."""
        ends = np.cumsum(self.counts)
        at = np.searchsorted(ends, ranks, "right").clip(max=len(ends) - 1)
        low, high = (edge[at] for edge in self.edges())
        place = (ranks - (ends[at] - self.counts[at]) + 0.5) / self.counts[at]
        return _between(low, high, place)


def _between(low: Floats, high: Floats, part: Floats) -> Floats:
    """At *part* of the way; the difference of the two may be no double."""
    return np.asarray(np.where(low == high, low, low * (1 - part) + high * part))


def _keys(values: Floats) -> Ints:
    bits = (values + 0.0).view(np.int64)  # + 0.0 makes -0.0 a 0
    return np.asarray(bits ^ ((bits >> np.int64(63)) & _POSITIVE))


def _counted(most: int, values: Floats, counts: Ints) -> Grid | None:
    """Without sorting; None where *values* are few, or so close that there may be a finer grid than can be tried so."""
    if len(values) < FEW:
        return None
    keys = None if native.is_there() else _keys(values)
    low, high = grid.span(values) if keys is None else (int(keys.min()), int(keys.max()))
    shift = max(0, (high - low).bit_length() - PLACES.bit_length() + 1)
    first, last = low >> shift, high >> shift
    if keys is None:
        filled = grid.filled(values, counts, shift, first, last)
    else:
        places = (keys >> np.int64(shift)) - np.int64(first)
        filled = np.bincount(places, None if counts.max() == 1 else counts).astype(np.int64, copy=False)
    used = np.flatnonzero(filled)
    return _fitting(most, shift, used + first, filled[used]) if len(used) > most or not shift else None


def _fitting(most: int, shift: int, keys: Ints, counts: Ints) -> Grid:
    """The finest grid, from *shift* on, with at most *most* buckets; *keys* ascend."""
    parted = _lengths(keys[1:] ^ keys[:-1])  # two neighbours fall together once so many bits are ignored
    coarser = int(np.partition(parted, len(parted) - most)[len(parted) - most]) if len(parted) >= most else 0
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, len(keys)), np.bool_), parted > coarser]))
    if not len(starts):
        return Grid(most, shift, keys, counts)
    return Grid(most, shift + coarser, keys[starts] >> np.int64(coarser), np.add.reduceat(counts, starts))


def _lengths(differences: Ints) -> Ints:
    """How many bits each has; a sign counts as the 64th."""
    bits = differences.view(np.uint64)
    return bit_lengths(bits & ~(bits >> np.uint64(1)))  # without a second bit none rounds up


def _double(keys: Ints) -> Floats:
    keys = keys.clip(~_LARGEST, _LARGEST)  # beyond lie the infinities
    return (keys ^ ((keys >> np.int64(63)) & _POSITIVE)).view(np.float64)

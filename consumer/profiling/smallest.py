"""The values with the smallest hashes, each with how often it occurs: a fair sample of the different values.

A value that is among the smallest of the whole is so in every part that has it, so its count is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumer import native
from consumer.native.texts import below
from consumer.profiling.octets import Hashes, Ints, in_order

SPARE, GROWTH = 4, 2


def likely(hashes: Hashes, size: int) -> Iterator[NDArray[np.integer[Any]]]:
    """Where the *size* smallest are if hashes are spread evenly: places of few, to sort less, then of more and more."""
    most = size + size // SPARE
    while most < len(hashes):
        bound = most * (2**64 // len(hashes))
        yield below(hashes, bound) if native.is_there() else np.flatnonzero(hashes < np.uint64(bound))
        most *= GROWTH


@dataclass(frozen=True, eq=False)
class Smallest:
    """At most `size` hashes, ascending, and the counts of what they stand for."""

    size: int
    hashes: Hashes
    counts: Ints

    @classmethod
    def of(cls, hashes: Hashes, counts: Ints, size: int) -> Smallest:
        """*hashes* may hold one more than once."""
        for few in likely(hashes, size):  # they may hold too many repetitions
            found = cls._of(hashes[few], counts[few], size)
            if len(found.hashes) == size:
                return found
        return cls._of(hashes, counts, size)

    @classmethod
    def _of(cls, hashes: Hashes, counts: Ints, size: int) -> Smallest:
        if not len(hashes):
            return cls(size, hashes, counts)
        ordered, often = in_order(hashes, counts)
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        return cls(size, ordered[starts][:size], np.add.reduceat(often, starts)[:size])

    def __add__(self, other: Smallest) -> Smallest:
        both = np.concatenate([self.hashes, other.hashes]), np.concatenate([self.counts, other.counts])
        return Smallest.of(*both, self.size)

    @property
    def complete(self) -> bool:
        """Whether nothing was left out, so that this is no sample but everything."""
        return len(self.hashes) < self.size

    @property
    def once(self) -> float:
        """The share of the different values that occur only once."""
        return float((self.counts == 1).mean()) if len(self.counts) else 1.0

    @property
    def copies(self) -> float:
        """How often a value occurs, on average."""
        return float(self.counts.mean()) if len(self.counts) else 1.0

"""The values with the smallest hashes, each with how often it occurs: a fair sample of the different values.

A value that is among the smallest of the whole is so in every part that has it, so its count is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consumer.profiling.octets import Hashes, Ints

GROWTH = 2


@dataclass(frozen=True, eq=False)
class Smallest:
    """At most `size` hashes, ascending, and the counts of what they stand for."""

    size: int
    hashes: Hashes
    counts: Ints

    @classmethod
    def of(cls, hashes: Hashes, counts: Ints, size: int) -> Smallest:
        """*hashes* may hold one more than once."""
        most = GROWTH * size
        while most < len(hashes):  # to sort less, look among few first; they may hold too many repetitions
            few = hashes < np.uint64(most * (2**64 // len(hashes)))  # hashes are spread evenly
            found = cls._of(hashes[few], counts[few], size)
            if len(found.hashes) == size:
                return found
            most *= GROWTH
        return cls._of(hashes, counts, size)

    @classmethod
    def _of(cls, hashes: Hashes, counts: Ints, size: int) -> Smallest:
        if not len(hashes):
            return cls(size, hashes, counts)
        order = np.argsort(hashes)  # the counts of equal ones are added, in whatever order
        ordered = hashes[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        return cls(size, ordered[starts][:size], np.add.reduceat(counts[order], starts)[:size])

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

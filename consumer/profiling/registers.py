"""HyperLogLog: how many different hashes there were, estimated; adding is taking the larger of each register.

P. Flajolet et al., "HyperLogLog" (2007), with the estimator of O. Ertl, "New cardinality estimation algorithms for
HyperLogLog sketches" (2017), which needs no table of corrections and sees the registers only, not the order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumer import native
from consumer.native import texts
from consumer.profiling.octets import Hashes, bit_lengths

_USED = 48  # bits of a hash in which the first one bit is looked for: exact as a double


@dataclass(frozen=True, eq=False)
class Registers:
    ranks: NDArray[np.uint8]

    @classmethod
    def of(cls, hashes: Hashes, bits: int) -> Registers:
        least = np.full(1 << bits, 1 << _USED, np.uint64)  # of its register, only the smallest rest counts
        if native.is_there():
            texts.least(hashes, bits, _USED, least)
        else:
            rest = (hashes >> np.uint64(bits)) & np.uint64((1 << _USED) - 1)
            np.minimum.at(least, hashes & np.uint64((1 << bits) - 1), rest)
        return cls((_USED + 1 - bit_lengths(least)).astype(np.uint8))

    def __add__(self, other: Registers) -> Registers:
        return Registers(np.maximum(self.ranks, other.ranks))

    @property
    def error(self) -> float:
        """The standard error, relative."""
        return 1.04 / math.sqrt(len(self.ranks))

    @property
    def estimate(self) -> float:
        size = len(self.ranks)
        counts = np.bincount(self.ranks, minlength=_USED + 2).tolist()
        total = size * _tau(1 - counts[_USED + 1] / size)
        for count in counts[_USED:0:-1]:
            total = 0.5 * (total + count)
        total += size * _sigma(counts[0] / size)
        return 0.5 / math.log(2) * size * (size / total)


def _sigma(x: float) -> float:
    """The sum of x**(2**k) * 2**(k - 1), and x: what the registers that are still zero tell."""
    if x == 1:
        return math.inf
    scale, found, before = 1.0, x, -1.0
    while found != before:
        x, before = x * x, found
        found += x * scale
        scale *= 2
    return found


def _tau(x: float) -> float:
    """The same for registers that are full."""
    if x in (0, 1):
        return 0.0
    scale, found, before = 1.0, 1 - x, -1.0
    while found != before:
        x, before = math.sqrt(x), found
        scale *= 0.5
        found -= (1 - x) ** 2 * scale
    return found / 3

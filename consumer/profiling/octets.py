"""Texts as the bytes they are made of: a 64-bit hash of each, and which sorts of characters it has, without a loop.

The hash is a polynomial in an odd multiplier, modulo 2**64, and then mixed. It depends on the bytes alone, so it is the
same in every process and on every machine. It is no protection against someone who constructs equal hashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from consumer import native
from consumer.native import texts
from consumer.profiling.words import Words

Hashes = NDArray[np.uint64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Places = NDArray[np.intp]

Key = TypeVar("Key", np.int64, np.uint64)

_BLOCK = 1 << 16  # bytes at a time: their products stay in the processor's cache
NARROW = 40  # bytes of a text
_MULTIPLIER = 0x9E3779B97F4A7C15
_WORD = 1 << 64


@dataclass(frozen=True, eq=False)
class Octets:
    """The bytes of texts, none of which is empty; text *i* lies from `bounds[i]` to `bounds[i + 1]`."""

    data: Bytes
    bounds: Ints

    @classmethod
    def of(cls, texts: pa.Array) -> Octets:
        """*texts* is a large string array without nulls."""
        _, bounds, data = texts.buffers()
        if not len(texts):
            return cls(np.zeros(0, np.uint8), np.zeros(1, np.int64))
        places = np.frombuffer(bounds, np.int64)[texts.offset : texts.offset + len(texts) + 1]
        return cls(np.frombuffer(data, np.uint8)[places[0] : places[-1]], places - places[0] if places[0] else places)

    @cached_property
    def lengths(self) -> Ints:
        return np.diff(self.bounds)

    @cached_property
    def span(self) -> tuple[int, int]:
        """The least and the greatest byte that there is."""
        return (int(self.data.min()), int(self.data.max())) if len(self.data) else (0, 0)

    @cached_property
    def words(self) -> Words | None:
        """The same as words; None where the texts are too long for that, or there are none."""
        return Words.of(self.data, self.bounds, self.lengths) if self.span[0] else None

    @property
    def first(self) -> Bytes:
        """The first byte of each."""
        return self.words.initials if not native.is_there() and self.words else self.data[self.bounds[:-1]]

    def sorts(self, table: Bytes) -> tuple[Bytes, Places]:
        """For each text the bits of all its bytes together, and which there are; *table* has the bits of each byte."""
        low, high = self.span
        if len(self.data) and (table[low : high + 1] == table[low]).all():
            return np.full(len(self.bounds) - 1, table[low], np.uint8), table[low : low + 1].astype(np.intp)
        if native.is_there():
            found, there = texts.sorts(self.data, self.bounds, table)
            return found, np.flatnonzero(there)
        found = self.words.sorts(table) if self.words else self._sorts(table)
        return found, np.flatnonzero(np.bincount(found))

    def _sorts(self, table: Bytes) -> Bytes:
        bits = table.tobytes()
        blocks = [
            np.bitwise_or.reduceat(np.frombuffer(data.tobytes().translate(bits), np.uint8), starts)
            for data, starts in self._blocks()
        ]
        return np.concatenate([np.zeros(0, np.uint8), *blocks])

    def hashes(self) -> Hashes:
        if native.is_there():
            return texts.hashes(self.data, self.bounds, _MULTIPLIER)
        if self.words:
            return _evenly(self.words.columns)
        if width := self._width:
            even = self.data.reshape(-1, width)
            return _evenly(even[:, place] for place in range(width - 1, -1, -1))
        blocks = [_hashes(data, starts) for data, starts in self._blocks()]
        return np.concatenate([np.zeros(0, np.uint64), *blocks])

    @property
    def _width(self) -> int:
        """How many bytes each text has, if all have as many and not very many."""
        width = int(self.lengths[0]) if len(self.lengths) else 0
        return width if width <= NARROW and (self.lengths == width).all() else 0

    def _blocks(self) -> Iterator[tuple[Bytes, Ints]]:
        """The bytes of some texts, and where each starts in them."""
        first, texts = 0, len(self.bounds) - 1
        while first < texts:
            begin = self.bounds[first]
            stop = max(first + 1, int(np.searchsorted(self.bounds, begin + _BLOCK, "right")) - 1)
            yield self.data[begin : self.bounds[stop]], self.bounds[first:stop] - begin
            first = stop


def mixed(values: Hashes) -> Hashes:
    """Spread over all 64 bits, each value to another one: G. Steele, D. Lea, C. Flood, SplitMix (2014)."""
    if native.is_there():
        texts.mix(found := values.copy())
        return found
    values = values ^ (values >> np.uint64(30))  # and not in place: the caller's stay
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def in_order(keys: NDArray[Key], counts: Ints) -> tuple[NDArray[Key], Ints]:
    """Ascending, each with its count."""
    if counts.max(initial=1) == 1:  # then there is no order to keep, and sorting is many times as fast
        return np.sort(keys), counts
    order = np.argsort(keys, kind="stable")  # which is soon done where two parts are in order each
    return keys[order], counts[order]


def bit_lengths(values: Hashes) -> Ints:
    """How many bits each has, as its double's exponent tells; *values* are not rounded up to a power of two by that."""
    exponents = values.astype(np.float64).view(np.int64) >> np.int64(52)
    return np.asarray(np.maximum(exponents - np.int64(1022), 0), np.int64)  # half of what clip takes for few


def _hashes(data: Bytes, starts: Ints) -> Hashes:
    size = max(_BLOCK, 1 << int(len(data) - 1).bit_length())
    sums = np.add.reduceat(data * _powers(_MULTIPLIER, size)[: len(data)], starts)
    return mixed(sums * _powers(pow(_MULTIPLIER, -1, _WORD), size)[starts])  # as if each text stood at the beginning


@cache
def _powers(factor: int, size: int) -> Hashes:
    factors = np.full(size, factor, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


def _evenly(columns: Iterator[Bytes]) -> Hashes:
    """The same of texts that are equally long, from their last bytes to their first: Horner's scheme, all at once."""
    sums = next(columns).astype(np.uint64)
    for column in columns:
        sums *= np.uint64(_MULTIPLIER)
        sums += column
    return mixed(sums)

"""Rows chosen by the hash of their line: a fair sample of the table, the same however the table was cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consumer.profiling.octets import Hashes, Octets, mixed
from consumer.profiling.smallest import likely

LONGEST = 200  # characters that are kept of a cell


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows with the smallest keys, at most `size`: their cells, those of one column in one array."""

    size: int
    keys: Hashes
    cells: tuple[pa.Array, ...]

    def __add__(self, other: Sample) -> Sample:
        keys = np.concatenate([self.keys, other.keys])
        chosen = smallest(keys, self.size)
        places = pa.array(chosen)
        cells = (pa.concat_arrays(pair).take(places) for pair in zip(self.cells, other.cells, strict=True))
        return Sample(self.size, keys[chosen], tuple(cells))

    @property
    def complete(self) -> bool:
        return len(self.keys) < self.size

    def counts(self, column: int) -> tuple[list[tuple[str, int]], int]:
        """The values of a column with their counts in the sample, most frequent first; and the cells with a value."""
        found = [
            (item["values"], item["counts"]) for item in pc.value_counts(self.cells[column].drop_null()).to_pylist()
        ]
        return sorted(found, key=lambda pair: (-pair[1], pair[0])), sum(count for _, count in found)


def drawn(lines: np.ndarray, size: int) -> tuple[Hashes, np.ndarray]:
    """The *size* smallest keys, and the places of their rows."""
    every = keys(lines)
    chosen = smallest(every, size)
    return every[chosen], chosen


def keys(lines: np.ndarray) -> Hashes:
    return mixed(lines.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15))


def smallest(keys: Hashes, size: int) -> np.ndarray:
    """The places of the *size* smallest keys, by key."""
    for few in likely(keys, size):
        if len(few) >= size:
            return few[np.argsort(keys[few])[:size]]
    return np.argsort(keys)[:size]


def shortened(cells: pa.Array) -> pa.Array:
    """As many characters of each as are shown."""
    longest = Octets.of(cells).lengths.max(initial=0)  # in bytes, of which each character has one at least
    if longest <= LONGEST:
        return cells
    return pc.utf8_slice_codeunits(cells, 0, LONGEST)

"""The different values of a column: all of them with their counts while they are few, and a sketch of them beyond."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from consumer.profiling.octets import Hashes, Ints, Octets
from consumer.profiling.registers import Registers
from consumer.profiling.room import Room
from consumer.profiling.smallest import Smallest


@dataclass(frozen=True, eq=False)
class Known:
    """Every value, and how often it occurs."""

    texts: pa.Array
    counts: Ints

    def fits(self, room: Room) -> bool:
        return len(self.texts) <= room.values and len(Octets.of(self.texts).data) <= room.text

    def sketch(self, room: Room, hashes: Hashes | None = None) -> Sketch:
        found = Octets.of(self.texts).hashes() if hashes is None else hashes
        return Sketch(Registers.of(found, room.bits), Smallest.of(found, self.counts, room.hashes))

    def ranked(self) -> list[tuple[str, int]]:
        """The most frequent first; of equally frequent ones the first in order of code points."""
        return sorted(
            zip(self.texts.to_pylist(), self.counts.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0])
        )


@dataclass(frozen=True, eq=False)
class Sketch:
    """What is known of values that are too many to keep."""

    registers: Registers
    smallest: Smallest


@dataclass(frozen=True, eq=False)
class Distinct:
    room: Room
    found: Known | Sketch

    @classmethod
    def of(cls, texts: pa.Array, counts: Ints, hashes: Hashes, room: Room) -> Distinct:
        """*texts* are all different, or more than there is room for; *hashes* are theirs."""
        known = Known(texts, counts)
        return cls(room, known if known.fits(room) else known.sketch(room, hashes))

    def __add__(self, other: Distinct) -> Distinct:
        if isinstance(self.found, Known) and isinstance(other.found, Known):
            both = _joined(self.found, other.found)
            return Distinct(self.room, both if both.fits(self.room) else both.sketch(self.room))
        own, others = self._sketch(), other._sketch()
        return Distinct(self.room, Sketch(own.registers + others.registers, own.smallest + others.smallest))

    def _sketch(self) -> Sketch:
        return self.found.sketch(self.room) if isinstance(self.found, Known) else self.found

    @property
    def exact(self) -> bool:
        return isinstance(self.found, Known)

    def count(self, cells: int) -> int:
        """How many different values *cells* cells have: estimated unless exact."""
        if isinstance(self.found, Known):
            return len(self.found.texts)
        return estimated(cells, self.found.registers, self.found.smallest)

    @property
    def once(self) -> float:
        """The share of values that occur only once: estimated unless exact."""
        if isinstance(self.found, Known):
            return float((self.found.counts == 1).mean()) if len(self.found.counts) else 1.0
        return self.found.smallest.once


def estimated(of: int, registers: Registers, smallest: Smallest) -> int:
    """How many different ones there are among *of*.

    Where almost nothing repeats, the registers' error would be taken for repetitions; the counted sample tells better.
    Where few values make up many, that sample misses them; the registers do not. So the sample counts as long as the
    registers do not contradict it by four standard errors.
    """
    if smallest.complete:
        return len(smallest.hashes)
    by_sample, by_registers = of / smallest.copies, registers.estimate
    near = abs(by_registers - by_sample) <= 4 * registers.error * by_sample
    return min(of, round(by_sample if near and smallest.once > 0.9 else by_registers))  # noqa: PLR2004


def _joined(one: Known, other: Known) -> Known:
    encoded = pa.concat_arrays([one.texts, other.texts]).dictionary_encode()
    counts = np.zeros(len(encoded.dictionary), np.int64)
    np.add.at(counts, encoded.indices.to_numpy(), np.concatenate([one.counts, other.counts]))
    return Known(encoded.dictionary, counts)

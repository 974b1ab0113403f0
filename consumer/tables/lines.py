"""Rows of which each is a line, and each line a row, as in most tables: where some lie is found without the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consumer.tables.rows import Flags, Places, are_blank, between

_LF = ord("\n")
_BITS = 64  # of a word
_ONE = np.uint64(1)
_AT_ONCE = 2**17  # bytes: little enough for the processor's cache

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Lines:
    """A bit of `words` for each byte of *data*, set where a line ends; `upto` counts them to the end of each word."""

    data: bytes
    words: Words
    upto: npt.NDArray[np.int64]

    def take(self, places: Places) -> pa.Array:
        """The bytes of these rows, in this order, as a binary array."""
        if not (np.diff(places.astype(np.int64)) > 0).all():
            some, back = np.unique(places, return_inverse=True)
            return self.take(some).take(pa.array(back))
        place = np.int32 if len(self.data) < 2**31 else np.int64
        bounds: Places = np.full(2 * len(places) + 1, len(self.data), place)
        bounds[:-1:2], bounds[1::2] = self.where(places)
        return between(self.data, bounds).take(pa.array(np.arange(0, len(bounds) - 1, 2)))  # without what lies between

    def blank(self, places: Places) -> Flags:
        """Which of these rows are nothing but white space."""
        return are_blank(self.take(places))

    def where(self, places: Places) -> tuple[Places, Places]:
        """Where these rows begin and end."""
        return np.where(places > 0, self._ends(np.maximum(places, 1) - 1), 0), self._ends(places)

    def _ends(self, places: Places) -> Places:
        """Behind the newlines of these rows."""
        at = np.searchsorted(self.upto, places, side="right")
        words = self.words[at]
        before = places - (self.upto[at] - np.bitwise_count(words))  # how many newlines of its word come before
        while (more := before > 0).any():
            words = np.where(more, words & (words - _ONE), words)  # without its lowest bit
            before = before - 1
        return at * _BITS + np.bitwise_count((words & (~words + _ONE)) - _ONE) + 1


def find(data: bytes, count: int) -> Lines | None:
    """The *count* rows of *data* where they are surely lines, and all of them: because there are as many of both."""
    if b"\r" in data or not data.endswith(b"\n"):
        return None
    octets = np.frombuffer(data, np.uint8)
    bits = [np.packbits(octets[at : at + _AT_ONCE] == _LF, bitorder="little") for at in range(0, len(octets), _AT_ONCE)]
    words = np.concatenate([*bits, np.zeros(-len(bits[-1]) % 8, np.uint8)]).view("<u8")
    upto = np.cumsum(np.bitwise_count(words), dtype=np.int64)
    return Lines(data, words, upto) if upto[-1] == count else None

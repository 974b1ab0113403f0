"""Short texts as words of eight bytes, so that arithmetic asks all texts at once what would be asked byte by byte.

The first byte of a text is the lowest of its word, as in memory; what a text is shorter is zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Word = NDArray[np.uint64]
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Places = NDArray[np.integer[Any]]

WIDTH = 8
LONGEST = 2 * WIDTH
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(WIDTH + 1)], np.uint64)
_ONES = 0x0101010101010101
_DIGITS, _LOW = np.uint64(0x10 * _ONES), np.uint64(0x0F * _ONES)  # only digits of numbers have that bit
_TENS, _EXACT_TENS = 10 ** np.arange(WIDTH + 1, dtype=np.uint64), 10.0 ** np.arange(WIDTH + 1)
_BYTE = np.uint64(8)


@dataclass(frozen=True, eq=False)
class Words:
    """Texts of 1 to 16 bytes: each as its first eight, and what is behind them if any text has so many."""

    first: Word
    behind: Word | None
    lengths: Places

    @classmethod
    def of(cls, data: Bytes, bounds: Places, lengths: Places) -> Words | None:
        """Of texts without the byte 0; None where one is too long."""
        longest = int(lengths.max(initial=0))
        if not 0 < longest <= LONGEST:
            return None
        padded = np.concatenate([data, np.zeros(LONGEST, np.uint8)])
        from_each = np.ndarray((len(data) + WIDTH,), np.dtype("<u8"), padded, strides=(1,))  # the word from each byte
        starts = bounds[:-1]
        if longest <= WIDTH:
            return cls(from_each[starts] & _MASKS[lengths], None, lengths)
        behind = from_each[starts + WIDTH] & _MASKS[(lengths - WIDTH).clip(0)]
        return cls(from_each[starts] & _MASKS[lengths.clip(max=WIDTH)], behind, lengths)

    def take(self, places: Places) -> Words:
        return Words(self.first[places], None if self.behind is None else self.behind[places], self.lengths[places])

    @property
    def initials(self) -> Bytes:
        """The first byte of each."""
        return self.first.view(np.uint8)[::WIDTH]

    @property
    def columns(self) -> Iterator[Bytes]:
        """The last byte of each text as if all were equally long, then the last but one; of shorter ones zeros."""
        longest = int(self.lengths.max())
        for nth in range(longest - 1, -1, -1):
            word = self.first if self.behind is None or nth < WIDTH else self.behind
            yield word.view(np.uint8)[nth % WIDTH :: WIDTH]

    def sorts(self, table: Bytes) -> Bytes:
        """For each text the bits of all its bytes together; *table* has the bits of each byte."""
        bits = bytes([0]) + table[1:].tobytes()
        found = _translated(self.first, bits)
        if self.behind is not None:
            found |= _translated(self.behind, bits)
        for shift in (32, 16, 8):
            found |= found >> np.uint64(shift)
        return found.astype(np.uint8)

    def may_be_numbers(self, mark: str) -> Flags:
        """Whether all but a sign in front and one mark of decimals are digits, of which there are some."""
        digits, marked = np.bitwise_count(self.first & _DIGITS), _where(self.first, ord(mark)) > 0
        if self.behind is not None:
            digits = digits + np.bitwise_count(self.behind & _DIGITS)
            marked |= _where(self.behind, ord(mark)) > 0
        signed = (self.initials == ord("-")) | (self.initials == ord("+"))
        return np.asarray((digits > 0) & (self.lengths - digits <= signed.astype(np.uint8) + marked))

    def whole(self) -> Floats:
        """What the texts, which are digits, come to, each rounded once."""
        first = _of_digits(self.first, self.lengths.clip(max=WIDTH))
        if self.behind is None:
            return np.asarray(first, np.float64)
        more = (self.lengths - WIDTH).clip(0)
        return np.asarray(first * _TENS[more] + _of_digits(self.behind, more), np.float64)

    def numbers(self, mark: str) -> Floats:
        """The same of texts of up to eight digits, signs and marks of decimals; NaN where one is no number."""
        signs, rest, lengths = _signs(self.first, self.lengths)
        marks = _where(rest, ord(mark))
        marked = marks > 0
        below = np.where(marked, (marks - marked) & ~marks, ~np.uint64(0))  # the bytes before the mark
        digits: Word = np.where(marked, (rest & below) | ((rest >> _BYTE) & ~below), rest)
        found = lengths - marked
        decimals = found - np.bitwise_count(below & _DIGITS).clip(max=found)
        values = _of_digits(digits, found) / _EXACT_TENS[decimals] * signs
        values[(np.bitwise_count(rest & _DIGITS) != found) | (found == 0)] = np.nan
        return np.asarray(values)


def _translated(words: Word, bits: bytes) -> Word:
    return np.frombuffer(bytearray(words.tobytes().translate(bits)), np.uint64)


def _of_digits(words: Word, lengths: Places) -> Word:
    """Neighbours are joined, then pairs of them, then fours; each to the ones before it, which are worth more."""
    found = (words << (np.uint64(64) - _BYTE * lengths.astype(np.uint64))) & _LOW  # shifted by 64, it may stay
    for shift, ten, mask in ((8, 10, 0x00FF00FF00FF00FF), (16, 100, 0x0000FFFF0000FFFF), (32, 10_000, 0xFFFFFFFF)):
        found = (found * np.uint64(ten) + (found >> np.uint64(shift))) & np.uint64(mask)
    return found


def _where(words: Word, byte: int) -> Word:
    """The lowest bit of each byte that is *byte*."""
    others = words ^ np.uint64(byte * _ONES)
    low = np.uint64(0x7F * _ONES)
    return ~(((others & low) + low) | others | low) >> np.uint64(7)


def _signs(words: Word, lengths: Places) -> tuple[Floats, Word, Places]:
    """1 or -1, and what follows the sign."""
    first = words & np.uint64(0xFF)
    minus = first == ord("-")
    signed = minus | (first == ord("+"))
    if not signed.any():
        return np.ones(len(words)), words, lengths
    return np.where(minus, -1.0, 1.0), np.where(signed, words >> _BYTE, words), lengths - signed

"""What a process remembers of a table: the texts in its columns of numbers that are none. It makes reading faster."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pyarrow as pa

from consumer.tables.values import Codes, Why

_MOST_TEXTS, _LONGEST = 256, 64
_PATIENCE, _AGAIN = 3, 16
_USUAL = frozenset(
    ["", "-", "?", "#N/A", "N/A", "NA", "NULL", "NaN", "None", "n/a", "na", "nan", "null"]
)  # for no value


@dataclass
class Guess:
    """That a quick way of reading will do."""

    _misses: int = 0
    _asked: int = 0

    @property
    def promising(self) -> bool:
        """Not if that was wrong a few times, or else seldom."""
        self._asked += 1
        return self._misses < _PATIENCE or self._asked % _AGAIN == 0

    def tell(self, *, right: bool) -> None:
        """Whether it did."""
        self._misses = 0 if right else self._misses + 1


@dataclass
class Learned:
    """A hint only: what is read does not depend on it, since none of the texts is ever a number.

    All other texts may well be numbers (`typed`), nothing may be unusual (`compiled`), or categories too many.
    """

    texts: set[str] = field(default_factory=lambda: {*_USUAL})
    typed: Guess = field(default_factory=Guess)
    compiled: Guess = field(default_factory=Guess)
    many_words: bool = False

    def note(self, cells: pa.Array, reasons: Codes) -> None:
        """Take note of the cells, as they stand, that are no numbers."""
        wrong = np.flatnonzero((reasons == Why.not_a_number) | (reasons == Why.missing))
        for text in cells.take(pa.array(wrong)).unique().to_pylist():
            self._add(text)

    def note_one(self, cell: str, reason: Why) -> None:
        """The same of one cell of numbers."""
        if reason in {Why.not_a_number, Why.missing}:
            self._add(cell)

    def _add(self, text: str) -> None:
        if len(self.texts) < _MOST_TEXTS and len(text) <= _LONGEST:
            self.texts.add(text)


@lru_cache(maxsize=64)
def learned(_table: str, _decimal: str, _delimiter: str) -> Learned:
    """What this process has learned from the table with that key, read so."""
    return Learned()

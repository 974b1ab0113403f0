"""Rows that the second pass may select, set aside in the first: most chunks then need not be read again. In the pool.

A matter of speed alone. Where the guess was wrong, or too many rows were on the list, the chunk is read again.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from consumer.kinds import Kind, Shortlist
from consumer.tables.read import Batch

MOST = 4  # one row in so many: to list more costs more than it spares


@dataclass(frozen=True)
class Listed:
    """The bounds by which a chunk's rows were listed, one for each slice, and how many bytes those take."""

    bounds: tuple[Any, ...]
    size: int

    def suffices(self, shortlist: Shortlist, total: Any, params: Any) -> bool:
        """Whether all rows are listed that are selected."""
        return all(shortlist.holds(bound, total, params) for bound in self.bounds)


@dataclass
class Known:
    """What this process has seen of a job's table: the combined partial of chunks, a hint only."""

    partial: Any = None


@lru_cache(maxsize=4)  # a partial may have some megabytes
def known(_job: str) -> Known:
    """What this process knows of the table of the job with that id."""
    return Known()


@dataclass
class Listing:
    """Goes through a chunk beside the kind, slice by slice."""

    kind: Kind
    params: Any
    shortlist: Shortlist
    known: Known
    rows: list[bytes] = field(default_factory=list)
    bounds: list[Any] = field(default_factory=list)
    _partials: list[Any] = field(default_factory=list)
    _bound: Any = None
    _given_up: bool = False

    def see(self, batch: Batch, partial: Any) -> None:
        """List rows of *batch*, whose partial is this one."""
        if self._given_up:
            return
        bound = self._guess(partial)
        found = np.flatnonzero(self.shortlist.rows(batch.frame, bound, self.params))
        if len(found) * MOST > max(MOST, len(batch.places)):
            self._given_up = True
            self.rows.clear()
            return
        self.bounds.append(bound)
        if len(found):
            self.rows.append(batch.originals.bytes_of(batch.places[found]))

    def _guess(self, partial: Any) -> Any:
        """A bound, guessed anew whenever twice as many slices are seen."""
        self._partials.append(partial)
        if (seen := len(self._partials)).bit_count() == 1:
            so_far = partial if seen == 1 else self.kind.combine(self._partials)
            self._bound = self._credible(self.shortlist.bound(so_far, self.params))
        return self._bound

    def _credible(self, bound: Any) -> Any:
        """One that holds for what is known: a single row that is far out makes the guess from few slices too high."""
        if self.known.partial is None or self.shortlist.holds(bound, self.known.partial, self.params):
            return bound
        return self.shortlist.bound(self.known.partial, self.params)

    def end(self, total: Any) -> bytes | None:
        """Remember the chunk's partial. What the second pass is told, or None where it has to read the chunk."""
        before = self.known.partial
        self.known.partial = total if before is None else self.kind.combine([before, total])
        if self._given_up:
            return None
        return pickle.dumps(Listed(tuple(self.bounds), sum(map(len, self.rows))))

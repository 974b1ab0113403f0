"""The rows of a chunk that have another number of cells than the header, and the lines of blanks, which are no rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consumer.tables import rows
from consumer.tables.rows import Places, Rows


@dataclass(frozen=True)
class Misfits:
    """Places among all rows of the chunk, in order: of the misfits, with their number of cells, and of blank lines."""

    places: Places
    widths: Places
    blank: Places

    def beside(self, count: int) -> int:
        """How many rows and lines of blanks there are, together with the *count* rows that fit."""
        return count + len(self.places) + len(self.blank)

    def others(self, count: int) -> Places:
        """The places of the *count* rows that fit: those that are left."""
        fits = np.ones(self.beside(count), np.bool_)
        fits[self.places] = False
        fits[self.blank] = False
        return np.flatnonzero(fits).astype(np.uint32)


def sort_out(found: Rows, delimiter: str, width: int, *, blanks: bool) -> tuple[Places, Misfits]:
    """The places of the rows with *width* cells, and the misfits: for a table that is full of them."""
    widths = rows.widths(found, delimiter, blanks=blanks)
    alone = np.flatnonzero((widths == 1) & (width > 1))
    blank = alone[found.blank(alone)]
    widths[blank] = 0
    odd = np.flatnonzero((widths != width) & (widths > 0))
    return np.flatnonzero(widths == width), Misfits(odd.astype(np.uint32), widths[odd], blank.astype(np.uint32))

"""Rejected rows, set aside slice by slice, and written many at once: what each call of pyarrow costs is shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from consumer.tables import write
from consumer.tables.converted import UNTOLD
from consumer.tables.misfits import Misfits
from consumer.tables.originals import Originals
from consumer.tables.rows import Places
from protocol.intake.layout import Layout

_ENOUGH = 2**20  # bytes that are held until they are written


Cells = Sequence[pa.Array]  # one array for each column of the table


class Explainer(Protocol):
    """Finds out why rows with these cells are rejected."""

    def name_of(self, column: str) -> str:
        """What a needed column is called in the file."""

    def explain(self, cells: Cells) -> pa.Array: ...

    def explain_few(self, columns: Sequence[Sequence[str]]) -> list[str]:
        """The same of a few rows, without pyarrow."""


@dataclass(frozen=True)
class Aside:
    """Rows as they stand in the table, and for each its number of cells, its line and why it was rejected.

    That is the number of its reason in `vocabulary`, or UNTOLD: still to be found, from the row's cells.
    """

    data: bytes
    widths: Places
    lines: Places
    numbers: npt.NDArray[np.uint16]
    vocabulary: tuple[str, ...]
    explainer: Explainer

    @property
    def reasons(self) -> pa.Array:
        """Null where they are still to be found."""
        return pa.array(self.vocabulary, pa.string()).take(pa.array(self.numbers, mask=self.numbers == UNTOLD))

    @property
    def told(self) -> list[str]:
        """The same; empty where they are still to be found."""
        return ["" if number == UNTOLD else self.vocabulary[number] for number in self.numbers.tolist()]


@dataclass
class Rejected:
    """Rows of a table with this layout, in file order, on their way to lines of rejected.csv."""

    layout: Layout
    _written: list[bytes] = field(default_factory=list)
    _waiting: list[Aside] = field(default_factory=list)
    _size: int = 0

    def add(self, aside: Aside) -> None:
        self._waiting.append(aside)
        self._size += len(aside.data)
        if self._size >= _ENOUGH:
            self._write()

    def finish(self) -> Sequence[bytes]:
        """The lines of all that were added."""
        if self._waiting:
            self._write()
        return self._written

    def _write(self) -> None:
        self._written.append(lines(self.layout, self._waiting))
        self._waiting, self._size = [], 0


def lines(layout: Layout, rows: Sequence[Aside]) -> bytes:
    """Lines of rejected.csv: the cells as they stood, the line, the reason. The rows come from one way of reading."""
    numbers, originals = np.concatenate([row.lines for row in rows]), _originals(layout, rows)
    if few := originals.every_text():
        return write.spelled([*few, [str(number) for number in numbers.tolist()], _few_reasons(rows, few)])
    cells = originals.cells(np.arange(len(numbers)), surplus=True)
    return write.lines([*cells, pa.array(numbers).cast(pa.string()), _reasons(rows, cells)])


def reasons(layout: Layout, rows: Sequence[Aside]) -> list[str]:
    """Why each of these rows was rejected."""
    originals = _originals(layout, rows)
    found: list[str] = _reasons(rows, originals.cells(np.arange(originals.count), surplus=True)).to_pylist()
    return found


def _originals(layout: Layout, rows: Sequence[Aside]) -> Originals:
    widths = np.concatenate([row.widths for row in rows])
    odd = np.flatnonzero(widths != len(layout.header)).astype(np.uint32)
    misfits = Misfits(odd, widths[odd], np.zeros(0, np.uint32))
    return Originals(b"".join(row.data for row in rows), layout, 0, misfits, len(widths))


def _few_reasons(rows: Sequence[Aside], columns: Sequence[Sequence[str]]) -> list[str]:
    known = [reason for row in rows for reason in row.told]
    untold = [place for place, reason in enumerate(known) if not reason]
    if untold:
        found = rows[0].explainer.explain_few([[column[place] for place in untold] for column in columns])
        for place, reason in zip(untold, found, strict=True):
            known[place] = reason
    return known


def _reasons(rows: Sequence[Aside], cells: Cells) -> pa.Array:
    known = pa.concat_arrays([row.reasons for row in rows])
    if not known.null_count:
        return known
    untold = known.is_null()
    found = rows[0].explainer.explain([column.filter(untold) for column in cells])
    return pc.replace_with_mask(known, untold, found)

"""Rejected rows, set aside slice by slice, and written many at once: what each call of pyarrow costs is shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from consumer.tables import write
from consumer.tables.misfits import Misfits
from consumer.tables.originals import Originals
from consumer.tables.rows import Places
from protocol.intake.layout import Layout

_ENOUGH = 2**20  # bytes that are held until they are written


@dataclass(frozen=True)
class Aside:
    """Rows as they stand in the table, and for each its number of cells, its line and why it was rejected."""

    data: bytes
    widths: Places
    lines: Places
    reasons: pa.Array


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
    """Lines of rejected.csv: the cells as they stood, the line, the reason."""
    widths, numbers = (np.concatenate(some) for some in zip(*((row.widths, row.lines) for row in rows), strict=True))
    odd = np.flatnonzero(widths != len(layout.header)).astype(np.uint32)
    misfits = Misfits(odd, widths[odd], np.zeros(0, np.uint32))
    originals = Originals(b"".join(row.data for row in rows), layout, 0, misfits, len(numbers), numbers=numbers)
    reasons = pa.concat_arrays([row.reasons for row in rows])
    if few := originals.texts(np.arange(len(numbers))):
        return write.spelled([*few, [str(number) for number in numbers.tolist()], reasons.to_pylist()])
    cells = originals.cells(np.arange(len(numbers)), surplus=True)
    return write.lines([*cells, pa.array(numbers).cast(pa.string()), reasons])

"""Everything that is known of some rows of a table: its columns, how many rows are alike, and a sample of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
import pyarrow as pa

from consumer import native
from consumer.native.texts import add_to_rows
from consumer.profiling import sample
from consumer.profiling.column import Cells, Column
from consumer.profiling.distinct import estimated
from consumer.profiling.octets import Hashes, Ints, mixed
from consumer.profiling.registers import Registers
from consumer.profiling.room import Room
from consumer.profiling.sample import Sample
from consumer.profiling.smallest import Smallest

ROW_HASHES, ROW_BITS = 4096, 14


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a table, to be looked at column by column: those that are `left`, the first one last."""

    names: tuple[str, ...]
    lines: Ints
    rejected: int
    left: list[pa.Array | pa.ChunkedArray]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Rows:
        """Of text columns; the index is the rows' lines."""
        frame, lines = _in_order(frame)
        return cls(tuple(map(str, frame.columns)), lines, frame.attrs.get("rejected", 0), [*_texts(frame)][::-1])

    def take(self) -> pa.Array:
        """The next column, which is not kept here: where nobody else has it, its memory is free for the one after."""
        return _whole(self.left.pop())


@dataclass(frozen=True, eq=False)
class Profile:
    names: tuple[str, ...]
    rows: int
    rejected: int
    columns: tuple[Column, ...]
    smallest: Smallest
    registers: Registers
    sample: Sample

    @classmethod
    def of(cls, table: Rows, decimal: str) -> Profile:
        """What is `left` of the table's columns is taken."""
        room, lines = Room.of(len(table.names)), table.lines
        keys, chosen = sample.drawn(lines, room.rows)
        rows, columns, shown = np.zeros(len(lines), np.uint64), [], []
        for place in range(len(table.names)):
            texts = table.take()
            cells = Cells.of(texts, lines, room)
            hashes = cells.octets.hashes()
            columns.append(Column.of(cells, hashes, room, decimal))
            _add_to_rows(rows, cells, hashes, place)
            shown.append(sample.shortened(texts.take(pa.array(chosen))))
            del texts, cells, hashes  # before the next column is taken
        rows = mixed(rows)
        whole, registers = Smallest.of(rows, np.ones(len(rows), np.int64), ROW_HASHES), Registers.of(rows, ROW_BITS)
        chosen_rows = Sample(room.rows, keys, tuple(shown))
        return cls(table.names, len(lines), table.rejected, tuple(columns), whole, registers, chosen_rows)

    def __add__(self, other: Profile) -> Profile:
        return Profile(
            self.names,
            self.rows + other.rows,
            self.rejected + other.rejected,
            tuple(map(add, self.columns, other.columns)),
            self.smallest + other.smallest,
            self.registers + other.registers,
            self.sample + other.sample,
        )

    @property
    def duplicates(self) -> int:
        """Rows that are in the table before: estimated unless `counts_duplicates`."""
        return self.rows - estimated(self.rows, self.registers, self.smallest)

    @property
    def counts_duplicates(self) -> bool:
        return self.smallest.complete


def combined(parts: Sequence[Profile]) -> Profile:
    return reduce(add, parts)


def _in_order(frame: pd.DataFrame) -> tuple[pd.DataFrame, Ints]:
    """By lines, and these."""
    lines = frame.index.to_numpy(np.int64)
    if (lines[1:] >= lines[:-1]).all():
        return frame, lines
    return frame.sort_index(), np.sort(lines)


def _texts(frame: pd.DataFrame) -> Iterator[pa.Array | pa.ChunkedArray]:
    for _name, column in frame.items():  # noqa: PERF102 - a frame is no dict, and the same name may be there twice
        yield pa.array(column.array, pa.large_string(), from_pandas=True)


def _whole(found: pa.Array | pa.ChunkedArray) -> pa.Array:
    """In one piece, copied only if it must be."""
    if isinstance(found, pa.Array):
        return found
    return found.chunk(0) if found.num_chunks == 1 else found.combine_chunks()


def _add_to_rows(rows: Hashes, cells: Cells, hashes: Hashes, place: int) -> None:
    """Add what each row's cell in the column at *place* adds to the row's hash; a blank one adds nothing."""
    [factor] = mixed(np.array([place], np.uint64)) | np.uint64(1)
    if native.is_there():
        add_to_rows(rows, hashes, int(factor), np.ascontiguousarray(cells.codes, np.int32))
    else:
        rows += cells.in_rows(hashes * factor)

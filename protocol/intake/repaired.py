"""A repaired rejected.csv: which rejected line each of its rows stands for, and everything that is wrong with that.

It also reads rejected.csv as we write it. Both take blocks of bytes and know no files.
"""

from __future__ import annotations

import csv
import io
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from protocol.intake import check_columns
from protocol.intake.decoding import transcode
from protocol.intake.layout import MAX_FIELD, Layout
from protocol.job import Fault
from protocol.kept import REJECTED
from protocol.kinds import NeededColumn

LINE = REJECTED[0]
BLOCK = 2**20  # bytes: those that come are as long, and so are not cut into small pieces one by one
_NUMBER = re.compile(r"\s*([0-9]{1,15})(?:\.0+)?\s*")  # a spreadsheet may make 12.0 of 12
_MOST_FAULTS = 50  # that are listed
Row = tuple[int, list[str]]  # the physical line on which it begins, and its cells as they stand


def check_header(names: Sequence[str], table: Sequence[str], layout: Layout) -> tuple[Fault, ...]:
    """What is wrong with the columns: they are those of the *table* and rejected_line, in any order."""
    needed = [NeededColumn(name=name) for name in (*table, LINE)]
    return (*check_columns(layout, needed, {}), *_strangers(names, {*table, *REJECTED}))


def check_appended(names: Sequence[str], table: Sequence[str], layout: Layout) -> tuple[Fault, ...]:
    """What is wrong with the columns of rows to append: they are those of the *table*, in the same order."""
    missing = check_columns(layout, [NeededColumn(name=name) for name in table], {})
    found = (*missing, *_strangers(names, set(table)))
    if found or tuple(names) == tuple(table):
        return found
    first = next(theirs for theirs, ours in zip(names, table, strict=True) if theirs != ours)
    detail = f"The columns come in another order than in the job's table, from {first!r} on."
    return (Fault(code="column_order", detail=detail, column=first),)


def _strangers(names: Sequence[str], known: set[str]) -> Iterator[Fault]:
    for name in names:
        if name not in known:
            yield Fault(code="unknown_column", detail=f"The job's table has no column {name!r}.", column=name)


def rows(blocks: Iterable[bytes], layout: Layout, declared: str | None) -> Iterator[Row]:
    """The rows behind the header; blank lines are none."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD))
    text = as_text(transcode(blocks, declared))
    reader = csv.reader(text, delimiter=layout.delimiter, skipinitialspace=layout.blanks)
    return islice(_numbered(reader, len(layout.header)), 1, None)


def _numbered(reader: Iterator[list[str]], width: int) -> Iterator[Row]:
    line = 1
    for cells in reader:
        begun, line = line, reader.line_num + 1  # type: ignore[attr-defined]
        if len(cells) > 1 or (cells and (width == 1 or cells[0].strip())):
            yield begun, cells


def as_text(utf8: Iterable[bytes]) -> io.TextIOWrapper:
    """Blocks as text for `csv`: newlines stay as they are."""
    return io.TextIOWrapper(io.BufferedReader(_Raw(iter(utf8)), BLOCK), "utf-8", newline="")


class _Raw(io.RawIOBase):
    """Blocks of bytes as a file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            if (block := next(self._blocks, None)) is None:
                return 0
            self._rest = block
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def check_rows(found: Iterable[Row], layout: Layout, rejected: Iterable[int]) -> tuple[Fault, ...]:
    """What is wrong with the rows of a repaired file; *rejected* are the rejected lines, in order."""
    faults = list(islice(_wrong(found, layout, array("q", rejected)), _MOST_FAULTS + 1))
    if len(faults) > _MOST_FAULTS:
        last = faults[_MOST_FAULTS].line
        faults[_MOST_FAULTS:] = [
            Fault(code="more", detail=f"There are more such rows, from line {last} on.", line=last)
        ]
    return tuple(faults)


def _wrong(found: Iterable[Row], layout: Layout, rejected: array[int]) -> Iterator[Fault]:
    width, place = len(layout.header), layout.header.index(LINE)
    seen = bytearray(len(rejected))
    for line, cells in found:
        if len(cells) != width:
            detail = f"The row in line {line} has {len(cells)} cells, the header {width}."
            yield Fault(code="field_count", detail=detail, line=line)
        elif (fault := _misplaced(cells[place], rejected, seen)) is not None:
            code, detail = fault
            yield Fault(code=code, detail=f"The row in line {line} {detail}", line=line, column=LINE)


def _misplaced(cell: str, rejected: array[int], seen: bytearray) -> tuple[str, str] | None:
    if (number := line_number(cell)) is None:
        return "bad_rejected_line", f"has no line number as its rejected_line: {cell[:40]!r}."
    at = bisect_left(rejected, number)
    if at == len(rejected) or rejected[at] != number:
        return "unknown_rejected_line", f"stands for line {number} of the table, which was not rejected."
    if seen[at]:
        return "repeated_rejected_line", f"stands for line {number} of the table, as one before it does."
    seen[at] = 1
    return None


def line_number(cell: str) -> int | None:
    found = _NUMBER.fullmatch(cell)
    return int(found[1]) if found else None


def written(blocks: Iterable[bytes], *, header: bool = True) -> Iterator[tuple[int, bytes]]:
    """The rows of a rejected.csv as we write it: the line on which each stood, and its bytes."""
    whole = _whole(_lines(blocks))
    for row in islice(whole, 1, None) if header else whole:
        yield int(row.rsplit(b",", 2)[1] if b'"' not in row else cells_of(row)[-2]), row


def cells_of(row: bytes) -> list[str]:
    """The cells of one row as we write it."""
    csv.field_size_limit(max(csv.field_size_limit(), len(row)))
    [cells] = csv.reader([row.decode()])
    return cells


def _whole(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Rows: lines whose quotes are all closed."""
    held: list[bytes] = []
    inside = False
    for line in lines:
        inside ^= line.count(b'"') % 2 == 1
        held.append(line)
        if not inside:
            yield b"".join(held)
            held = []


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line + b"\n"

"""Tables that are written otherwise than CSV as it is read here: each is copied as such, once, in bounded memory.

A format gives its rows with their lines, and a row keeps its line in the copy: lines that are missing are left blank.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from protocol.intake.decoding import nul_byte
from protocol.intake.layout import MAX_FIELD, BadTable
from protocol.intake.watching import cell_too_long

Row = tuple[int, Sequence[str]]  # its line, and its cells
_ROWS, _CHARACTERS = 1_000, 2**20  # at once
_LONG = MAX_FIELD // 8  # characters, of which each may be a quote that is doubled, or take four bytes


def spell(rows: Iterable[Row], delimiter: str = ",", *, rowwise: bool = False) -> Iterator[bytes]:
    """The rows as CSV, some at a time. *Rowwise*, a newline in a cell starts no line."""
    special = re.compile(f'["\r\n{re.escape(delimiter)}]')
    texts, size, line = list[str](), 0, 1
    for begins, cells in rows:
        row = delimiter.join(cells)
        if row.count(delimiter) >= len(cells) or '"' in row or "\n" in row or "\r" in row:
            row = delimiter.join(_quoted(cell) if special.search(cell) else cell for cell in cells)
        row = row if len(cells) > 1 or row.strip() else f'"{row}"'  # a line of blanks would be no row
        if rowwise and (len(row) > _LONG or "\0" in row):
            _check(begins, cells)
        texts.append("\n" * (begins - line) + row + "\n")
        line = begins + 1 + (_line_ends(row) if '"' in row and not rowwise else 0)
        size += len(texts[-1])
        if len(texts) == _ROWS or size > _CHARACTERS:
            yield "".join(texts).encode()
            texts, size = [], 0
    yield "".join(texts).encode()


def _check(line: int, cells: Sequence[str]) -> None:
    """What would be refused in the copy is refused here, where the line is known."""
    if any("\0" in cell for cell in cells):
        raise BadTable(415, (nul_byte(line),))
    if any(len(_quoted(cell).encode()) > MAX_FIELD for cell in cells):
        raise BadTable(422, (cell_too_long(line),))


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _line_ends(row: str) -> int:
    return row.count("\n") + row.count("\r") - row.count("\r\n")

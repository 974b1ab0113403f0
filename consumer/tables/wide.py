"""Rows of very many cells, of which only as many as needed are told apart: for each pyarrow takes memory."""

from __future__ import annotations

import re
from itertools import islice

WIDEST = 4_096  # cells that a row may have beyond the header's; of those with more there are few to a slice

# Quotes count where a cell begins; what follows behind the closing one belongs to the cell as it stands.
_CELL = rb'(?>(?:"([^"]*+(?>(?:""[^"]*+)*))")?)([^%(mark)b\r\n]*+)(%(mark)b?)'


def narrowed(row: bytes, delimiter: str, width: int, *, surplus: bool) -> bytes:
    """The same row with *width* cells. Surplus ones are added to the last, with their delimiters, or else left out."""
    row = row.rstrip(b"\r\n")
    cells = re.finditer(_CELL % {b"mark": re.escape(delimiter.encode())}, row)
    begin = max((cell.end() for cell in islice(cells, width - 1)), default=0)
    if not surplus:
        last = _text(next(cells))
    elif b'"' in row[begin:]:
        last = b"".join(_text(cell) + cell[3] for cell in cells)
    else:
        last = row[begin:]
    return b'%b"%b"\n' % (row[:begin], last.replace(b'"', b'""'))


def _text(cell: re.Match[bytes]) -> bytes:
    quoted, plain, _ = cell.groups(b"")
    return quoted.replace(b'""', b'"') + plain

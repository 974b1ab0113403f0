"""Excel workbooks: the first sheet, as Excel itself would write it as CSV. A row's line is its row in the sheet.

Errors such as #N/A, and formulas whose result nobody stored, are nothing: the library gives no more of them.
"""

from __future__ import annotations

import datetime as dt
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, BinaryIO
from xml.parsers.expat import ExpatError

from python_calamine import CalamineError, CalamineWorkbook

from consumer.tables.formats import Row, reach
from protocol.intake.layout import BadTable
from protocol.intake.unpacking import FREE, RATIO
from protocol.job import Fault, Finding

MOST = 512 * 2**20  # bytes of the workbook's parts, unpacked: a sheet is in memory as a whole
PARTS = 2_000
CELLS = 40_000_000  # from a sheet's first to its last: the library holds each, at 32 bytes, however few have anything
_BOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_FIRST, _RELATION = re.compile(rb'<(?:\w+:)?sheet\s[^<>]*:id="([^"<>]+)"'), re.compile(rb"<Relationship\s[^<>]*>")
_TARGET = re.compile(rb'\sTarget="([^"]+)"')
_WHOLE = 2**53  # up to here a double is a whole number to the last digit
_PIECE = 2**20


def open_sheet(file: BinaryIO) -> tuple[Finding, Iterator[Row]]:
    """Which sheet, and its rows that are not blank; or BadTable."""
    _check(file)
    file.seek(0)
    try:
        workbook = CalamineWorkbook.from_filelike(file)
        sheet = workbook.get_sheet_by_index(0)
    except (CalamineError, IndexError, ValueError) as exc:
        raise _bad("damaged", f"The workbook cannot be read: {str(exc)[:200].rstrip('.')}.") from None
    names = workbook.sheet_names
    why = "the only one" if len(names) == 1 else f"the first of {len(names)}"
    return Finding(what="sheet", value=names[0], why=why), _rows(sheet)


def _rows(sheet: Any) -> Iterator[Row]:
    line = 0
    try:
        for line, row in enumerate(sheet.iter_rows(), 1):
            cells = [_cell(value) for value in row]
            if any(cells):
                yield line, cells
    except OverflowError:  # from the library, on its way to the next row
        raise _bad("no_time", f"A cell in row {line + 1} is shown as a time, and too large a number for one.") from None


def _cell(value: Any) -> str:
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < _WHOLE else repr(value)
        case dt.datetime():
            return value.isoformat(sep=" ")
        case dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return _duration(value)
        case _:
            return str(value)


def _duration(value: dt.timedelta) -> str:
    """In hours, however many: `30:00:00`."""
    hours, rest = divmod(abs(value), dt.timedelta(hours=1))
    return f"{'-' if value < dt.timedelta() else ''}{hours}{str(rest).removeprefix('0')}"


def _check(file: BinaryIO) -> None:
    """Nothing in it is larger than it says, and all together is no bomb."""
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            _check_sizes(parts)
            first = _find_first(archive)
            for part in parts:
                with archive.open(part) as inner:
                    if first in {part.filename, None}:
                        _check_reach(inner)
                    while inner.read(_PIECE):
                        pass
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as exc:
        raise _bad("damaged", f"The workbook cannot be unpacked: {str(exc)[:200].rstrip('.')}.") from None


def _find_first(archive: zipfile.ZipFile) -> str | None:
    """The part that holds the first sheet; None where that is not told as usual."""
    names = {*archive.namelist()}
    if not {_BOOK, _RELATIONS} <= names or not (first := _FIRST.search(archive.read(_BOOK))):
        return None
    own = (tag for tag in _RELATION.findall(archive.read(_RELATIONS)) if b' Id="%s"' % first[1] in tag)
    target = _TARGET.search(next(own, b""))
    part = posixpath.join("xl", target[1].decode(errors="replace")).removeprefix("/") if target else None
    return part if part in names else None


def _check_reach(sheet: IO[bytes]) -> None:
    try:
        far = reach.beyond(sheet, CELLS)
    except ExpatError as exc:
        raise _bad("damaged", f"The workbook cannot be read: {exc}.") from None
    if far:
        over = f"The first sheet of the workbook reaches over {far[0]:,} rows and {far[1]:,} columns"
        raise _bad("too_large", f"{over}; delete what stands far out, or save the sheet as CSV.", 413)


def _check_sizes(parts: list[zipfile.ZipInfo]) -> None:
    whole, packed = sum(part.file_size for part in parts), sum(part.compress_size for part in parts)
    if whole > MOST or len(parts) > PARTS:
        raise _bad("too_large", f"A workbook may have {MOST:,} bytes, unpacked; save the sheet as CSV.", 413)
    if whole > FREE + RATIO * packed:
        raise _bad("swells", f"The workbook grows to more than {RATIO} times its size; save the sheet as CSV.", 413)


def _bad(code: str, detail: str, status: int = 422) -> BadTable:
    return BadTable(status, (Fault(code=code, detail=detail),))

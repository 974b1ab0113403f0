"""How far the cells of a sheet reach that have anything in them: its library makes room for all between, unasked.

What a sheet claims of itself counts for nothing. Most are written in one way, in which a glance at each cell will do.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import IO
from xml.parsers import expat

_PIECE = 2**20
_LONGEST = 2**16  # bytes without a tag
_ROWS = 1_000  # are taken together in a glance: so places are few
_USUAL = re.compile(rb'<c r="([A-Z]{1,3}[0-9]{0,4}?)[0-9]{1,3}"')
_UNUSUAL = (re.compile(rb"<c[\t\r\n/>]"), re.compile(rb":c[\s/>]"))
_LETTERS, _DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"0123456789"
_PLACE = re.compile("([A-Za-z]{1,9})[A-Za-z]*([0-9]{1,9})")  # the last one is XFD1048576; others can be much longer


def beyond(sheet: IO[bytes], most: int) -> tuple[int, int] | None:
    """The rows and columns over which the XML of *sheet* reaches, where those are more than *most* cells."""
    if _is_near(sheet, most):
        return None
    sheet.seek(0)
    reach = _Reach()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reach.begin
    parser.ParseFile(sheet)
    return (reach.rows, reach.columns) if reach.rows * reach.columns > most else None


def _is_near(sheet: IO[bytes], most: int) -> bool:
    """Whether each cell, blank or not, says in the usual way where it is, and none is far out."""
    places, rest = {b"A"}, b""
    while piece := sheet.read(_PIECE):
        piece = rest + piece
        end = piece.rfind(b"<", -_LONGEST)
        if end < 0:
            return False
        piece, rest = piece[:end], piece[end:]
        found = _USUAL.findall(piece)
        if len(found) != piece.count(b"<c ") or any(other.search(piece) for other in _UNUSUAL):
            return False
        places.update(found)
    rows = _ROWS * max(1 + int(place.lstrip(_LETTERS) or 0) for place in places)
    return rest.startswith(b"</") and rows * max(_number(place.rstrip(_DIGITS)) for place in places) <= most


class _Reach:
    """Follows the tags. A row or a cell that does not say where it is stands behind the one before."""

    def __init__(self) -> None:
        self.rows = self.columns = 0
        self._row = self._column = 0
        self._cell = (0, 0)

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        place = attributes.get("r", "")
        match tag.rpartition(":")[2]:
            case "row":
                self._row, self._column = int(place[:9]) if place.isdecimal() else self._row + 1, 0
            case "c":
                said = _PLACE.match(place)
                row, self._column = (
                    (int(said[2]), _number(said[1].upper().encode())) if said else (self._row, self._column + 1)
                )
                self._cell = row, self._column
            case "v" | "is" | "f":
                self.rows, self.columns = max(self.rows, self._cell[0]), max(self.columns, self._cell[1])
            case _:
                self._cell = (0, 0)


@lru_cache(maxsize=1000)
def _number(column: bytes) -> int:
    """`AB` is column 28."""
    return sum((letter - 64) * 26**place for place, letter in enumerate(reversed(column)))

"""The cells of rows, found and converted by `tokens.c`: what is handed over, and what comes back."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumer import native
from consumer.native import texts
from consumer.native.arrays import address

MOST_BYTES = 2**31 - 2**20
MOST_MISFITS = 10_000
MOST_WORDS = 4_096  # a power of two
_P, _I32, _I64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64

Ints = NDArray[np.int32]
Flags = NDArray[np.bool_]
Room = dict[str, NDArray[Any]]


class Type(IntEnum):
    number = 0
    coded = 1
    text = 2


class Judgement(IntEnum):
    """Of a number: whether it is good, or surely none, or has to be looked at again."""

    good = 0
    missing = 1
    not_a_number = 2
    hard = 3


class Outcome(IntEnum):
    read = 0
    unusual = 1  # quotes, line ends, misfits or wishes that are left to others
    many_words = 2


@dataclass(frozen=True)
class Wanted:
    """A column: its place in the row. Where a number is *required*, a blank cell is a bad one."""

    place: int
    type: Type
    required: bool = False


@dataclass(frozen=True)
class Words:
    """Coded texts, unstripped: each is there once."""

    codes: Ints
    words: list[str]


@dataclass(frozen=True)
class Text:
    """Row *i* has the bytes from `bounds[i]` to `bounds[i + 1]` of `data`."""

    bounds: NDArray[np.int64]
    data: NDArray[np.uint8]


@dataclass(frozen=True)
class Cells:
    """Of the rows that have as many cells as they should, the columns and judgements; of all rows, where they begin.

    `judged` is the judgement of a row's first number that is not good, and len(Judgement) times its column's place.
    `lines` tells on which lines. Misfits are told by their place among all rows; a width of 0 is a line of blanks.
    """

    columns: tuple[NDArray[np.float64] | Words | Text, ...]  # doubles, NaN where a cell is no number
    judged: NDArray[np.uint16]
    begins: Ints
    lines: Ints
    misfits: Ints
    widths: Ints

    @property
    def texts(self) -> list[Text]:
        """The columns that are text."""
        return [column for column in self.columns if isinstance(column, Text)]


@dataclass(frozen=True)
class Shape:
    """What rows look like: *width* cells, the *delimiter* between them, the *mark* before decimals.

    *Rowwise*, a newline in a cell ends no line.
    """

    width: int
    delimiter: str
    mark: str
    rowwise: bool


def suits(data: bytes, width: int) -> bool:
    """Whether such rows can be read here."""
    return width > 1 and 0 < len(data) < MOST_BYTES and native.is_there()


def read(data: bytes, first_line: int, shape: Shape, wanted: Sequence[Wanted]) -> Cells | Outcome:
    """The rows of *data*, which begins where one begins."""
    if len({each.place for each in wanted}) < len(wanted):
        return Outcome.unusual  # a cell is handed to one column
    made = _Making(data, first_line, shape, wanted)
    outcome = Outcome(native.code().tokens_read(ctypes.byref(made.table)))
    return made.cells() if outcome is Outcome.read else outcome


def count(data: bytes, different: bytes) -> list[int]:
    """How often each of these bytes occurs."""
    found = np.empty(len(different), np.int64)
    native.code().tokens_count(data, len(data), different, len(different), found.ctypes.data)
    return found.tolist()


def numbers(data: NDArray[np.uint8], bounds: NDArray[np.int64], mark: str) -> tuple[NDArray[np.float64], Flags]:
    """What the texts are as numbers, NaN where they are none; and of which that is not sure."""
    count = len(bounds) - 1
    found, judged = np.empty(count), np.empty(count, np.uint8)
    where = address(data, np.uint8), address(bounds, np.int64), count, ord(mark), found.ctypes.data, judged.ctypes.data
    native.code().tokens_numbers(*where)
    return found, judged == Judgement.hard


class _Column(ctypes.Structure):
    _fields_ = (
        *((name, _I32) for name in ("type", "required")),
        *((name, _P) for name in ("numbers", "codes", "known", "slots")),
        *((name, _I32) for name in ("words", "most_words")),
        ("cells", _P),
        ("octets", _I64),
    )


class _Table(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_char_p),
        ("size", _I64),
        ("first_line", _I64),
        *((name, ctypes.c_uint8) for name in ("delimiter", "mark", "quotes", "returns", "every_line")),
        ("width", _I32),
        ("columns", _I32),
        ("places", _P),
        ("column", ctypes.POINTER(_Column)),
        ("begins", _P),
        ("lines", _P),
        ("judged", _P),
        ("misfit_rows", _P),
        ("misfit_widths", _P),
        ("most_rows", _I64),
        ("most_misfits", _I64),
        ("rows", _I64),
        ("good", _I64),
        ("misfits", _I64),
    )


_WORD = np.dtype([("first", np.uint64), ("begin", np.int32), ("length", np.int32)])


class _Making:
    """Room for what is found, as much as there can be, and `table`, which says where that is."""

    def __init__(self, data: bytes, first_line: int, shape: Shape, wanted: Sequence[Wanted]) -> None:
        most, quotes, returns = count(data, b'\n"\r')
        fitting = min(most, len(data) // shape.width)  # a row has a byte for each cell; RLIMIT_DATA counts all room
        self._data, self._wanted = data, wanted
        self._rooms = [_room(each.type, fitting) for each in wanted]
        self._columns = (_Column * len(wanted))(*map(_column, wanted, self._rooms))
        places = np.full(shape.width, len(wanted), np.int32)
        places[[each.place for each in wanted]] = np.arange(len(wanted))
        self._rows: Room = {"begins": np.empty(most, np.int32), "lines": np.empty(most, np.int32)}
        self._rows |= {"judged": np.empty(fitting, np.uint16), "places": places}
        self._rows |= {name: np.empty(MOST_MISFITS, np.int32) for name in ("misfit_rows", "misfit_widths")}
        self.table = _Table(
            data=data,
            size=len(data),
            first_line=first_line,
            delimiter=ord(shape.delimiter),
            mark=ord(shape.mark),
            quotes=quotes > 0,
            returns=returns > 0,
            every_line=not shape.rowwise,
            width=shape.width,
            columns=len(wanted),
            column=self._columns,
            most_rows=most,
            most_misfits=MOST_MISFITS,
            **_addresses(self._rows),
        )

    def cells(self) -> Cells:
        rows, good, misfits = self.table.rows, self.table.good, self.table.misfits
        laid = self._texts(good)
        columns = tuple(laid.get(nth) or self._found(nth, each.type, good) for nth, each in enumerate(self._wanted))
        return Cells(
            columns,
            self._rows["judged"][:good],
            self._rows["begins"][:rows],
            self._rows["lines"][:rows],
            self._rows["misfit_rows"][:misfits],
            self._rows["misfit_widths"][:misfits],
        )

    def _found(self, nth: int, kind: Type, good: int) -> NDArray[np.float64] | Words:
        room = self._rooms[nth]
        return room["numbers"][:good] if kind is Type.number else Words(room["codes"][:good], self._words(nth))

    def _words(self, nth: int) -> list[str]:
        known = self._rooms[nth]["known"][: self._columns[nth].words]
        where = zip(known["begin"].tolist(), known["length"].tolist(), strict=True)
        return [self._data[begin : begin + length].decode().replace('""', '"') for begin, length in where]

    def _texts(self, good: int) -> dict[int, Text]:
        places = [nth for nth, each in enumerate(self._wanted) if each.type is Type.text]
        where = [(self._rooms[nth]["cells"][: good + 1], self._columns[nth].octets) for nth in places]
        found = texts.gather(self._data, where, quotes=bool(self.table.quotes))
        return {nth: Text(*each) for nth, each in zip(places, found, strict=True)}


def _room(kind: Type, most: int) -> Room:
    match kind:
        case Type.number:
            return {"numbers": np.empty(most)}
        case Type.text:
            return {"cells": np.empty(most + 1, np.int64)}
        case Type.coded:
            slots = np.zeros(2 * MOST_WORDS, np.int32)
            return {"codes": np.empty(most, np.int32), "known": np.empty(MOST_WORDS, _WORD), "slots": slots}


def _column(wanted: Wanted, room: Room) -> _Column:
    return _Column(type=wanted.type, required=wanted.required, most_words=MOST_WORDS, **_addresses(room))


def _addresses(arrays: Room) -> dict[str, int]:
    return {name: array.ctypes.data for name, array in arrays.items()}

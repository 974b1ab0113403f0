"""Many texts at once, by `texts.c`: what is handed over, and what comes back.

Text *i* has the bytes from `bounds[i]` to `bounds[i + 1]` of `data`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from consumer import native
from consumer.native.arrays import address

Bytes = NDArray[np.uint8]
Bounds = NDArray[np.int64]
Codes = NDArray[np.int32]
Hashes = NDArray[np.uint64]

_P, _I64 = ctypes.c_void_p, ctypes.c_int64
_SLOT = np.dtype([("key", np.uint64), ("known", np.int32)], align=True)


class Outcome(IntEnum):
    """Why equal texts were not looked for to the end."""

    crowded = -1  # they were chosen to take long
    differ = -2


@dataclass(frozen=True)
class Encoded:
    """For each text the number of its like, in the order in which they appear; of each the first, and how many."""

    codes: Codes
    firsts: Codes
    counts: NDArray[np.int64]


class _Column(ctypes.Structure):
    _fields_ = (("bounds", _P), ("data", _P), ("size", _I64))


class _Room(ctypes.Structure):
    _fields_ = (
        ("slots", _P),
        ("most_slots", _I64),
        ("head", _I64),
        ("many", _I64),
        ("codes", _P),
        ("firsts", _P),
        ("counts", _P),
    )


def encode(data: Bytes, bounds: Bounds, head: int, many: int) -> Encoded | Outcome:
    """Differ: more than *many* of the first *head* texts are different ones."""
    count = len(bounds) - 1
    slots, counts = np.empty(1 << (2 * count).bit_length(), _SLOT), np.empty(count, np.int64)
    codes, firsts = np.empty(count, np.int32), np.empty(count, np.int32)
    where = {name: array.ctypes.data for name, array in (("codes", codes), ("firsts", firsts), ("counts", counts))}
    room = _Room(slots=slots.ctypes.data, most_slots=len(slots), head=head, many=many, **where)
    known = native.code().texts_encode(*_texts(data, bounds), ctypes.byref(room))
    return Outcome(known) if known < 0 else Encoded(codes, firsts[:known].copy(), counts[:known].copy())


def mix(values: Hashes) -> None:
    """Spread over all 64 bits, each value to another one."""
    native.code().texts_mix(address(values, np.uint64), len(values))


def hashes(data: Bytes, bounds: Bounds, multiplier: int) -> Hashes:
    """The polynomial of each text's bytes modulo 2**64, whose lowest coefficient is the first byte; and then mixed."""
    found = np.empty(len(bounds) - 1, np.uint64)
    native.code().texts_hashes(*_texts(data, bounds), multiplier, found.ctypes.data)
    return found


def below(found: Hashes, bound: int) -> Codes:
    """The places of the hashes that are less."""
    places = np.empty(len(found), np.int32)
    count = native.code().texts_below(address(found, np.uint64), len(found), bound, places.ctypes.data)
    return places[:count].copy()


def add_to_rows(sums: Hashes, found: Hashes, factor: int, codes: Codes) -> None:
    """Add to each row's sum the hash of its text, times *factor*; a row whose code is one too many has no text."""
    where = address(codes, np.int32), len(codes), address(sums, np.uint64)
    native.code().texts_add_to_rows(address(found, np.uint64), len(found), factor, *where)


def least(found: Hashes, bits: int, used: int, registers: Hashes) -> None:
    """Lower the registers, of which the lowest *bits* of a hash tell one, to the least of the *used* bits above."""
    native.code().texts_least(address(found, np.uint64), len(found), bits, used, address(registers, np.uint64))


def sorts(data: Bytes, bounds: Bounds, table: Bytes) -> tuple[Bytes, NDArray[np.bool_]]:
    """For each text the bits of all its bytes together, and which there are; *table* has those of each of the 256."""
    found, there = np.empty(len(bounds) - 1, np.uint8), np.zeros(256, np.bool_)
    where = address(table, np.uint8), found.ctypes.data, there.ctypes.data
    native.code().texts_sorts(*_texts(data, bounds), *where)
    return found, there


def gather(data: bytes, columns: Sequence[tuple[Bounds, int]], *, quotes: bool) -> list[tuple[Bounds, Bytes]]:
    """The bounds and the data of the texts of columns, each of which have so many bytes together.

    Where they lie in *data* is told by what becomes the bounds: where each ends, above the 32 bits that tell where it
    begins. With *quotes*, two of them are one in a text that stands behind one.
    """
    slack = ctypes.c_int64.in_dll(native.code(), "texts_slack").value
    rooms = [np.empty(size + slack, np.uint8) for _, size in columns]
    both = zip(columns, rooms, strict=True)
    made = (_Column * len(columns))(*(_Column(bounds.ctypes.data, room.ctypes.data) for (bounds, _), room in both))
    count = len(columns[0][0]) - 1 if columns else 0
    native.code().texts_gather(data, len(data), made, len(made), count, quotes)
    return [(bounds, room[: one.size]) for (bounds, _), room, one in zip(columns, rooms, made, strict=True)]


def _texts(data: Bytes, bounds: Bounds) -> tuple[int, int, int]:
    return address(data, np.uint8), address(bounds, np.int64), len(bounds) - 1

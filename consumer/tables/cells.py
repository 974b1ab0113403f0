"""Rows to cells: pyarrow's tokeniser over the bytes of rows, a batch at a time, every cell as the text it was."""

from __future__ import annotations

from array import array
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from consumer.native import tokens
from consumer.native.tokens import Outcome, Shape, Text, Type, Wanted
from consumer.tables.misfits import Misfits

LARGE_BLOCK, _LARGER = 8 * 1024 * 1024, 8
SMALL_BLOCK = 512 * 1024  # for columns that are all text: each takes as much memory as a block has bytes
_FEW_COLUMNS = 64  # of more, many small pieces would take more memory than they spare
_RESERVED = _FEW_COLUMNS * LARGE_BLOCK  # bytes, most of them in vain, that all columns may take so
AT_HAND_BYTES = 8 * 1024  # of rows, which Python splits before pyarrow has begun
_TEXT, _LARGE = pa.string(), (pa.large_string(), pa.large_binary())
T = TypeVar("T")


class TooManyMisfits(Exception):
    """So many that asking about one after another takes too long, and too much memory."""


class _Collector:
    """Told by pyarrow of every row with another number of cells; it counts rows from 1, and empty lines not at all."""

    def __init__(self) -> None:
        self.places, self.widths, self.blank = array("I"), array("I"), array("I")
        self.too_many = False

    def add(self, row: Any) -> str:
        if len(self.places) + len(self.blank) >= tokens.MOST_MISFITS:
            self.too_many = True
            return "error"
        if row.actual_columns == 1 and not row.text.strip():
            self.blank.append(row.number - 1)
        else:
            self.places.append(row.number - 1)
            self.widths.append(row.actual_columns)
        return "skip"

    def misfits(self) -> Misfits:
        return Misfits(*(np.array(numbers, np.uint32) for numbers in (self.places, self.widths, self.blank)))


@dataclass(frozen=True)
class Tokeniser(Generic[T]):
    """Delivers what *convert* makes of the *wanted* columns, batch by batch.

    They are *text*, or what *types* says; then a text in *nulls* stands for no value, and pa.ArrowInvalid is raised
    where another one does not convert. *Plain* columns stay text.
    """

    delimiter: str
    wanted: Sequence[int]
    convert: Callable[[list[pa.Array]], T]
    types: Sequence[pa.DataType] | None = None
    nulls: Sequence[str] = ()
    decimal: str = "."
    text: pa.DataType = _TEXT
    plain: bool = False

    def run(self, data: bytes, width: int) -> tuple[list[T], Misfits]:
        """The rows of *data* that have *width* cells, and the misfits; TooManyMisfits where they are a crowd."""
        if self.types is None and (columns := split(data, self.delimiter, width)):
            cells = [pa.array(columns[place], self.text) for place in self.wanted]
            return [self.convert(cells)], _Collector().misfits()
        if self.types is None and (found := self._compiled(data, width)):
            return [self.convert(found)], _Collector().misfits()
        if data.startswith(BOM_UTF8):  # of a cell, for the file's own mark is no part of its rows
            data = BOM_UTF8 + data  # pyarrow leaves out the first one
        block = self._block
        while block < len(data):
            try:
                return self._run(data, width, _unbroken(data, block))
            except pa.ArrowInvalid as exc:
                if "straddling" not in str(exc):
                    raise
            block *= _LARGER  # a row is longer than a block
        return self._run(data, width, min(max(block, 1), 2**31 - 1))

    def _compiled(self, data: bytes, width: int) -> list[pa.Array] | None:
        """The wanted columns as compiled code finds them; None where it does not, or not all rows fit."""
        if self.plain or self._many or not tokens.suits(data, width):
            return None
        shape = Shape(width, self.delimiter, self.decimal, rowwise=False)
        cells = tokens.read(data, 0, shape, [Wanted(place, Type.text) for place in self.wanted])
        if isinstance(cells, Outcome) or len(cells.misfits):
            return None
        return [as_array(column, self.text) for column in cells.texts]

    @property
    def _many(self) -> bool:
        return len(self.wanted) > _FEW_COLUMNS

    @property
    def _block(self) -> int:
        """How many bytes are split at a time."""
        if self._many:
            return _RESERVED // len(self.wanted)
        return SMALL_BLOCK if self.plain else LARGE_BLOCK

    def _run(self, data: bytes, width: int, block: int) -> tuple[list[T], Misfits]:
        told = _Collector()
        if not data:  # which pyarrow refuses
            return [], told.misfits()
        try:
            reader = self._open(data, [str(place) for place in range(width)], block, told)
            batches = (_exact(batch.columns) if self._many else batch.columns for batch in reader)
            return [self.convert(batch) for batch in batches], told.misfits()
        except pa.ArrowInvalid:
            if told.too_many:
                raise TooManyMisfits from None
            raise

    def _open(self, data: bytes, names: list[str], block: int, told: _Collector) -> Any:
        wanted = [names[place] for place in self.wanted]
        types = dict.fromkeys(names, self.text) if self.types is None else dict(zip(wanted, self.types, strict=True))
        return pyarrow.csv.open_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=block, column_names=names),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self.delimiter,
                quote_char='"' if b'"' in data else False,
                newlines_in_values=True,
                invalid_row_handler=told.add,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                check_utf8=False,  # the survey did
                column_types=types,
                null_values=list(self.nulls),
                decimal_point=self.decimal,
                strings_can_be_null=False,
                include_columns=wanted,
            ),
        )


def split(data: bytes, delimiter: str, width: int) -> list[tuple[str, ...]] | None:
    """The columns of a few rows that all have *width* cells, and no quotes; None where they are others."""
    if len(data) > AT_HAND_BYTES or b'"' in data or b"\r" in data:
        return None
    rows = [line.split(delimiter) for line in data.decode().split("\n") if line]
    return list(zip(*rows, strict=True)) if rows and {*map(len, rows)} == {width} else None


def _unbroken(data: bytes, size: int) -> int:
    """A size of blocks of which none ends within a `\\r\\n`: of a quoted cell too pyarrow would lose the `\\n`."""
    while any(data[at - 1 : at + 1] == b"\r\n" for at in range(size, len(data), size)):
        size += 1
    return size


def _exact(columns: list[pa.Array]) -> list[pa.Array]:
    """The same in no more memory than they take."""
    return [pa.concat_arrays([column, column[:0]]) for column in columns]


def as_array(text: Text, kind: pa.DataType) -> pa.Array:
    bounds = text.bounds if kind in _LARGE else text.bounds.astype(np.int32)
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(text.data)]
    return pa.Array.from_buffers(kind, len(bounds) - 1, buffers, null_count=0)


def joined(column: pa.Array) -> bytes:
    """The text of all cells, one after another."""
    return content(column).tobytes()


def content(column: pa.Array) -> npt.NDArray[np.uint8]:
    """The bytes of all cells, one after another, where they lie."""
    ends = _ends(column)
    data = column.buffers()[2]
    return np.frombuffer(b"" if data is None else data, np.uint8)[ends[0] : ends[-1]]


def bounds(column: pa.Array) -> npt.NDArray[Any]:
    """Where each cell begins in the joined text, and where the last one ends."""
    ends = _ends(column)
    return ends - ends[0] if ends[0] else ends


def _ends(column: pa.Array) -> npt.NDArray[Any]:
    place = np.int64 if column.type in _LARGE else np.int32
    found = column.buffers()[1]
    if found is None:
        return np.zeros(len(column) + 1, place)
    return np.frombuffer(found, place)[column.offset : column.offset + len(column) + 1]

"""Parquet, batch by batch. A row's line is its number, from 1; values are spelled so that nothing of them is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from consumer.tables import write
from protocol.intake.layout import BadTable
from protocol.job import Fault

_ROWS, _CELLS = 20_000, 200_000  # at once
_BUFFER = 2**16  # bytes of a column: else all of it that is in a row group is in memory


@dataclass(frozen=True)
class Table:
    file: pq.ParquetFile

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.file.schema_arrow.names)

    @property
    def rows(self) -> int:
        return int(self.file.metadata.num_rows)

    def spell(self) -> Iterator[bytes]:
        """The rows as CSV, some at a time."""
        size = min(_ROWS, max(1, _CELLS // max(1, len(self.columns))))
        try:
            for batch in self.file.iter_batches(batch_size=size, use_threads=False):
                yield write.lines([_texts(column, name) for column, name in zip(batch, self.columns, strict=True)])
        except (pa.ArrowException, OSError) as exc:
            raise _bad(exc) from None


def open_table(file: BinaryIO) -> Table:
    """The table in *file*, or BadTable."""
    try:
        whole = pa.PythonFile(file, mode="r")
        table = Table(pq.ParquetFile(whole, memory_map=False, pre_buffer=False, buffer_size=_BUFFER))
    except (pa.ArrowException, OSError) as exc:
        raise _bad(exc) from None
    for name in table.columns:
        if "\0" in name:
            detail = f"The name of the column {name!r} holds a NUL byte, which no text does."
            raise BadTable(415, (Fault(code="nul_byte", detail=detail),))
    return table


def _texts(column: pa.Array, name: str) -> pa.Array:
    try:
        column.validate(full=True)  # text may be no UTF-8
        return pc.fill_null(_spelled(column), "")
    except (pa.ArrowException, ValueError, OverflowError):  # the last two where Python has no such value
        detail = f"The column {name!r} has values of the type {column.type} that cannot be written as text."
        raise BadTable(422, (Fault(code="not_text", detail=detail, column=name),)) from None


def _spelled(column: pa.Array) -> pa.Array:
    """Each value as text; a missing one, and no number, as nothing."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_nested(column.type):
        return pa.array([None if one is None else _nested(one) for one in column.to_pylist()], pa.string())
    return (_numbers(column) if pa.types.is_floating(column.type) else column).cast(pa.string())


def _nested(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _numbers(column: pa.Array) -> pa.Array:
    """As few digits as tell the same number again; whole ones without a point."""
    values = column.to_numpy(zero_copy_only=False)
    texts = column.cast(pa.string())
    short = pc.replace_substring_regex(texts, r"\.0$", "")
    return pc.if_else(pa.array(np.isnan(values.astype(np.float64))), None, short)


def _bad(exc: Exception) -> BadTable:
    detail = f"The Parquet file cannot be read: {str(exc).splitlines()[0][:200].rstrip('.')}."
    return BadTable(422, (Fault(code="damaged", detail=detail),))

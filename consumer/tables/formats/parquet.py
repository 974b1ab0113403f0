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

_ROWS, _CELLS, _BYTES = 20_000, 200_000, 2**24  # at once
_PIECE = 2**23  # bytes of them that are spelled at once, which takes several times as much
_TEXTS = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())
_NUMBER = 4  # bytes of one at most, and of a text at least
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
        try:
            for batch in self.file.iter_batches(batch_size=self._at_once(), use_threads=False):
                for part in _parts(batch):
                    yield write.lines([_texts(column, name) for column, name in zip(part, self.columns, strict=True)])
        except MemoryError:  # pyarrow's own is one of its errors, too
            raise
        except (pa.ArrowException, OSError) as exc:
            raise _bad(exc) from None

    def _at_once(self) -> int:
        """How many rows: of long ones few, as far as the file tells how long they are."""
        groups = [self.file.metadata.row_group(number) for number in range(self.file.num_row_groups)]
        sizes = [(group.total_byte_size, group.num_rows) for group in groups]
        large = [(size, rows) for size, rows in sizes if size > _BYTES]
        longest = max(size / max(1, rows) for size, rows in (*large, (sum(size for size, _ in sizes), self.rows)))
        return max(1, min(_ROWS, _CELLS // max(1, len(self.columns)), int(_BYTES / max(1, longest))))


def open_table(file: BinaryIO) -> Table:
    """The table in *file*, or BadTable."""
    try:
        whole = pa.PythonFile(file, mode="r")
        told = pq.ParquetFile(whole)
        how = {"metadata": told.metadata, "read_dictionary": _repeating(told)}
        table = Table(pq.ParquetFile(whole, memory_map=False, pre_buffer=False, buffer_size=_BUFFER, **how))
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as exc:
        raise _bad(exc) from None
    for name in table.columns:
        if "\0" in name:
            detail = f"The name of the column {name!r} holds a NUL byte, which no text does."
            raise BadTable(415, (Fault(code="nul_byte", detail=detail),))
    return table


def _repeating(file: pq.ParquetFile) -> list[str]:
    """The columns of texts that are stored once each, however often they come: spread out they may take all memory."""
    texts = {field.name for field in file.schema_arrow if field.type in _TEXTS}
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    chunks = (group.column(place) for group in groups for place in range(group.num_columns))
    return sorted({chunk.path_in_schema for chunk in chunks if _is_repeating(chunk)} & texts)


def _is_repeating(chunk: pq.ColumnChunkMetaData) -> bool:
    """Whether its values are numbers of texts, as a rule: texts themselves take longer to be read so, and are told."""
    if not chunk.has_dictionary_page:
        return False
    apart = chunk.data_page_offset - chunk.dictionary_page_offset
    return bool(chunk.total_compressed_size - apart <= _NUMBER * chunk.num_values)


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The same rows, a few MB at a time; a row is not cut."""
    if batch.num_rows > 1 and sum(map(_size, batch)) > _PIECE:
        half = batch.num_rows // 2
        yield from _parts(batch.slice(0, half))
        yield from _parts(batch.slice(half))
    else:
        yield batch


def _size(column: pa.Array) -> int:
    """The bytes of its values, each by itself."""
    if not pa.types.is_dictionary(column.type) or column.type.value_type not in _TEXTS:
        return int(column.nbytes)
    return pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0


def _texts(column: pa.Array, name: str) -> pa.Array:
    try:
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        column.validate(full=True)  # text may be no UTF-8
        return pc.fill_null(_spelled(column), "")
    except MemoryError:
        raise
    except (pa.ArrowException, ValueError, OverflowError, RecursionError):  # where Python has no such value
        detail = f"The column {name!r} has values of the type {column.type} that cannot be written as text."
        raise BadTable(422, (Fault(code="not_text", detail=detail, column=name),)) from None


def _spelled(column: pa.Array) -> pa.Array:
    """Each value as text; a missing one, and no number, as nothing."""
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

"""Rows on their way into the records: Arrow files, written where rows are made and read where they are loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from protocol.records import RecordColumn, RecordTable

AT_ONCE = 20_000  # rows: what a database takes in one go, and what is held as Python values
TYPES = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64()}


def write(frame: pd.DataFrame, table: RecordTable) -> bytes:
    """The columns of *table* in *frame*; what is missing becomes null. Raises ValueError where a value does not fit."""
    schema = pa.schema([(column.name, TYPES[column.type]) for column in table.columns])
    rows = pa.Table.from_pandas(frame[[*table.names]], schema=schema, preserve_index=False)
    for column in table.columns:
        _check_length(rows[column.name], column)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as out:
        out.write_table(rows, max_chunksize=AT_ONCE)
    return bytes(sink.getvalue())


def read(data: bytes) -> Iterator[list[list[Any]]]:
    """The rows of all that was written, some at a time, as a list of values for each column."""
    source = pa.BufferReader(data)
    while source.tell() < len(data):
        for batch in pa.ipc.open_stream(source):
            yield [column.to_pylist() for column in batch.columns]


def _check_length(values: pa.ChunkedArray, column: RecordColumn) -> None:
    """Not every database would say so."""
    if column.length and (pc.max(pc.utf8_length(values)).as_py() or 0) > column.length:
        raise ValueError(f"{column.name} is longer than {column.length} characters; check() has to reject such rows")

"""Texts that are not there: they may take bytes or none, of the whole column or of a part of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from consumer.profiling.column import Cells
from consumer.profiling.room import Room
from consumer.tables import values

pytestmark = pytest.mark.usefixtures("both_ways")

LISTED = ["a", "bb", "", "c", "bb", ""]
MISSING = np.array(LISTED) == ""


def texts(listed: list[str]) -> pa.Array:
    return pa.array(listed, pa.large_string())


def with_bytes(listed: list[str]) -> pa.Array:
    there = pa.py_buffer(np.packbits(~MISSING, bitorder="little"))
    return pa.Array.from_buffers(pa.large_string(), len(listed), [there, *texts(listed).buffers()[1:]])


@pytest.mark.parametrize(
    "column",
    [
        values.texts(texts(LISTED), required=False)[0],
        values.texts(texts(["z", "", *LISTED, "z"])[2:8], required=False)[0],
        with_bytes(["a", "bb", "xx", "c", "bb", "y"]),
    ],
)
def test_a_missing_text_leaves_nothing_behind(column: pa.Array) -> None:
    assert column.to_pylist() == [text or None for text in LISTED]
    cells = Cells.of(column, np.arange(len(LISTED)), Room.of(1))
    assert cells.texts.to_pylist() == ["a", "bb", "c"]
    assert cells.codes.tolist() == [0, 1, 3, 2, 1, 3]
    assert cells.counts.tolist() == [1, 2, 1]

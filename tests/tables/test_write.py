"""CSV as it is written: 15 significant digits, quotes only where needed, missing values as empty cells."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.tables import decimals, write
from protocol.intake.layout import Layout

LAYOUT = Layout(encoding="utf-8", delimiter=";", header=("a,b", "c"), rows_begin=0, first_line=2, size=0, lines=1)


def test_a_report_table_is_written_as_the_vector_says() -> None:
    frame = pd.DataFrame({"region": ["East"], "sum": [1090.0], "mean": [545], "quantity": [20.0], "discount": [0.15]})
    assert write.table_csv(frame) == b"region,sum,mean,quantity,discount\nEast,1090,545,20,0.15\n"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (100.0, "100"),
        (0.15, "0.15"),
        (0.1 + 0.2, "0.3"),
        (22.857142857142858, "22.8571428571429"),
        (-0.0, "0"),
        (1e300, "1e+300"),
        (float("nan"), ""),
        (123456789012345.0, "123456789012345"),
    ],
)
def test_numbers_have_15_significant_digits(number: float, text: str) -> None:
    assert decimals.text(number) == text
    assert decimals.texts(np.array([number, 1.5, number])).to_pylist() == [text, "1.5", text]


def test_missing_values_are_empty_cells() -> None:
    frame = pd.DataFrame({"a": ["x", None], "b": [np.nan, 1.5], "c": pd.array([None, 7], dtype="Int64")})
    assert write.table_csv(frame) == b"a,b,c\nx,,\n,1.5,7\n"


def test_headers_are_quoted_where_they_must_be() -> None:
    assert write.rejects_header(LAYOUT) == b'"a,b",c,rejected_line,rejected_reason\n'
    assert write.carried_header(LAYOUT, ["x"]) == b'"a,b",c,x\n'


def test_a_table_without_rows_is_its_header() -> None:
    assert write.table_csv(pd.DataFrame({"a": pd.Series(dtype="str"), "b": pd.Series(dtype="float64")})) == b"a,b\n"


@given(
    st.integers(1, 3).flatmap(lambda n: st.lists(st.lists(st.text("a \",;\r\n'é"), min_size=n, max_size=n), min_size=1))
)
@settings(max_examples=100, deadline=None)
def test_every_text_comes_back_as_it_was(rows: list[list[str]]) -> None:
    frame = pd.DataFrame(rows, columns=[f"c{i}" for i in range(len(rows[0]))], dtype="str")
    _, *found = csv.reader(io.StringIO(write.table_csv(frame).decode(), newline=""))
    assert found == rows


@given(
    st.integers(1, 3).flatmap(
        lambda n: st.lists(st.lists(st.text('a ",;\r\n\x1fé\u2009'), min_size=n, max_size=n), min_size=1)
    )
)
@settings(max_examples=100, deadline=None)
def test_a_few_texts_are_written_as_many_are(columns: list[list[str]]) -> None:
    assert write.spelled(columns) == write.lines([pa.array(column, pa.string()) for column in columns])

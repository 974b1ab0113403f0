"""From what a kind found to what the job shows: JSON values, shortened tables, and nothing that is no number."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import kinds
from consumer.executors import Raised
from consumer.executors.blame import place
from consumer.executors.child import explain
from consumer.kinds import Kind
from consumer.origins import NoKind
from consumer.pool import reporting
from consumer.pool.reporting import CELLS, LONGEST, SHOWN
from protocol.envelopes import decode, encode
from protocol.job import Report, Table
from protocol.messages import JobChanged


def say(numbers: Mapping[str, Any]) -> str:
    return f"{numbers['rows']} rows, {numbers.get('odd', 'no')} odd"


def draw(report: kinds.Report, _params: Any) -> dict[str, Any]:
    return {"name": "bars", "data": {"values": [{"x": value} for value in report.numbers.values()]}}


PLAIN = Kind(title="Plain", columns=lambda _: [], headline=say, frame=lambda *_: FOUND)
FULL = replace(PLAIN, select=lambda frame, *_: frame, selected="odd", chart=draw)
FOUND = kinds.Report(
    numbers={"rows": np.int64(3), "mean": np.float64("nan")}, tables={"summary": pd.DataFrame({"x": [1]})}
)

PLAIN_VALUES = [
    (np.int64(2**40), 2**40),
    (np.float64(0.1), 0.1),
    (np.bool_(True), True),  # noqa: FBT003
    (math.nan, None),
    (math.inf, None),
    (np.float32("-inf"), None),
    (pd.NA, None),
    (pd.NaT, None),
    (None, None),
    ("text", "text"),
    (2**70, 2**70),
    (date(2026, 3, 1), "2026-03-01"),
    ((1, [np.nan]), [1, [None]]),
    (np.array([0.5, math.nan]), [0.5, None]),
    (pd.Series([1, 2]), [1, 2]),
    (np.datetime64("2026-03-01"), "2026-03-01"),
    ({1: {"deep": np.inf}}, {"1": {"deep": None}}),
]


@pytest.mark.parametrize(("value", "shown"), PLAIN_VALUES, ids=lambda value: repr(value)[:20])
def test_every_number_is_a_json_value_or_null(value: Any, shown: Any) -> None:
    report = reporting.show(PLAIN, kinds.Report(numbers={"rows": value}), None, share=1.0)
    assert report.numbers == {"rows": shown}
    assert type(report.numbers["rows"]) is type(shown)


def test_half_a_character_anywhere_is_a_question_mark_so_that_the_job_can_be_stored(new_job: Any) -> None:
    half = "\ud800"
    kind = replace(PLAIN, headline=lambda _: half, chart=lambda *_: {"name": half, "x": {half: half}})
    tables = {"t": pd.DataFrame({"x": pd.Series([half], dtype=object)})}
    shown = reporting.show(kind, kinds.Report(numbers={half: half}, tables=tables), None, share=1.0)
    raised = explain(ValueError(half), "plain")
    assert (shown.headline, shown.numbers, shown.tables[0].rows) == ("?", {"?": "?"}, (("?",),))
    assert isinstance(raised, Raised)
    assert raised.error == "ValueError: ?"
    encode(JobChanged(job=new_job(report=shown)))


def test_numbers_may_be_called_by_numbers() -> None:
    report = reporting.show(PLAIN, kinds.Report(numbers={"rows": 1, 7: 2}), None, share=1.0)  # type: ignore[dict-item]
    assert report.numbers == {"rows": 1, "7": 2}


def test_numbers_keep_every_digit() -> None:
    exact = 22.857142857142858
    report = reporting.show(PLAIN, kinds.Report(numbers={"rows": np.float64(exact)}), None, share=1.0)
    assert report.numbers["rows"] == exact


def test_so_far_the_count_of_selected_rows_is_not_known() -> None:
    report = reporting.show(FULL, FOUND, None, share=0.25)
    assert report.numbers == {"rows": 3, "mean": None, "odd": None}
    assert report.headline == "3 rows, None odd"
    assert (report.share, report.final) == (0.25, False)


def test_a_kind_that_selects_nothing_has_no_such_count() -> None:
    shown = reporting.show(PLAIN, FOUND, None, share=0.5)
    assert set(shown.numbers) == {"rows", "mean"}
    assert set(reporting.conclude(PLAIN, shown, selected=None, more=()).numbers) == {"rows", "mean"}


def test_the_final_report_has_the_count_its_headline_and_more_tables() -> None:
    more = Table(name="odd", columns=("x",), rows=((1.0,),))
    shown = reporting.show(FULL, FOUND, None, share=0.5)
    final = reporting.conclude(FULL, shown, selected=2, more=(more,))
    assert final.numbers == {"rows": 3, "mean": None, "odd": 2}
    assert final.headline == "3 rows, 2 odd"
    assert (final.share, final.final) == (1.0, True)
    assert [table.name for table in final.tables] == ["summary", "odd"]
    assert (shown.final, len(shown.tables)) == (False, 1)


def test_a_chart_is_the_kind_s_own_with_null_for_what_is_no_number() -> None:
    [chart] = reporting.show(FULL, FOUND, None, share=1.0).charts
    assert chart.name == "bars"
    assert chart.spec["data"] == {"values": [{"x": 3}, {"x": None}]}
    assert reporting.show(PLAIN, FOUND, None, share=1.0).charts == ()


def test_a_table_is_shown_in_its_order_with_json_values() -> None:
    frame = pd.DataFrame({"region": ["b", "a", None], "sum": [1.5, math.nan, math.inf], "n": [1, 2, 3]})
    table = reporting.table("summary", frame)
    assert table.columns == ("region", "sum", "n")
    assert table.rows == (("b", 1.5, 1), ("a", None, 2), (None, None, 3))
    assert not table.truncated


SALES = pd.DataFrame({"region": ["b", "a"], "sum": [1.5, 2.5]})


@pytest.mark.parametrize(
    ("frame", "columns", "first"),
    [
        (SALES.groupby("region").sum(), ("region", "sum"), ("a", 2.5)),
        (SALES.groupby(["region", "sum"]).agg(rows=("sum", "size")), ("region", "sum", "rows"), ("a", 2.5, 1)),
        (SALES.groupby("region").agg({"sum": ["min", "max"]}), ("region", "sum min", "sum max"), ("a", 2.5, 2.5)),
        (SALES.describe(), ("index", "sum"), ("count", 2.0)),
        (SALES.set_index("region", drop=False), ("region", "region", "sum"), ("b", "b", 1.5)),
        (SALES.sort_values("region"), ("region", "sum"), ("a", 2.5)),
    ],
)
def test_keys_in_a_table_s_index_are_columns_and_numbers_of_rows_are_not(
    frame: pd.DataFrame, columns: tuple[str, ...], first: tuple[Any, ...]
) -> None:
    table = reporting.table("summary", frame)
    assert (table.columns, table.rows[0]) == (columns, first)


@pytest.mark.parametrize(("rows", "shown"), [(0, 0), (SHOWN, SHOWN), (SHOWN + 1, SHOWN), (5 * SHOWN, SHOWN)])
def test_a_long_table_is_cut_and_says_so(rows: int, shown: int) -> None:
    table = reporting.table("summary", pd.DataFrame({"x": range(rows)}))
    assert len(table.rows) == shown
    assert table.truncated == (rows > shown)


@pytest.mark.parametrize("width", [1, 150, CELLS + 1])
def test_a_wide_table_travels_in_few_cells_but_never_without_a_row(width: int) -> None:
    table = reporting.table("wide", pd.DataFrame([[1] * width] * 60))
    assert len(table.columns) == width
    assert 1 <= len(table.rows) <= max(1, CELLS // width)
    assert table.truncated


def test_a_long_cell_is_cut_and_says_so() -> None:
    frame = pd.DataFrame({"x": ["y" * LONGEST, "z" * (LONGEST + 1)]})
    assert reporting.table("t", frame).rows == (("y" * LONGEST,), ("z" * LONGEST + "…",))


def written(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)  # else a bare CR is not quoted
    return out.getvalue().encode()


def test_a_preview_shows_text_as_it_stands_and_the_added_columns_as_numbers() -> None:
    text = written([["id", "name", "per unit"], ["007", 'a "b",\nc', "100"], ["NA", "", "0.15"], ["1", "x", "nan"]])
    table = reporting.preview("odd", text, numbers={"per unit"}, whole=True)
    assert table.columns == ("id", "name", "per unit")
    assert table.rows == (("007", 'a "b",\nc', 100.0), ("NA", "", 0.15), ("1", "x", None))
    assert not table.truncated


def test_a_preview_without_added_columns_is_all_text() -> None:
    table = reporting.preview("rejected", written([["a"], ["1"]]), numbers=(), whole=True)
    assert table.rows == (("1",),)


def test_a_preview_of_a_header_alone_has_no_rows() -> None:
    table = reporting.preview("rejected", b"a,b\n", numbers=(), whole=True)
    assert (table.columns, table.rows, table.truncated) == (("a", "b"), (), False)


@pytest.mark.parametrize("rows", [SHOWN, SHOWN + 1])
def test_a_preview_is_cut_at_as_many_rows_as_a_table(rows: int) -> None:
    table = reporting.preview("odd", written([["a"]] + [["x"]] * rows), numbers=(), whole=True)
    assert (len(table.rows), table.truncated) == (SHOWN, rows > SHOWN)


@pytest.mark.parametrize("length", [131_073, 200_000])
def test_a_preview_shows_the_beginning_of_any_cell(length: int) -> None:
    text = written([["a", "b"], ["x" * length, "1"]])
    assert reporting.preview("rejected", text, numbers=(), whole=True).rows == (("x" * LONGEST + "…", "1"),)


def test_a_blank_in_an_added_column_is_null() -> None:
    table = reporting.preview("odd", written([["a", "per unit"], ["x", ""]]), numbers={"per unit"}, whole=True)
    assert table.rows == (("x", None),)


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@given(st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=8), st.data())
def test_wherever_its_beginning_is_cut_a_preview_shows_only_whole_rows(
    rows: list[list[str]], data: st.DataObject
) -> None:
    text = written([["a", "b"], *rows])
    cut = data.draw(st.integers(text.index(b"\n") + 1, len(text)))
    table = reporting.preview("odd", text[:cut], numbers=(), whole=False)
    assert table.truncated
    assert [list(row) for row in table.rows] == rows[: len(table.rows)]
    assert len(table.rows) >= len(list(csv.reader(io.StringIO(text[:cut].decode(errors="ignore"), newline="")))) - 2


def test_what_is_shown_survives_the_wire(new_job: Any) -> None:
    shown = reporting.show(FULL, FOUND, None, share=0.5)
    message = JobChanged(job=new_job(report=shown))
    assert decode(encode(message)) == message
    assert isinstance(shown, Report)


@pytest.mark.parametrize(
    ("kind", "found", "said"),
    [
        (PLAIN, {"tables": {"sums": pd.Series([1])}}, "its table 'sums' is of the type Series and not a DataFrame"),
        (replace(PLAIN, headline=lambda _: None), {}, "its headline is of the type NoneType and not a str"),
        (replace(PLAIN, chart=lambda *_: []), {}, "its chart is of the type list and not a dict"),
    ],
)
def test_what_a_kind_gives_is_named_where_it_is_of_another_type(kind: Kind, found: dict[str, Any], said: str) -> None:
    with pytest.raises(NoKind, match=f"^{said}$") as caught:
        reporting.show(kind, kinds.Report(numbers={"rows": 1}, **found), None, share=1.0)
    assert place(caught.value, "plain") == ""

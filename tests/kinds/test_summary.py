"""Summary: the example worked by hand, the law, and plain pandas as a second opinion."""

from __future__ import annotations

import json
import math
import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer.kinds.summary import KIND, SummaryParams
from consumer.kinds.testing import check_laws
from tests.kinds.typed_frames import CUTS, MONEY, NAMES, QUICK, WILD, frame, inside

WORKED = [("North", 10.0), ("South", 20.0), ("South", 30.25), ("North", math.nan), ("West", 50.25)]
BLANK = st.just(math.nan)
ROWS = st.lists(st.tuples(NAMES | st.none(), MONEY | BLANK), max_size=30)
WILD_ROWS = st.lists(st.tuples(NAMES | st.none(), WILD | BLANK), max_size=12)


def table(rows):
    return frame({"region": [name for name, _ in rows], "value_column": [value for _, value in rows]})


def test_the_worked_example_comes_out_to_the_last_digit():
    report = check_laws(KIND, table(WORKED), cuts=[(1,), (2, 3), range(1, 5)])
    assert report.numbers == {
        "total_rows": 5,
        "rejected": 0,
        "average": 27.625,
        "top_group": "South",
        "top_group_total": 50.25,
    }
    assert report.tables["summary"].to_dict("split")["data"] == [
        ["North", 2, 10.0, 10.0],
        ["South", 2, 50.25, 25.125],
        ["West", 1, 50.25, 50.25],
    ]


@QUICK
@given(ROWS, CUTS, st.integers(0, 3))
def test_plain_pandas_finds_the_same(rows, cuts, rejected):
    rejected = rejected if rows else 0
    report = check_laws(KIND, table(rows), cuts=inside(cuts, len(rows)), rejected=rejected)
    numbers, plain = report.numbers, table(rows)
    assert (numbers["total_rows"], numbers["rejected"]) == (len(rows) + rejected, rejected)
    mean = plain["value_column"].mean()
    assert numbers["average"] == (None if math.isnan(mean) else pytest.approx(mean, rel=1e-9, abs=1e-6))
    by_name = plain.groupby("region")["value_column"]
    expected = pd.DataFrame({"rows": by_name.size(), "sum": by_name.sum(), "average": by_name.mean()})
    found = report.tables["summary"].set_index("group").rename_axis("region")
    pd.testing.assert_frame_equal(found, expected, rtol=1e-12, atol=1e-6, check_index_type=False, check_dtype=False)
    assert top(numbers) == max_of(rows)


def top(numbers):
    return numbers["top_group"], numbers["top_group_total"]


def max_of(rows):
    """The largest sum, by a loop over whole cents."""
    cents = {}
    for name, value in rows:
        if name is not None:
            cents[name] = cents.get(name, 0) + (0 if math.isnan(value) else round(value * 100))
    best = min(cents, key=lambda name: (-cents[name], name), default=None)
    return best, None if best is None else pytest.approx(cents[best] / 100, rel=1e-12, abs=1e-9)


@QUICK
@given(WILD_ROWS, CUTS)
def test_the_law_holds_for_wild_numbers(rows, cuts):
    check_laws(KIND, table(rows), cuts=inside(cuts, len(rows)))


def test_of_equal_sums_the_first_name_wins():
    report = check_laws(KIND, table([("b", 1.0), ("a", 0.5), ("c", 1.0), ("a", 0.5)]))
    assert top(report.numbers) == ("a", 1.0)


def test_a_row_without_a_group_counts_in_rows_and_average_only():
    report = check_laws(KIND, table([(None, 100.0), ("a", 1.0), (None, math.nan)]))
    assert (report.numbers["total_rows"], report.numbers["average"]) == (3, 50.5)
    assert report.tables["summary"]["group"].tolist() == ["a"]


def test_a_table_without_rows_says_so():
    report = check_laws(KIND, table([]))
    assert report.numbers == dict.fromkeys(("average", "top_group", "top_group_total")) | {
        "total_rows": 0,
        "rejected": 0,
    }
    assert report.tables["summary"].empty
    assert KIND.headline(report.numbers) == "The table has no rows."


def test_columns_are_those_that_the_parameters_name():
    params = SummaryParams(value_column="v", group_column="g")
    assert [(column.name, column.type, column.required) for column in KIND.columns(params)] == [
        ("v", "number", False),
        ("g", "text", False),
    ]
    named = table(WORKED).rename(columns={"value_column": "v", "region": "g"})
    assert check_laws(KIND, named, params).numbers["top_group"] == "South"


@pytest.mark.parametrize(
    "wrong",
    [
        {"simulate_seconds": -1},
        {"simulate_seconds": 3601},
        {"value_column": ""},
        {"value_column": "region"},
        {"group_column": "value_column"},
        {"unknown": 1},
    ],
)
def test_wrong_parameters_are_refused(wrong):
    with pytest.raises(ValidationError):
        SummaryParams(**wrong)


def test_simulated_work_takes_the_share_of_the_chunk():
    rows = table(WORKED)
    rows.attrs["share"] = 0.25
    begin = time.perf_counter()
    KIND.chunk(rows, SummaryParams(simulate_seconds=0.4))
    assert 0.1 <= time.perf_counter() - begin < 0.4


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({}, "5 rows; the average is 27.625; South has the largest sum, 50.25."),
        ({"total_rows": 1, "average": None, "top_group": None}, "1 row."),
        ({"top_group_total": None}, "5 rows; the average is 27.625."),  # beyond the largest double
        (
            {"total_rows": 1234567, "rejected": 1000, "average": 1234.5},
            "1,234,567 rows, 1,000 of them rejected; the average is 1,234.5; South has the largest sum, 50.25.",
        ),
    ],
)
def test_the_headline_is_a_sentence(numbers, sentence):
    plain = {"total_rows": 5, "rejected": 0, "average": 27.625, "top_group": "South", "top_group_total": 50.25}
    assert KIND.headline(plain | numbers) == sentence


def test_the_chart_is_plain_json_and_names_the_columns():
    spec = KIND.chart(check_laws(KIND, table(WORKED)), SummaryParams())
    assert spec["title"]["text"] == "Sum of value_column by region"
    assert json.loads(json.dumps(spec)) == spec

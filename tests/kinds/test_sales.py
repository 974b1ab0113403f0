"""Sales: the example worked by hand, the law, and plain pandas as a second opinion."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer.kinds.sales import KIND, SalesParams
from consumer.kinds.testing import check_laws
from tests.kinds.typed_frames import CUTS, MONEY, NAMES, QUICK, SMALL, WILD, frame, inside

COLUMNS = ("region", "revenue", "quantity", "discount")
WORKED = [
    ("North", 100, 10, 0.10),
    ("North", 120, 10, 0.00),
    ("South", 80, 10, 0.05),
    ("South", 110, 10, 0.05),
    ("East", 90, 10, 0.20),
    ("East", 1000, 10, 0.10),
    ("West", 50, 0, 0.10),
    ("West", 70, 7, 0.15),
]
ROWS = st.lists(st.tuples(NAMES, MONEY, SMALL, st.sampled_from([0.0, 0.05, 0.1, 0.2])), max_size=30)
WILD_ROWS = st.lists(st.tuples(NAMES, WILD, SMALL | WILD, WILD), max_size=12)


def sales(rows):
    return frame({name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)})


def kept(table, params):
    failed = KIND.check(table, params)
    return table[~(failed[0].rows | failed[1].rows)]


def selected(table, params):
    """The second pass over the whole table at once."""
    rows = kept(table, params)
    return KIND.select(rows, None, KIND.chunk(rows, params), params)


def test_the_worked_example_comes_out_to_the_last_digit():
    table = sales(WORKED)
    report = check_laws(KIND, table, cuts=[(1,), (2, 5), range(1, 8)], rejected=2)
    assert report.numbers == {
        "kept": 7,
        "rejected": 3,
        "mean": pytest.approx(22.857142857142858, rel=1e-12),
        "std": pytest.approx(34.041291453314805, rel=1e-12),
        "threshold": pytest.approx(90.93972576377247, rel=1e-12),
    }
    assert report.tables["summary"].to_dict("split")["data"] == [
        ["East", 1090, 545, 20, pytest.approx(0.15, rel=1e-12)],
        ["North", 220, 110, 20, 0.05],
        ["South", 190, 95, 20, 0.05],
        ["West", 70, 70, 7, 0.15],
    ]
    anomalies = selected(table, SalesParams())
    assert anomalies.to_dict("split") == {"index": [5], "columns": ["revenue_per_unit"], "data": [[100]]}


@QUICK
@given(ROWS, CUTS, st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.3]))
def test_plain_pandas_finds_the_same(rows, cuts, sigma):
    table, params = sales(rows), SalesParams(sigma=sigma)
    report = check_laws(KIND, table, params, inside(cuts, len(rows)))
    plain = table[table["quantity"] != 0].copy()
    plain["revenue_per_unit"] = plain["revenue"] / plain["quantity"]
    mean, std = plain["revenue_per_unit"].mean(), plain["revenue_per_unit"].std()
    assert (report.numbers["kept"], report.numbers["rejected"]) == (len(plain), len(table) - len(plain))
    same(report.numbers["mean"], mean)
    same(report.numbers["std"], std)
    same(report.numbers["threshold"], mean + sigma * std)
    expected = plain.groupby("region").agg(
        revenue_sum=("revenue", "sum"),
        revenue_mean=("revenue", "mean"),
        quantity_sum=("quantity", "sum"),
        discount_mean=("discount", "mean"),
    )
    found = report.tables["summary"].set_index("region")
    pd.testing.assert_frame_equal(found, expected, rtol=1e-12, atol=1e-6, check_index_type=False)
    above = plain["revenue_per_unit"] - (mean + sigma * std)
    clear = above.abs() > 1e-6  # elsewhere plain pandas may round to the other side
    assert set(plain.index[clear & (above > 0)]) <= set(selected(table, params).index)
    assert not set(plain.index[clear & (above < 0)]) & set(selected(table, params).index)


def same(found, plain):
    if found is None:
        assert math.isnan(plain)
    else:
        assert found == pytest.approx(plain, rel=1e-9, abs=1e-6)


@QUICK
@given(WILD_ROWS, CUTS)
def test_the_law_holds_for_wild_numbers(rows, cuts):
    check_laws(KIND, sales(rows), cuts=inside(cuts, len(rows)))


@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_rows_have_no_deviation_and_no_anomaly(rows):
    table = sales(WORKED[:rows])
    report = check_laws(KIND, table)
    assert (report.numbers["kept"], report.numbers["std"], report.numbers["threshold"]) == (rows, None, None)
    assert len(report.tables["summary"]) == rows
    assert selected(table, SalesParams()).empty


def test_an_anomaly_is_strictly_above_the_threshold():
    table = sales([("a", 5.0, 1.0, 0.0)] * 4)
    report = check_laws(KIND, table)
    assert (report.numbers["mean"], report.numbers["std"], report.numbers["threshold"]) == (5.0, 0.0, 5.0)
    assert selected(table, SalesParams()).empty


def test_a_row_without_quantity_is_rejected_as_zero_quantity():
    zero, overflow = KIND.check(sales([("a", 1, 0, 0), ("a", 0, -0.0, 0), ("a", 1, 5e-324, 0), ("a", 1, 1, 0)]), None)
    assert (zero.column, zero.reason, zero.rows.tolist()) == ("quantity", "zero_quantity", [True, True, False, False])
    assert (overflow.reason, overflow.rows.tolist()) == ("revenue_per_unit_not_finite", [False, False, True, False])


def test_a_threshold_beyond_all_numbers_is_none():
    table = sales([("a", 1e308, 1, 0), ("a", -1e308, 1, 0)])
    assert check_laws(KIND, table, SalesParams(sigma=100)).numbers["threshold"] is None
    assert selected(table, SalesParams(sigma=100)).empty


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"kept": 0, "rejected": 0}, "The table has no rows."),
        ({"kept": 0, "rejected": 1}, "No row could be used; 1 row rejected."),
        ({"kept": 1, "rejected": 0}, "1 row counted; the mean revenue per unit is 22.857."),
        (
            {"kept": 1200, "rejected": 3, "threshold": 90.93972576377247, "anomalies": None},
            "1,200 rows counted, 3 rejected; the mean revenue per unit is 22.857.",
        ),
        (
            {"kept": 7, "rejected": 3, "threshold": 90.93972576377247, "anomalies": 1},
            (
                "7 rows counted, 3 rejected; the mean revenue per unit is 22.857, "
                "and 1 row stands out with more than 90.94."
            ),
        ),
        (
            {"kept": 7, "rejected": 0, "threshold": 1090.939, "anomalies": 2},
            "7 rows counted; the mean revenue per unit is 22.857, and 2 rows stand out with more than 1,090.94.",
        ),
        (
            {"kept": 7, "rejected": 0, "threshold": 1e-9, "anomalies": 0},
            "7 rows counted; the mean revenue per unit is 22.857, and no row stands out with more than 1e-09.",
        ),
    ],
)
def test_the_headline_is_a_sentence(numbers, sentence):
    assert KIND.headline({"mean": 22.857142857142858, "threshold": None} | numbers) == sentence


def test_the_chart_names_its_regions_and_is_plain_json():
    spec = KIND.chart(check_laws(KIND, sales(WORKED)), SalesParams())
    assert spec["name"] == "revenue"
    assert [bar["name"] for bar in spec["data"]["values"]] == ["East", "North", "South", "West"]
    assert json.loads(json.dumps(spec)) == spec


@pytest.mark.parametrize("sigma", [-1, "much", math.nan, math.inf, 101])
def test_sigma_is_a_number_from_0_to_100(sigma):
    with pytest.raises(ValidationError):
        SalesParams(sigma=sigma)


def test_the_form_can_be_built_from_the_schema():
    sigma = SalesParams.model_json_schema()["properties"]["sigma"]
    assert (sigma["default"], sigma["minimum"], sigma["maximum"]) == (2.0, 0, 100)
    assert sigma["title"]
    assert sigma["description"]


def test_a_chunk_with_gaps_in_its_index_is_summed_like_any_other():
    table = sales(WORKED)
    gaps = table[table["quantity"] != 0]
    assert KIND.chunk(gaps, None).per_unit.mean == KIND.chunk(gaps.reset_index(drop=True), None).per_unit.mean
    assert np.array_equal(KIND.chunk(gaps, None).regions.rows, [2, 2, 2, 1])

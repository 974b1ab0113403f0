"""Profile: tables worked by hand, the law, plain pandas as a second opinion, and how far estimates may be off."""

from __future__ import annotations

import json
import math
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.kinds.profile import KIND, ProfileParams
from consumer.kinds.testing import check_laws
from consumer.pool import catalogue, charts
from consumer.profiling.sheet import MOST_CHARTS
from consumer.tables import cut, read, survey
from protocol.files import open_blocking
from protocol.intake import ReadOptions
from tests.kinds.typed_frames import CUTS, QUICK, inside

pytestmark = pytest.mark.usefixtures("both_ways")

TEXT = pd.StringDtype(na_value=np.nan)
WORDS = """1 2.5 -3e2 007 1,200 n/a yes no 2024-01-31 2024-02-30 03/04/2024 31/12/1999 12/31/1999 1970-01-01
    2024-01-31T10:00:00.5+02:00 North north 東 99999999999999999999 1e400 $5 5% a,b q"q 0 -0 1e-320 -1.7e308"""
CELLS = st.none() | st.sampled_from([*WORDS.split(), "1.2.2003 4:05", "a  b", "l\nf", "x" * 300])
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=30)
MONEY = st.integers(-(10**7), 10**9).map(lambda cents: f"{cents / 100:.2f}")
RANDOM = np.random.default_rng(20)


def table(columns):
    """As the reader delivers it: text, a blank missing, the index the lines."""
    frame = pd.DataFrame({name: pd.Series(cells, dtype=TEXT) for name, cells in columns.items()})
    return frame.set_axis(pd.RangeIndex(2, len(frame) + 2))


def profile(columns, **params):
    chosen = ProfileParams(**params)
    return KIND.finalize(KIND.chunk(table(columns), chosen), chosen)


def column(report, name):
    [row] = [row for row in report.tables["columns"].to_dict("records") if row["column"] == name]
    return row


def warned(cells, **params):
    """The warnings about a column, by code, as (line, detail)."""
    rows = profile({"x": cells}, **params).tables["warnings"].to_dict("records")
    return {row["warning"]: (row["line"], row["detail"]) for row in rows if row["column"] == "x"}


def type_of(*cells, **params):
    return column(profile({"x": list(cells)}, **params), "x")["type"]


def test_a_small_table_comes_out_as_worked_by_hand():
    columns = {
        "city": ["Bonn", "Bonn", "Köln", None, "Bonn"],
        "price": ["1.5", "2", "4", "8.5", "2"],
        "day": ["2024-01-31", "2024-02-01", "2024-02-03", None, "2024-02-01"],
    }
    report = check_laws(KIND, table(columns), cuts=[(1,), (2, 4), range(5)], rejected=3)
    assert report.numbers == {
        "rows": 5,
        "rejected": 3,
        "columns": 3,
        "blank_cells": 2,
        "duplicate_rows": 1,
        "duplicates_are": "exact",
        "warnings": 2,
    }
    price = column(report, "price")
    assert (price["type"], price["count"], price["missing"], price["distinct"]) == ("number", 5, 0, 4)
    assert (price["min"], price["max"], price["mean"], price["median"]) == (1.5, 8.5, 3.6, 2)
    assert price["std"] == pytest.approx(math.sqrt(8.425))
    assert (price["p25"], price["p75"], price["quantiles_are"]) == (2, 4, "exact")
    day = column(report, "day")
    assert (day["type"], day["min"], day["max"], day["median"]) == ("date", "2024-01-31", "2024-02-03", "2024-02-01")
    city = column(report, "city")
    assert (city["type"], city["shortest"], city["longest"], city["mean_length"]) == ("text", 4, 4, 4.0)
    assert report.tables["values"].to_dict("split")["data"] == [
        ["city", "Bonn", 3, 0.75, "exact"],
        ["price", "2", 2, 0.4, "exact"],
        ["day", "2024-02-01", 2, 0.5, "exact"],
    ]
    assert report.tables["warnings"]["warning"].tolist() == ["rejected_rows", "duplicate_rows"]
    assert (
        KIND.headline(report.numbers) == "5 rows in 3 columns, 3 more rejected; 1 row is a repeat; 2 things to look at."
    )


@QUICK
@given(ROWS, CUTS)
def test_the_law_holds_for_any_cells(rows, cuts):
    check_laws(
        KIND, table({"a": [row[0] for row in rows], "b": [row[1] for row in rows]}), cuts=inside(cuts, len(rows))
    )


def test_the_law_holds_where_everything_is_estimated():
    size = 6_000
    frame = table(
        {
            "id": [f"{number:07d}" for number in RANDOM.permutation(size)],
            "size": [f"{number:.6g}" for number in RANDOM.lognormal(3, 2, size)],
            "when": (np.datetime64("2020-01-01T00:00:00") + RANDOM.integers(0, 10**8, size)).astype(str).tolist(),
            "word": [f"word {number}" if number > 400 else "often" for number in RANDOM.integers(0, 5_000, size)],
        }
    )
    report = check_laws(KIND, frame, cuts=[(10, 3_000, 3_001), range(500, size, 700)])
    assert report.tables["columns"]["distinct_is"].tolist() == ["estimated"] * 4
    assert "within" in column(report, "size")["quantiles_are"]
    assert report.numbers["duplicates_are"] == "estimated"
    assert report.tables["values"]["value"].tolist() == ["often"]


def test_the_largest_double_stays_a_number():
    largest = column(profile({"x": ["1.7976931348623157e308", "-1.7976931348623157e308"]}), "x")
    assert (largest["min"], largest["max"]) == (-sys.float_info.max, sys.float_info.max)


@QUICK
@given(st.lists(st.tuples(st.none() | MONEY, st.none() | st.sampled_from("abcd")), max_size=60))
def test_plain_pandas_finds_the_same(rows):
    amounts, letters = [row[0] for row in rows], [row[1] for row in rows]
    report = profile({"amount": amounts, "letter": letters})
    plain = pd.DataFrame({"amount": amounts, "letter": letters}, dtype=object)
    assert report.numbers["duplicate_rows"] == int(plain.duplicated().sum())
    numbers = pd.to_numeric(plain["amount"]).astype(float)
    found = column(report, "amount")
    assert (found["count"], found["missing"]) == (numbers.count(), int(numbers.isna().sum()))
    assert found["distinct"] == plain["amount"].nunique()
    quantiles = numbers.quantile([0.05, 0.25, 0.5, 0.75, 0.95])
    expected = [numbers.min(), numbers.max(), numbers.mean(), numbers.std(), *quantiles]
    names = ("min", "max", "mean", "std", "p5", "p25", "median", "p75", "p95")
    for name, number in zip(names, expected, strict=True):
        assert found[name] is None if math.isnan(number) else found[name] == pytest.approx(number, rel=1e-9, abs=1e-6)
    counts = plain["letter"].value_counts()
    values = report.tables["values"]
    listed = values[values["column"] == "letter"].set_index("value")["count"].to_dict()
    assert listed == {value: count for value, count in counts.items() if count > 1}
    histogram = report.tables["histograms"]
    assert histogram[histogram["column"] == "amount"]["count"].sum() == numbers.count()


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        ((), "empty"),
        ((None, None), "empty"),
        (("1", "-2", None), "integer"),
        (("1", "2.5", "1e3"), "number"),
        (("yes", "No", "TRUE"), "boolean"),
        (("2024-01-31", "31.01.2024", "1/2/2024 10:00"), "date"),
        (("a", "b"), "text"),
        (("yes", "maybe"), "text"),
        (("007", "12"), "text"),
        (("1", "n/a", "2"), "integer"),
        (("n/a", "null"), "text"),
        (("1", "a", "2"), "mixed"),
        (("1", "2024-01-31"), "mixed"),
        (("inf", "1e400", "0x10", "1_000"), "text"),
        ((*"abcdefghijklmnopqrst", "1"), "text"),
    ],
)
def test_a_column_has_the_type_of_its_cells(cells, type_):
    assert type_of(*cells) == type_


def test_the_decimal_mark_is_the_declared_one():
    assert type_of("1,5", "2", decimal=",") == "number"
    assert type_of("1.5", "2", decimal=",") == "mixed"


@pytest.mark.parametrize(
    ("cells", "code", "line"),
    [
        (["a", "1", "2", "3"], "mixed_types", 2),
        (["1", "02", "03"], "leading_zeros", 3),
        (["1", "1,200", "3.1e4"], "formatted_numbers", 3),
        (["1", "$5"], "formatted_numbers", 3),
        (["1", "5 %"], "formatted_numbers", 3),
        (["1", "1 200,50 €"], "formatted_numbers", 3),
        (["1", "1234567890123456"], "long_integers", 3),
        (["1", "N/A"], "placeholders", 3),
        (["1", "#DIV/0!"], "placeholders", 3),
        (["2024-01-31", "2023-02-29"], "impossible_dates", 3),
        (["2024-01-31", "1970-01-01"], "suspicious_dates", 3),
        (["2024-01-31", "9999-12-31"], "suspicious_dates", 3),
        (["2024-01-31", "0024-01-31"], "suspicious_dates", 3),
        (["01/02/2024", "03/04/2024"], "ambiguous_dates", 2),
        (["01/22/2024", "03/24/2024", "25/04/2024"], "two_date_orders", 2),
        (["a b", "a  b"], "inner_whitespace", 3),
        (["a b", "a\u00a0b"], "inner_whitespace", 3),
        (["a", "A"], "spellings", None),
        (["a", "a"], "constant", None),
        (["a", None], "mostly_empty", None),
        ([None], "empty", None),
        ([*map(str, range(60)), "7"], "nearly_unique", None),
    ],
)
def test_what_a_person_would_want_to_know_is_told_with_its_first_line(cells, code, line):
    found = warned(cells)
    assert code in found
    assert found[code][0] == line


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "2", "3"],
        ["2024-01-31", "2024-02-29"],
        ["North", "South", None],
        ["13/01/2024", "01/02/2024"],
        ["1.25", "2.5"],
        [*map(str, range(60))],
        ["0", "0.5", "-0.5"],
    ],
)
def test_of_a_good_column_nothing_is_told(cells):
    assert warned(cells) == {}


def test_dates_are_read_in_the_way_in_which_more_of_them_are_dates():
    found = column(profile({"x": ["01/22/2024", "03/04/2024"]}), "x")
    assert (found["min"], found["max"]) == ("2024-01-22", "2024-03-04")
    found = column(profile({"x": ["22/01/2024 10:00", "03/04/2024 00:00"]}), "x")
    assert (found["min"], found["max"]) == ("2024-01-22 10:00:00", "2024-04-03 00:00:00")


def test_a_zone_is_reckoned_in():
    found = column(profile({"x": ["2024-01-01T00:30:00+01:00", "2024-01-01T00:00:00Z"]}), "x")
    assert (found["min"], found["max"]) == ("2023-12-31 23:30:00", "2024-01-01 00:00:00")


@pytest.mark.parametrize("repeats", [0, 30, 3_000])
def test_estimated_duplicates_are_near_the_truth(repeats):
    rows = [f"row {number}" for number in range(30_000)]
    report = profile({"x": rows + rows[:repeats]})
    assert report.numbers["duplicates_are"] == "estimated"
    assert report.numbers["duplicate_rows"] == pytest.approx(repeats, rel=0.15, abs=100)


def test_one_row_repeated_very_often_is_not_missed():
    report = profile({"x": [f"row {number}" for number in range(20_000)] + ["the same"] * 20_000})
    assert report.numbers["duplicate_rows"] == pytest.approx(20_000, rel=0.05)
    top = report.tables["values"].iloc[0]
    assert (top["value"], top["counted"]) == ("the same", "estimated")
    assert top["share"] == pytest.approx(0.5, abs=0.05)


def test_many_different_values_are_estimated_within_four_standard_errors():
    for size in (3_000, 40_000):
        cells = [f"value {number}" for number in RANDOM.integers(0, size, 2 * size)]
        found = column(profile({"x": cells}), "x")
        assert found["distinct_is"] == "estimated"
        assert found["distinct"] == pytest.approx(len(set(cells)), rel=4 * 0.01625)


def test_estimated_quantiles_keep_what_they_promise():
    numbers = RANDOM.lognormal(5, 2, 40_000)
    found = column(profile({"x": [repr(float(number)) for number in numbers]}), "x")
    promised = float(found["quantiles_are"].removeprefix("within ").removesuffix(" %")) / 100
    assert promised < 0.02
    for name, share in {"p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}.items():
        assert found[name] == pytest.approx(np.quantile(numbers, share), rel=1.1 * promised)


def test_a_histogram_counts_every_value_and_cuts_off_what_is_far_outside():
    numbers = [str(number) for number in range(1_000)] + ["1000000"]
    rows = profile({"x": numbers}).tables["histograms"]
    assert rows["count"].sum() == 1_001
    assert rows.iloc[-1].to_dict() == {"column": "x", "from": 1_000, "to": None, "count": 1}
    assert rows.iloc[0]["from"] is None or rows.iloc[0]["from"] >= 0


@pytest.mark.parametrize(
    "cells", [["5"] * 3, ["1e308", "-1e308"], ["1e-320", "2e-320"], ["9007199254740993"] * 2 + ["9007199254740992"]]
)
def test_strange_numbers_have_a_histogram_too(cells):
    rows = profile({"x": cells}).tables["histograms"]
    assert rows["count"].sum() == len(cells)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_table_without_rows_and_one_with_a_single_row_are_profiled(rows):
    report = check_laws(KIND, table({"a": ["1"][:rows], "b": ["x"][:rows]}))
    assert report.numbers["rows"] == rows
    assert report.tables["columns"]["type"].tolist() == (["integer", "text"] if rows else ["empty", "empty"])
    charts.render(KIND.chart(report, ProfileParams()))


def test_two_thousand_columns_make_a_small_partial_and_a_sheet_of_a_few():
    columns = {f"c{place}": [f"{place} {row} {'x' * 50}" for row in range(120)] for place in range(1_900)}
    columns |= {f"d{place}": ["a", "b"] * 60 for place in range(100)}
    partial = KIND.chunk(table(columns), ProfileParams())
    assert len(pickle.dumps(KIND.combine([partial, partial]))) < 30_000_000
    report = KIND.finalize(KIND.combine([partial, partial]), ProfileParams())
    assert len(report.tables["columns"]) == 2_000
    assert report.numbers["duplicate_rows"] == 120
    spec = KIND.chart(report, ProfileParams())
    assert len(spec["concat"]) == MOST_CHARTS
    assert "of 100 columns" in spec["title"]["subtitle"]


def test_a_partial_stays_small_whatever_the_rows_are():
    long = table(
        {"x": [f"{row:0500d}" for row in range(20_000)], "y": [str(number) for number in RANDOM.random(20_000)]}
    )
    assert len(pickle.dumps(KIND.chunk(long, ProfileParams()))) < 1_000_000


def test_the_sheet_is_drawn_and_the_same_each_time():
    columns = {
        "city": ["Bonn", "Bonn", "Köln"] * 5,
        "price": [f"{row}.5" for row in range(15)],
        "day": [f"2024-02-{row + 1:02d}" for row in range(15)],
    }
    specs = [KIND.chart(profile(columns), ProfileParams()) for _ in range(2)]
    assert json.dumps(specs[0]) == json.dumps(specs[1])
    assert [each["title"]["text"] for each in specs[0]["concat"]] == ["city", "price", "day"]
    svg = charts.render(specs[0]).svg.decode()
    assert "Köln" in svg
    assert "February" in svg or "Feb" in svg


def test_the_kind_is_announced_without_columns():
    assert catalogue.describe("profile").columns == ()


def test_a_table_of_two_thousand_columns_is_read(tmp_path):
    files = open_blocking(tmp_path.as_uri())
    line = ",".join(map(str, range(2_000)))
    files.write("table", [f"{line}\n{line}\n{',' * 1_999}\n".encode()])
    found = survey.survey(files, "table", ReadOptions(), name="table.csv", work_prefix="work/")
    [chunk] = cut.cut(files, found, 1_000_000)
    batch = read.Reader(files, found, read.every_column(found.layout), ReadOptions()).read(chunk)
    report = KIND.finalize(KIND.chunk(batch.by_line, ProfileParams()), ProfileParams())
    assert (report.numbers["rows"], report.numbers["columns"], report.numbers["blank_cells"]) == (2, 2_000, 2_000)


CSV = 'a, b ,"c"\n1,x,\n\n2,"l\nf",n/a\nshort\n3,x,\n1,x,\n4,y,z,surplus\n'


@pytest.mark.parametrize("chunk_size", [1, 10, 1_000])
@pytest.mark.parametrize("rows", [CSV, CSV.replace("\n", "\r\n")])
def test_the_reader_delivers_every_column_and_line_however_the_file_is_cut(tmp_path, chunk_size, rows):
    files = open_blocking(tmp_path.as_uri())
    files.write("table", [rows.encode()])
    options = ReadOptions()
    found = survey.survey(files, "table", options, name="table.csv", work_prefix="work/")
    reader = read.Reader(files, found, read.every_column(found.layout), options)
    batches = [reader.read(chunk) for chunk in cut.cut(files, found, chunk_size)]
    lines = [line for batch in batches for line in batch.by_line.index]
    assert lines == [2, 4, 7, 8]
    partials = [KIND.chunk(batch.by_line, ProfileParams()) for batch in batches]
    report = KIND.finalize(KIND.combine(partials), ProfileParams())
    assert report.numbers["rows"] == 4
    assert report.numbers["rejected"] == 2
    assert report.numbers["duplicate_rows"] == 1
    assert report.tables["columns"]["column"].tolist() == ["a", "b", "c"]
    assert report.tables["columns"]["missing"].tolist() == [0, 0, 3]
    codes = report.tables["warnings"].set_index("warning")["line"]
    assert (codes["placeholders"], codes["inner_whitespace"]) == (4, 4)


@pytest.mark.parametrize(
    "selected", [{"warnings": 0}, {"warnings": 2, "duplicate_rows": 7, "duplicates_are": "estimated"}]
)
def test_the_headline_says_what_was_found(selected):
    numbers = {"rows": 0, "columns": 1, "rejected": 0, "duplicate_rows": 0, "duplicates_are": "exact", **selected}
    sentence = {
        0: "No rows in 1 column; nothing looks odd.",
        2: "No rows in 1 column; about 7 rows are repeats; 2 things to look at.",
    }
    assert KIND.headline(numbers) == sentence[selected["warnings"]]

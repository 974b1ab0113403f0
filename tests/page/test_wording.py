from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.job import Account
from service.pages import wording


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, wording.NOTHING),
        ("", wording.NOTHING),
        (True, "yes"),
        (2026, "2,026"),
        (12345, "12,345"),
        (1090.0, "1,090"),
        (1234.5678, "1,234.57"),
        (22.857142857142858, "22.8571"),
        (1234567.891, "1,234,567.89"),
        (0.1 + 0.2, "0.3"),
        (1e300, "1e+300"),
        ("<b>", "<b>"),
    ],
)
def test_a_figure_is_said_short_and_with_its_thousands_set_apart(value: Any, said: str) -> None:
    assert wording.number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(2026, "2026"), (1090.0, "1090"), (1234.5678, "1234.57"), (12345, "12,345"), (12345.678, "12,345.68")],
)
def test_a_cell_that_may_be_a_year_has_no_separator(value: Any, said: str) -> None:
    assert wording.cell(value) == said


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**30), 10**30))
def test_a_number_that_is_said_is_near_the_number_that_is_meant(value: float) -> None:
    said = float(wording.number(value).replace(",", ""))
    assert said == pytest.approx(value, rel=1e-5, abs=1e-300)


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "1 byte"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (2 * 2**30, "2.0 GiB"), (5000 * 2**40, "5000.0 TiB")],
)
def test_sizes(count: int, said: str) -> None:
    assert wording.size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, wording.NOTHING), (0.42, "0.4 s"), (12, "12.0 s"), (185.2, "3 min 5 s"), (7800, "2 h 10 min")],
)
def test_durations(seconds: float | None, said: str) -> None:
    assert wording.duration(seconds) == said


def test_a_share_below_one_is_never_said_to_be_all() -> None:
    assert (wording.percent(0.9999), wording.percent(1.0)) == ("99 %", "100 %")


def test_a_column_lines_up_as_numbers_only_if_all_of_it_reads_as_such() -> None:
    rows = [("a", 1, "1.5", "1", None), ("b", 2.5, "", "x", None), ("c", None, "-2", "3", None)]
    assert wording.numeric_columns(rows, 5) == {1, 2}


@pytest.mark.parametrize(
    ("read", "used", "rejected", "skipped", "said"),
    [
        (10, 7, 3, 0, "10 rows read: 7 used, 3 left out."),
        (4, 2, 1, 1, "4 rows read: 2 used, 1 left out, 1 skipped."),
        (1, 1, 0, 0, "1 row read: 1 used."),
        (2, 0, 2, 0, "2 rows read: 0 used, 2 left out."),
    ],
)
def test_every_row_is_accounted_for(read: int, used: int, rejected: int, skipped: int, said: str) -> None:
    assert wording.account(Account(read=read, used=used, rejected=rejected, skipped=skipped)) == said


def test_of_a_rejected_row_line_and_reason_come_first() -> None:
    assert wording.place_first(("a", "b", "8", "b: missing")) == ("8", "b: missing", "a", "b")


@pytest.mark.parametrize(
    ("spec", "called"),
    [
        ({}, ("By region", "")),
        ({"title": "Revenue"}, ("Revenue", "")),
        ({"title": {"text": ["A", "B"], "subtitle": "C"}}, ("A B", "C")),
    ],
)
def test_a_chart_has_a_title_in_every_way_that_vega_lite_says_one(spec: Any, called: tuple[str, str]) -> None:
    assert wording.chart_title(spec, "by_region") == called


def test_times_are_said_in_utc_until_the_script_knows_better() -> None:
    assert wording.moment(datetime(2026, 3, 1, 9, 5, 7, tzinfo=UTC)) == "1 Mar 2026, 09:05:07 UTC"

"""Players: the example worked by hand, the law, and a plain loop as a second opinion."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.kinds import players
from consumer.kinds.players import HEIGHT, KIND
from consumer.kinds.testing import check_laws
from tests.kinds.typed_frames import CUTS, QUICK, inside

WORKED = [70.0, 72.0, math.nan, 75.0, 71.0]
PLAIN = st.integers(60, 90).map(float) | st.just(math.nan) | st.sampled_from([70.5, 71.25, 0.0, -3.0])
ODD = PLAIN | st.floats(-1e9, 1e9) | st.sampled_from([70.1, 0.1, 5e-324, 1e-300, 1e9, 2.0**53 / 1e9])


def table(heights):
    texts = {name: pd.Series(["x"] * len(heights), dtype="str") for name in ("Name", "Team", "Position")}
    numbers = {"Weight(lbs)": 1.0, "Age": 2.0}
    return pd.DataFrame(texts | {HEIGHT: pd.Series(heights, dtype="float64")} | numbers)


def averages(frame):
    partial = players.chunk(frame, KIND.params())
    return players.select(frame, None, partial, KIND.params())["current_average_height"]


def plain_loop(heights):
    """One row after another, as anybody would write it, with fractions so that nothing is rounded on the way."""
    found, total = [], Fraction(0)
    for seen, height in enumerate(heights):
        known = 0.0 if math.isnan(height) else height
        found.append(int(known) if seen == 0 else int(float(total / seen)))
        total += Fraction(known)
    return found


def test_the_worked_example():
    found = averages(table(WORKED))
    assert found.tolist() == [70, 70, 71, 47, 54]
    assert found.dtype == np.int64
    assert check_laws(KIND, table(WORKED)).numbers == {"rows": 5, "mean_height": 57.6, "rejected": 0}


@given(heights=st.lists(PLAIN, max_size=30), cuts=CUTS)
@QUICK
def test_it_is_the_plain_loop_for_any_cutting(heights, cuts):
    assert averages(table(heights)).tolist() == plain_loop(heights)
    check_laws(KIND, table(heights), cuts=inside(cuts, len(heights)))


@given(heights=st.lists(ODD, max_size=12), cuts=CUTS)
@QUICK
def test_it_is_the_plain_loop_also_where_doubles_would_be_rounded(heights, cuts):
    assert averages(table(heights)).tolist() == plain_loop(heights)
    check_laws(KIND, table(heights), cuts=inside(cuts, len(heights)))


def test_many_rows_whose_sum_no_double_holds_are_right_to_the_last():
    heights = [1e9 - 1 / 1024, 0.5] * 10_000
    assert averages(table(heights)).tolist() == plain_loop(heights)


def test_a_height_that_is_none_is_rejected():
    [failed] = players.check(table([70.0, 1e10, math.nan, -1e10]), KIND.params())
    assert failed.rows.tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ({"rows": 0, "mean_height": None, "rejected": 0}, "The table has no rows."),
        ({"rows": 0, "mean_height": None, "rejected": 2}, "No player could be loaded, 2 rejected."),
        ({"rows": 1, "mean_height": 70.0, "rejected": 0}, "1 player; their mean height is 70 inches."),
        ({"rows": 1000, "mean_height": 70.25, "rejected": 1}, "1,000 players, 1 rejected; their mean height is 70.25"),
    ],
)
def test_the_headline_is_a_sentence(numbers, says):
    assert players.headline(numbers).startswith(says)

"""The bar chart: which bars, in which order, and what it says about the rest."""

from __future__ import annotations

import math

import pytest

from consumer.parts.bars import MOST_BARS, bars
from consumer.parts.sentences import count, number


def chart(names, sizes):
    return bars("revenue", "Revenue by region", names, sizes, ("Region", "Revenue"))


def drawn(spec):
    return [bar["name"] for bar in spec["data"]["values"]]


def test_bars_come_largest_first_and_equal_ones_by_name():
    assert drawn(chart(["c", "a", "b", "d"], [1.0, 1.0, 3.0, -2.0])) == ["b", "a", "c", "d"]


def test_what_is_not_drawn_is_told():
    spec = chart([f"r{place:02}" for place in range(23)], [float(1000 - place) for place in range(23)])
    assert len(drawn(spec)) == MOST_BARS
    assert spec["title"]["subtitle"] == "The 20 largest of 23; revenue of the 3 others: 2,937."
    assert spec["title"]["subtitle"] in spec["description"]


def test_sizes_may_be_whole_numbers():
    assert chart(list("abcdefghijklmnopqrstu"), [10] * 21)["title"]["subtitle"].endswith("of the 1 other: 10.")


def test_the_sum_of_what_is_not_drawn_may_be_beyond_any_number():
    assert chart(list("abcdefghijklmnopqrstuv"), [1e308] * 22)["title"]["subtitle"].endswith("of the 2 others: inf.")


def test_nothing_to_draw_is_said():
    assert chart([], [])["title"]["subtitle"] == "There is nothing to draw."
    assert drawn(chart(["a"], [math.inf])) == []


def test_the_description_says_every_bar():
    assert chart(["b", "a"], [1.5, 2000.0])["description"] == "Revenue by region. Bar chart. a: 2,000; b: 1.5."


def test_long_names_are_cut_and_stay_apart():
    names = drawn(chart(["x" * 1000 + "1", "x" * 1000 + "2"], [1.0, 2.0]))
    assert len(set(names)) == 2
    assert max(map(len, names)) < 70


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (3, "3"),
        (1000, "1,000"),
        (1234567.891, "1,234,567.89"),
        (27.625, "27.625"),
        (100.0, "100"),
        (-0.5, "-0.5"),
        (0.05, "0.05"),
        (1e-9, "1e-09"),
        (1.5e20, "1.5e+20"),
    ],
)
def test_a_number_reads_well(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("how_many", "text"), [(0, "no rows"), (1, "1 row"), (2, "2 rows"), (1000, "1,000 rows")])
def test_a_count_has_its_plural(how_many, text):
    assert count(how_many, "row") == text

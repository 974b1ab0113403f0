"""Doubles as text: many at once are written as one by one, to the last of 15 digits."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.tables import decimals, write

POWERS = [10.0**power for power in range(-6, 17)]


def expected(values: list[float]) -> list[str]:
    return ["" if math.isnan(value) else format(value + 0.0, ".15g") for value in values]


@given(st.lists(st.one_of(st.floats(), st.floats(1e-6, 1e12), st.floats(-1e6, 1e6)), max_size=50))
@example(
    [
        0.0,
        -0.0,
        math.nan,
        math.inf,
        -math.inf,
        5e-324,
        1.7e308,
        0.1 + 0.2,
        2 / 3,
        1e-4,
        9e9,
        1e10,
        999_999.999_999_999_9,
    ]
)
def test_many_are_written_as_one_by_one(values: list[float]) -> None:
    assert decimals.texts(np.array(values, np.float64)).to_pylist() == expected(values)


@pytest.mark.parametrize("power", POWERS)
def test_nor_do_they_differ_around_powers_of_ten(power: float) -> None:
    near = [power]
    for _ in range(500):
        near = [math.nextafter(near[0], 0), *near, math.nextafter(near[-1], math.inf)]
    assert decimals.texts(np.array(near)).to_pylist() == expected(near)


@pytest.mark.parametrize("bits", range(6, 16))
def test_what_lies_half_way_goes_to_the_even_digit(bits: int) -> None:
    """These have 16 digits, of which the last is a 5: so many bits after the point take as many decimals."""
    values = [10.0 ** (15 - bits) + odd / 2.0**bits for odd in range(1, 2001, 2)]
    assert all(Decimal(value).as_tuple().digits[15:] == (5,) for value in values)
    assert decimals.texts(np.array(values)).to_pylist() == expected(values)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1.5, None, 2 / 3]),
        pd.Series([1, -(2**63), 2**63 - 1]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([0.5, None], dtype="Float64"),
        pd.Series([True, False]),
        pd.Series(["a", None, "1e5"]),
        pd.Series([], dtype=float),
    ],
)
def test_a_column_is_written_alike_with_and_without_pyarrow(series: pd.Series[object]) -> None:
    assert write.column(series).to_pylist() == write.texts(series)

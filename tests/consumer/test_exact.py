"""Exact sums against fractions, which do not round at all."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.exact import MOST_WEIGHT, Moments, Sums, quotient, root
from consumer.exact.digits import BLOCK

pytestmark = pytest.mark.usefixtures("both_ways")

FINITE = st.floats(allow_nan=False, allow_infinity=False)
EDGES = st.sampled_from(
    [0.0, -0.0, 5e-324, -5e-324, 2.0**-1022, 2.0**-440, 2.0**480, 2.0**900, 1.7976931348623157e308, 2.0**27, 2.0**-29]
)
MONEY = st.integers(-(10**9), 10**9).map(lambda cents: cents / 100)
VALUES = st.lists(FINITE | EDGES | EDGES.map(lambda edge: math.nextafter(edge, 0.0)) | MONEY, max_size=40)


def nearest(exact: Fraction) -> float:
    try:
        return exact.numerator / exact.denominator
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def exactly(sums: Sums) -> Fraction:
    (units,), denominator = sums.ratios()
    return Fraction(units, denominator)


def array(values: list[float]) -> np.ndarray:
    return np.array(values, np.float64)


@given(VALUES)
def test_a_sum_is_exact_and_rounded_once(values):
    sums = Sums.of(array(values))
    assert exactly(sums) == sum(map(Fraction, values))
    assert sums.value == nearest(sum(map(Fraction, values), Fraction(0)))


@given(VALUES)
def test_a_sum_of_squares_is_exact_and_rounded_once(values):
    _, squares = Sums.with_squares(array(values))
    assert exactly(squares) == sum(Fraction(value) ** 2 for value in values)
    assert squares.value == nearest(sum((Fraction(value) ** 2 for value in values), Fraction(0)))


@given(st.integers(-1074, 1023), st.sampled_from([1.0, -1.0]))
def test_each_power_of_two_is_summed_and_squared_exactly(exponent, sign):
    value = sign * math.ldexp(1.0, exponent)
    assert exactly(Sums.of(array([value]))) == Fraction(value)
    assert exactly(Sums.with_squares(array([value]))[1]) == Fraction(value) ** 2


@given(VALUES, st.lists(st.integers(0, 40), max_size=5), st.randoms(use_true_random=False))
def test_cutting_and_order_change_no_bit(values, cuts, random):
    bounds = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    parts = [Moments.of(array(values[start:stop])) for start, stop in pairwise(bounds)]
    random.shuffle(parts)
    together = reduce(add, [pickle.loads(pickle.dumps(part)) for part in parts])
    whole = Moments.of(array(values))
    assert (together.count, together.mean, together.variance, together.std) == (
        whole.count,
        whole.mean,
        whole.variance,
        whole.std,
    )


@pytest.mark.parametrize("values", [np.array([1, 0, 2]), np.float32([1, 0, 2]), np.array([True, False, True])])
def test_values_of_any_type_are_summed_as_the_doubles_they_are(values):
    doubles, codes, weights = values.astype(np.float64), np.array([0, 1, 0]), np.array([2, 1, 3], np.int32)
    assert Sums.of(values).value == doubles.sum()
    assert [sums.value for sums in Sums.with_squares(values)] == [doubles.sum(), doubles @ doubles]
    assert Sums.by_code([values], codes, 2)[0].nearest.tolist() == [doubles[0] + doubles[2], doubles[1]]
    totals, squares = Sums.of_weighed(values, weights)
    assert (totals.value, squares.value) == (doubles @ weights, doubles**2 @ weights)


def test_values_may_not_weigh_more_than_their_digits_can_hold():
    largest, almost = array([1.7976931348623157e308, 1.0]), np.array([MOST_WEIGHT - 2, 1])
    total, squares = Sums.of_weighed(largest, almost)
    assert exactly(total) == Fraction(largest[0]) * (MOST_WEIGHT - 2) + 1
    assert exactly(squares) == Fraction(largest[0]) ** 2 * (MOST_WEIGHT - 2) + 1
    with pytest.raises(ValueError, match="weigh"):
        Sums.of_weighed(largest, almost + 1)


@given(st.lists(st.tuples(FINITE | MONEY, st.integers(0, 4)), max_size=40))
def test_a_group_has_the_sum_and_mean_of_its_own_values(rows):
    own = [[value for value, code in rows if code == group] for group in range(5)]
    values, counts = array([value for group in own for value in group]), np.array([len(group) for group in own])
    sums, squares = Sums.with_squares(values, counts)
    own = [[Fraction(value) for value in group] for group in own]
    assert sums.nearest.tolist() == [nearest(sum(values, Fraction(0))) for values in own]
    assert squares.nearest.tolist() == [nearest(sum((value**2 for value in values), Fraction(0))) for values in own]
    means = sums.means(counts)
    for mean, values in zip(means.tolist(), own, strict=True):
        assert mean == nearest(sum(values) / len(values)) if values else math.isnan(mean)


@given(st.lists(st.tuples(FINITE | EDGES | MONEY, MONEY, st.integers(-1, 4)), max_size=40))
def test_a_code_has_the_sums_of_its_own_values_and_minus_one_has_none(rows):
    numbers, codes = [array([row[nth] for row in rows]) for nth in (0, 1)], np.array([row[2] for row in rows], np.int64)
    for nth, sums in enumerate(Sums.by_code(numbers, codes, 5)):
        own = [sum((Fraction(row[nth]) for row in rows if row[2] == code), Fraction(0)) for code in range(5)]
        assert sums.nearest.tolist() == [nearest(total) for total in own]


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_in_no_group_may_be_anything(odd):
    [found] = Sums.by_code([array([odd, 1.0, odd])], np.array([-1, 0, -1], np.int32), 1)
    assert found.nearest.tolist() == [1.0]


@given(st.lists(FINITE | MONEY, min_size=2, max_size=30))
def test_mean_variance_and_deviation_are_rounded_once(values):
    moments, n = Moments.of(array(values)), len(values)
    exact = [Fraction(value) for value in values]
    variance = sum((value - sum(exact) / n) ** 2 for value in exact) / (n - 1)
    assert moments.mean == nearest(sum(exact) / n)
    assert moments.variance == nearest(variance)
    assert moments.std is not None
    check_root(moments.std, variance)


@given(st.integers(0, 2**70), st.integers(1, 2**70), st.integers(-2000, 2000))
def test_a_root_is_the_nearest_double(numerator, denominator, exponent):
    square = Fraction(numerator, denominator) * Fraction(2) ** exponent
    check_root(root(square.numerator, square.denominator), square)


def check_root(found: float, square: Fraction) -> None:
    """No other double is nearer to the root: the root lies between the midpoints to the neighbours."""
    if math.isinf(found):
        assert square >= (Fraction(1.7976931348623157e308) + Fraction(2) ** 969) ** 2
        return
    below, above = math.nextafter(found, -math.inf), math.nextafter(found, math.inf)
    upper = Fraction(2) ** 1024 if math.isinf(above) else Fraction(above)
    assert max(Fraction(0), (Fraction(found) + Fraction(below)) / 2) ** 2 <= square
    assert square <= ((Fraction(found) + upper) / 2) ** 2


def test_a_quotient_is_infinite_beyond_the_largest_double_and_nan_over_nothing():
    assert quotient(10**400, 1) == math.inf
    assert quotient(-(10**400), 1) == -math.inf
    assert math.isnan(quotient(0, 0))


def test_arrays_longer_than_a_block_are_summed_to_the_end():
    rng = np.random.default_rng(7)
    values = np.ldexp(rng.uniform(-1, 1, 3 * BLOCK + 1), rng.integers(-1070, 1000, 3 * BLOCK + 1))
    bounds = [0, BLOCK - 1, 2 * BLOCK, 2 * BLOCK + 5, len(values)]
    grouped = Sums.of(values, np.diff(bounds))
    assert Sums.of(values).value == math.fsum(values)
    assert grouped.nearest.tolist() == [math.fsum(values[start:stop]) for start, stop in pairwise(bounds)]


def test_more_groups_than_a_block_has_values_are_summed():
    values = np.arange(2.0 * BLOCK + 5)
    assert Sums.of(values, np.ones(len(values), np.int64)).nearest.tolist() == values.tolist()


@pytest.mark.parametrize("value", [1.7976931348623157e308, 0.1, 5e-324, 2.0**27 - 1, -(2.0**55) + 1])
def test_two_to_the_thirty_times_a_value_does_not_overflow_a_digit(value):
    moments = Moments.of(array([value]))
    for _ in range(30):
        moments += moments
    assert exactly(moments.total) == Fraction(value) * 2**30
    assert exactly(moments.squares) == Fraction(value) ** 2 * 2**30
    assert (moments.count, moments.mean, moments.variance) == (2**30, value, 0.0)


def test_spread_puts_each_sum_where_it_belongs():
    sums = Sums.of(array([1.5, 2.5]), np.array([1, 1])).spread(np.array([3, 1]), 5)
    assert sums.nearest.tolist() == [0.0, 2.5, 0.0, 1.5, 0.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match="finite"):
        Sums.of(array([1.0, value]))
    with pytest.raises(ValueError, match="finite"):
        Moments.of(array([value, 1.0]))


def test_too_few_values_have_no_mean_and_no_deviation():
    none, one = Moments.of(array([])), Moments.of(array([3.0]))
    assert (none.mean, none.variance, none.std) == (None, None, None)
    assert (one.mean, one.variance, one.std) == (3.0, None, None)

"""What a profile is made of: each part is a function of its values alone, however they were divided."""

from __future__ import annotations

import weakref
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.exact import Moments
from consumer.profiling import dates, families, sample
from consumer.profiling.column import Cells, Column
from consumer.profiling.distinct import Distinct
from consumer.profiling.grid import Grid
from consumer.profiling.octets import Octets
from consumer.profiling.registers import Registers
from consumer.profiling.room import Room
from consumer.profiling.smallest import Smallest
from consumer.profiling.spans import Numbers
from consumer.profiling.table import Rows
from consumer.tables import values
from tests.kinds.typed_frames import QUICK

pytestmark = pytest.mark.usefixtures("both_ways")

RANDOM = np.random.default_rng(7)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), min_size=1)
SMALL = Room(values=3, text=20, bits=10, hashes=4, buckets=4, rows=3)


def texts(listed):
    return pa.array(listed, pa.large_string())


def ones(values):
    return np.ones(len(values), np.int64)


def test_a_column_that_was_taken_is_kept_no_longer():
    rows = Rows.of(pd.DataFrame({"a": ["x", "y"], "b": ["z", None]}, dtype="str"))
    first = rows.take()
    assert first.to_pylist() == ["x", "y"]
    alive = weakref.ref(first)
    del first
    assert alive() is None
    assert rows.take().to_pylist() == ["z", None]
    assert rows.left == []


@QUICK
@given(TEXTS)
def test_a_hash_depends_on_the_text_alone(listed):
    together = Octets.of(texts(listed)).hashes()
    alone = [int(Octets.of(texts([text])).hashes()[0]) for text in listed]
    assert together.tolist() == alone
    assert Octets.of(texts(["", *listed])[1:]).hashes().tolist() == alone


def test_a_hash_is_the_polynomial_that_it_is_said_to_be_on_every_machine():
    for text in ("a", "Bonn", "東", "x" * 100_000):
        value = sum(octet * pow(0x9E3779B97F4A7C15, place, 2**64) for place, octet in enumerate(text.encode())) % 2**64
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
        assert Octets.of(texts([text])).hashes().tolist() == [value ^ value >> 31]


def test_texts_that_are_equally_long_have_the_hashes_that_they_have_among_others():
    numbers = [str(number) for number in range(100, 1_000)]
    assert Octets.of(texts(numbers)).hashes().tolist() == Octets.of(texts([*numbers, "1"])).hashes().tolist()[:-1]


@QUICK
@given(st.lists(st.text("0123456789012345678.,+-", min_size=1, max_size=17), min_size=1), st.sampled_from(".,"))
def test_a_short_text_is_the_number_that_the_reader_takes_it_for(listed, mark):
    column = texts(listed)
    read, wrong = values.numbers(column, required=True, decimal=mark)
    expected = np.where((wrong > 0) | ~np.array([any(map(str.isdigit, text)) for text in listed]), np.nan, read)
    together = families.look(column, Octets.of(column), mark).numbers
    alone = [families.look(one, Octets.of(one), mark).numbers[0] for one in (texts([text]) for text in listed)]
    for found in (together, np.array(alone)):
        assert [str(number) for number in found] == [str(number) for number in expected]  # -0.0 is another than 0.0


def test_a_million_texts_have_as_many_hashes():
    numbers = texts([str(number) for number in range(1_000_000)])
    assert len(np.unique(Octets.of(numbers).hashes())) == 1_000_000


@QUICK
@given(st.lists(st.tuples(FLOATS, st.integers(0, 2)), min_size=1, max_size=40), st.integers(2, 6))
def test_a_grid_is_the_same_however_its_numbers_were_divided(pairs, most):
    numbers = np.array([number for number, _ in pairs])
    parts = [numbers[[part == which for _, part in pairs]] for which in range(3)]
    whole = Grid.of(numbers, ones(numbers), most)
    one, two, three = (Grid.of(part, ones(part), most) for part in parts)
    for grid in ((one + two) + three, three + (two + one), Grid.of(*np.unique(numbers, return_counts=True), most)):
        assert (grid.shift, grid.keys.tolist(), grid.counts.tolist()) == (
            whole.shift,
            whole.keys.tolist(),
            whole.counts.tolist(),
        )
    assert len(whole.keys) <= most


@pytest.mark.parametrize(
    "numbers",
    [
        RANDOM.lognormal(4, 1, 50_000),
        RANDOM.normal(0, 1e300, 50_000),
        RANDOM.integers(-(10**9), 10**9, 50_000).astype(np.float64),
        RANDOM.integers(0, 40, 50_000).astype(np.float64),
        1 + RANDOM.integers(0, 50, 50_000) * 2.0**-52,
        np.append(RANDOM.integers(0, 3_000, 50_000) * 2.0**-52 + 1, 1e300),
    ],
)
def test_a_grid_of_many_numbers_is_the_one_that_their_parts_add_up_to(numbers):
    parts = [Grid.of(some, ones(some), 2_000) for some in np.array_split(numbers, 50)]
    whole, counted = Grid.of(numbers, ones(numbers), 2_000), Grid.of(numbers, ones(numbers) * 3, 2_000)
    for grid in (reduce(add, parts), whole, Grid(2_000, counted.shift, counted.keys, counted.counts // 3)):
        assert grid.shift == whole.shift
        assert np.array_equal(grid.keys, whole.keys)
        assert np.array_equal(grid.counts, whole.counts)


@QUICK
@given(st.lists(st.floats(1e-300, 1e300) | st.floats(-1e300, -1e-300), min_size=1, max_size=60), st.integers(2, 60))
def test_a_quantile_of_a_grid_is_off_by_no_more_than_promised(numbers, most):
    grid = Grid.of(np.array(numbers), ones(numbers), most)
    low, high = grid.edges()
    for found, number in zip(grid._ranked(np.arange(len(numbers))), sorted(numbers), strict=True):
        assert low[0] <= found <= high[-1]
        if grid.error < 1:
            assert found == pytest.approx(number, rel=1.001 * grid.error, abs=0)


@QUICK
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60))
def test_a_grid_with_room_for_all_numbers_has_the_quantiles_of_numpy(numbers):
    shares = np.array([0, 0.01, 0.25, 0.5, 0.9, 1])
    found = Grid.of(np.array(numbers), ones(numbers), 60).quantiles(shares)
    assert found == pytest.approx(np.quantile(numbers, shares), rel=1e-9, abs=1e-6)


@QUICK
@given(
    st.lists(st.tuples(st.floats(-1e150, 1e150), st.integers(1, 5_000)), max_size=8)
    | st.lists(st.tuples(st.integers(-(2**31), 2**31).map(float), st.integers(1, 5_000)), max_size=8)
)
def test_sums_of_few_numbers_that_occur_often_are_exact(pairs):
    values, counts = np.array([v for v, _ in pairs], np.float64), np.array([c for _, c in pairs], np.int64)
    found, plain = Numbers.of(values, counts, 10).moments, Moments.of(np.repeat(values, counts))
    assert (found.count, found.mean, found.std) == (plain.count, plain.mean, plain.std)


@pytest.mark.parametrize("size", [10, 1_000, 20_000, 500_000])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_registers_estimate_within_four_standard_errors(size, bits):
    hashes = RANDOM.integers(0, 2**64, size, np.uint64)
    registers = Registers.of(hashes, bits)
    assert registers.estimate == pytest.approx(size, rel=4 * registers.error)
    halves = Registers.of(hashes[: size // 2], bits) + Registers.of(hashes[size // 3 :], bits)
    assert halves.estimate == registers.estimate


def test_empty_registers_estimate_nothing():
    assert Registers.of(np.zeros(0, np.uint64), 10).estimate == 0


@QUICK
@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 8), st.integers(0, 60))
def test_the_smallest_are_counted_exactly_however_they_were_divided(values, size, at):
    hashes = np.array(values, np.uint64)
    parts = [Smallest.of(part, ones(part), size) for part in (hashes[:at], hashes[at:])]
    expected = [(value, values.count(value)) for value in sorted(set(values))[:size]]
    for found in (Smallest.of(hashes, ones(hashes), size), parts[0] + parts[1], parts[1] + parts[0]):
        assert list(zip(found.hashes.tolist(), found.counts.tolist(), strict=True)) == expected


def test_a_sample_is_fair():
    chosen = sample.smallest(sample.keys(np.arange(100_000)), 2_000)
    assert len(set(chosen.tolist())) == 2_000
    assert np.mean(chosen) == pytest.approx(50_000, rel=0.06)
    assert np.mean(chosen % 2) == pytest.approx(0.5, abs=0.05)


@QUICK
@given(st.lists(st.sampled_from(["a", "bb", "ccc", "dddd", "eeeee", "ffffff"]), max_size=20), st.integers(0, 20))
def test_values_are_known_until_they_are_too_many_and_then_for_everyone(values, at):
    def distinct(some):
        cells = Cells.of(texts(some), np.arange(len(some)), SMALL)
        return Distinct.of(cells.texts, cells.counts, cells.octets.hashes(), SMALL)

    whole, both = distinct(values), distinct(values[:at]) + distinct(values[at:])
    assert whole.exact == both.exact == (len(set(values)) <= 3)
    assert whole.count(len(values)) == both.count(len(values))
    if whole.exact:
        assert whole.found.ranked() == both.found.ranked()


def test_looking_for_equal_texts_or_not_leads_to_the_same():
    room = Room(values=50, text=10_000, bits=10, hashes=100, buckets=60, rows=10)
    different, equal = [str(number) for number in RANDOM.permutation(400)], ["7"] * 100
    found = []
    for listed, looks in ((different + equal, False), (equal + different, True)):
        cells = Cells.of(texts(listed), np.arange(500), room)
        assert (len(cells.texts) == 400) is looks
        found.append(Column.of(cells, cells.octets.hashes(), room, "."))
    one, other = found
    assert one.distinct.count(500) == other.distinct.count(500)
    assert one.distinct.found.smallest.counts.tolist() == other.distinct.found.smallest.counts.tolist()
    assert one.numbers.span.grid.counts.tolist() == other.numbers.span.grid.counts.tolist()
    assert (one.numbers.moments.mean, one.lengths) == (other.numbers.moments.mean, other.lengths)


ISO = st.datetimes().map(lambda moment: moment.isoformat(sep=" ", timespec="auto"))
OTHER = st.datetimes().map(lambda moment: f"{moment:%d/%m/%Y}") | st.sampled_from(
    ["2023-02-29", "0000-01-01", "2024-13-01"]
)
DATES = st.lists(
    st.one_of(ISO, ISO.map(lambda text: text[:16]), ISO.map(lambda text: text[:10]), OTHER), min_size=1, max_size=5
)


@QUICK
@given(DATES)
def test_a_date_is_read_alike_alone_and_among_others(listed):
    together = dates.read(texts(listed))
    slowly = dates.read(texts([*listed, "1.1.2001"]))
    for place, text in enumerate(listed):
        alone = dates.read(texts([text]))
        for name in ("plain", "day_first", "month_first", "impossible"):
            values = [getattr(alone, name)[0], getattr(together, name)[place], getattr(slowly, name)[place]]
            assert np.array_equal(values[:1] * 3, values, equal_nan=True)


@QUICK
@given(st.datetimes())
def test_an_iso_date_is_the_moment_that_datetime64_says(moment):
    text = moment.isoformat(sep="T")
    micros = np.datetime64(moment, "us").astype(np.int64)
    assert dates.read(texts([text])).plain[0] == micros / 1_000_000

"""Numbers as the compiled part reads them: the grammar of `values.py`, and to the last bit the doubles of Python."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.native import tokens
from consumer.native.tokens import Judgement, Shape, Type, Wanted
from consumer.tables.values import Why
from tests.tables import oracle

pytestmark = pytest.mark.usefixtures("installed")
GOOD, MISSING, BAD, HARD = Judgement


def judged(cells: Sequence[str], mark: str = ".", *, required: bool = True) -> list[tuple[float, Judgement]]:
    """Each cell in quotes and without, at the beginning of all bytes and further on: which makes no difference."""
    found = {
        spelling: _judged([spelling.format(cell) for cell in cells], mark, required=required)
        for spelling in ("{}", '"{}"')
    }
    for cell, both in zip(cells, zip(*found.values(), strict=True), strict=True):
        assert len({(struct.pack("d", value), sure) for value, sure in both}) == 1, cell
    return found["{}"]


def _judged(cells: Sequence[str], mark: str, *, required: bool) -> list[tuple[float, Judgement]]:
    wanted = [Wanted(0, Type.number, required)]
    shape = Shape(2, ";", mark, rowwise=False)
    alone = tokens.read(f"{cells[0]};\n".encode(), 1, shape, wanted)
    found = tokens.read("".join(f"{cell};\n" for cell in cells).encode(), 1, shape, wanted)
    assert alone.judged[0] == found.judged[0]
    assert np.array_equal(alone.columns[0], found.columns[0][:1], equal_nan=True)
    return [*zip(found.columns[0].tolist(), map(Judgement, found.judged), strict=True)]


def same_beside(cells: Sequence[str], mark: str, found: Sequence[tuple[float, Judgement]]) -> None:
    """Texts that are no cells of a row, but stand one after another, come to the same."""
    octets = [cell.encode() for cell in cells]
    bounds = np.cumsum([0, *map(len, octets)], dtype=np.int64)
    values, hard = tokens.numbers(np.frombuffer(b"".join(octets), np.uint8), bounds, mark)
    assert np.array_equal(values.view(np.int64), np.array([value for value, _ in found]).view(np.int64))
    assert hard.tolist() == [sure == HARD for _, sure in found]


def check(cells: Sequence[str], mark: str = ".") -> list[Judgement]:
    """That they are right or left to others."""
    found = judged(cells, mark)
    same_beside(cells, mark, found)
    for cell, (value, sure) in zip(cells, found, strict=True):
        expected, _ = oracle.number(cell.strip(), mark)
        bad = BAD if cell.strip() else MISSING
        assert sure in {HARD, bad if expected is None else GOOD}, f"{cell:.60}"
        assert sure != GOOD or struct.pack("d", value) == struct.pack("d", expected), f"{cell:.60}"
        assert sure == GOOD or math.isnan(value), f"{cell:.60}"
    return [sure for _, sure in found]


def spelt(chance: random.Random, mark: str = ".") -> str:
    """Something that is a number, or just none."""
    whole, decimals = ("".join(chance.choices("0123456789", k=chance.randrange(13))) for _ in "ab")
    number = chance.choice(["", "", "", "-", "+", "0", "00000"]) + whole
    number += chance.choice(["", mark, mark]) and mark + decimals
    if chance.random() < 0.2:
        number += chance.choice("eE") + chance.choice(["", "-", "+"]) + str(chance.choice([0, 3, 8, 20, 30, 330]))
    if chance.random() < 0.2:
        at = chance.randrange(len(number) + 1)
        number = number[:at] + chance.choice([*" -+.,eE_x/:\t\x7f\u0661", chr(ord(mark) ^ 16)]) + number[at:]
    return number


@pytest.mark.parametrize("mark", [".", ","])
@pytest.mark.parametrize("seed", range(3))
def test_what_looks_like_a_number_is_judged_rightly(mark: str, seed: int) -> None:
    chance = random.Random(seed)
    check([spelt(chance, mark) for _ in range(20_000)], mark)


@given(
    st.lists(
        st.text("0123456789+-.,eE ", max_size=25)
        | st.floats().map(repr)
        | st.text(max_size=5).filter(lambda cell: not {*cell} & {*'";\r\n'} and cell.isprintable()),
        min_size=1,
    )
)
@settings(deadline=None)
def test_whatever_a_cell_holds_is_judged_rightly(cells: list[str]) -> None:
    for mark in ".,":
        check(cells, mark)


@pytest.mark.parametrize("length", range(1, 8))
def test_one_character_more_or_less_is_judged_rightly(length: int) -> None:
    """All bytes, one at a time, in each place of a short number."""
    characters = [chr(code) for code in range(1, 0x250) if chr(code) not in '";\r\n']
    check([f"{'1' * at}{char}{'2' * (length - at - 1)}" for at in range(length) for char in characters])


def test_every_number_of_up_to_eight_characters_is_known_at_once() -> None:
    chance = random.Random(2)
    cells = ["0", "-0", "0.", ".0", "-.0", "99999999", "-99999999", ".9999999", "9999999.", "-0000000"]
    for _ in range(20_000):
        digits = "".join(chance.choices("0123456789", k=chance.randrange(1, 9)))
        at = chance.randrange(len(digits) + 1)
        cells += [chance.choice(["", "-"]) + digits, chance.choice(["", "-"]) + digits[:at] + "." + digits[at:][:7]]
    assert {*check([cell for cell in cells if cell not in {".", "-."}])} == {GOOD}


def half_way(chance: random.Random) -> Iterator[str]:
    """Numbers of up to 19 digits that lie in the middle between two doubles, or as near to it as can be."""
    for power in range(-4, 11):  # a number of 54 bits, of which the last is a one, times a power of two
        middle = Fraction(chance.randrange(2**53 + 1, 2**54, 2)) * Fraction(2) ** power
        if middle < 10**19:
            yield from (format(Decimal(int(middle * 10**4) + off) / 10**4, "f")[:20] for off in (-1, 0, 1))
    low = 10 ** chance.uniform(-0.3, 19)
    middle = (Fraction(low) + Fraction(math.nextafter(low, math.inf))) / 2
    for rounding in (ROUND_FLOOR, ROUND_CEILING):
        context = Context(prec=19, rounding=rounding)
        yield format(context.divide(Decimal(middle.numerator), Decimal(middle.denominator)), "f")


def test_numbers_that_are_hard_to_round_are_rounded_right_and_known() -> None:
    chance = random.Random(3)
    cells = [cell for _ in range(3_000) for cell in half_way(chance)]
    assert {*check(cells)} == {GOOD}


@pytest.mark.parametrize("power", range(-19, 20))
def test_nineteen_digits_with_any_power_of_ten_up_to_nineteen_are_known(power: int) -> None:
    chance = random.Random(power)
    edges = [1, 2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, 2**63 - 1, 2**63, 10**19 - 1, 10**18]
    whole = [*edges, *(chance.randrange(10 ** chance.randint(1, 19)) for _ in range(300))]
    assert {*check([f"{sign}{digits}e{power}" for digits in whole for sign in ("", "-")])} == {GOOD}


@pytest.mark.parametrize("power", range(-22, 23))
def test_so_are_doubles_that_are_whole_with_powers_up_to_twenty_two(power: int) -> None:
    chance = random.Random(power)
    whole = [1, 2**53 - 1, 2**53, *(chance.randrange(2 ** chance.randint(1, 53)) for _ in range(300))]
    assert {*check([f"{digits}E{power:+}" for digits in whole])} == {GOOD}


@pytest.mark.parametrize("zeros", [1, 15, 18, 19, 20, 300, 9_980, 9_990, 10_000, 100_010])
@pytest.mark.parametrize(
    "exponent", [0, 19, 300, 9_999, 10_000, 99_999, 100_000, 100_010, 10**9, 2**31, 2**63, 2**64, 10**40]
)
def test_zeros_before_and_exponents_after_have_no_bound(zeros: int, exponent: int) -> None:
    digits = "0" * zeros
    check(
        [f"0.{digits}{last}e{sign}{exponent}" for last in ("", "1", "12345678901234567890") for sign in ("", "-", "+")]
    )
    check([f"{first}{digits}e{sign}{exponent}" for first in ("", "1", "1.") for sign in ("", "-", "+")])


@pytest.mark.parametrize(
    "cell", ["5e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "1.7976931348623159e308"]
)
def test_the_ends_of_what_doubles_hold_are_left_to_others(cell: str) -> None:
    assert check([cell, "2.2250738585072011e-308", "1e400", "1e-400", "1" * 400]) == [HARD] * 5


@pytest.mark.parametrize(
    "cell", ["abc", ".", "-", "+", "e5", "1e", "1e+", "--1", "+-1", "1.5.5", "1 2", "1_000", "0x10", "inf", "nan"]
)
def test_what_is_surely_no_number_is_bad(cell: str) -> None:
    assert check([cell]) == [BAD]


@pytest.mark.parametrize("cell", ["1\u00a0", "\u20091", "\x1f1", "\x0b", "\u3000", "\x7f1", "x\u00e9"])
def test_what_may_have_white_space_that_is_not_known_here_is_left_to_others(cell: str) -> None:
    assert check([cell]) == [HARD]


@pytest.mark.parametrize("cell", ["", " ", "\t", " \t "])
def test_a_blank_cell_is_missing_only_where_a_number_is_required(cell: str) -> None:
    for required, right in ((True, MISSING), (False, GOOD)):
        [(value, sure)] = judged([cell], required=required)
        assert math.isnan(value)
        assert sure == right


def test_a_row_is_judged_by_its_first_cell_that_is_not_good() -> None:
    cells = {GOOD: "1", MISSING: " ", BAD: "x", HARD: "1e400"}
    wanted = [Wanted(place, Type.number, required=True) for place in range(3)]
    rows = [(a, b, c) for a in cells for b in cells for c in cells]
    data = "".join(",".join(cells[cell] for cell in row) + "\n" for row in rows).encode()
    found = tokens.read(data, 1, Shape(3, ",", ".", rowwise=False), wanted)
    first = [next((place * len(Judgement) + cell for place, cell in enumerate(row) if cell), GOOD) for row in rows]
    assert found.judged.tolist() == first


def test_what_is_said_of_a_bad_cell_has_the_number_of_the_reason_that_users_are_told() -> None:
    assert len(Judgement) == len(Why)
    assert {each.name: each for each in (MISSING, BAD)} == {each.name: each for each in (Why.missing, Why.not_a_number)}

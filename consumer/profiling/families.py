"""What a cell looks like: a number, a date, a word. It is said of each text alone, whatever else its column holds."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from consumer import native
from consumer.native import tokens
from consumer.profiling import dates
from consumer.profiling.dates import Floats, Readings
from consumer.profiling.octets import Octets
from consumer.tables import values


class Family(IntEnum):
    text = 0
    integer = 1  # -12
    number = 2  # 1.5e3
    date = 3  # 2024-01-31, 31/01/2024 10:00
    boolean = 4  # yes, False
    code = 5  # 00123
    written = 6  # 1,200 or $5 or 12 %: a number for people
    placeholder = 7  # n/a, null, -


BOOLEANS = ("true", "false", "yes", "no", "y", "n", "t", "f", "on", "off")
PLACEHOLDERS = (
    *("na", "n/a", "n.a.", "nan", "null", "none", "nil", "unknown", "-", "--", "?", "."),
    *("#n/a", "#null!", "#value!", "#ref!", "#div/0!", "#name?", "#num!"),
)
LONGEST_WORD = 8  # bytes of the longest of them
_WRITTEN = r"^[+-]?[$€£¥]?\s?(?:\d{1,3}(?:[,.'’ \x{a0}\x{202f}]\d{3})+|\d+)(?:[.,]\d+)?\s?[%$€£¥]?$"  # noqa: RUF001
_DIGIT, _SIGN, _POINT, _COMMA, _EXPONENT, _DATE, _MONEY, _OTHER = (1 << bit for bit in range(8))
_SORTS = (
    (b"0123456789", _DIGIT),
    (b"+-", _SIGN),
    (b".", _POINT),
    (b",", _COMMA),
    (b"eE", _EXPONENT),
    (b"/: TZ", _DATE),
    (b"$%'" + bytes(range(128, 256)), _MONEY),
)


def _table() -> NDArray[np.uint8]:
    table = np.full(256, _OTHER, np.uint8)
    for octets, sort in _SORTS:
        table[list(octets)] = sort
    return table


_TABLE = _table()
_LISTED = tuple(
    (family, pa.array(words, pa.large_string()))
    for family, words in ((Family.boolean, BOOLEANS), (Family.placeholder, PLACEHOLDERS))
)
Places = NDArray[np.intp]
Flags = NDArray[np.bool_]
_ANY = np.arange(256)  # what the characters of a text may come to; below, what it may then be
_MAY_BE_NUMBER = {
    mark: (_ANY & _DIGIT > 0) & (_ANY & ~(_DIGIT | _SIGN | _EXPONENT | sort) == 0)
    for mark, sort in ((".", _POINT), (",", _COMMA))
}
_NUMERIC = np.where(_ANY & ~(_DIGIT | _SIGN) == 0, np.uint8(Family.integer), np.uint8(Family.number))  # if it is one
_MAY_BE_DATE = (_ANY & _DIGIT > 0) & (_ANY & (_SIGN | _POINT | _DATE) > 0) & (_ANY & (_OTHER | _MONEY | _EXPONENT) == 0)
_MAY_BE_WORD = (_ANY & _DIGIT == 0) | (_ANY == _DIGIT | _DATE | _OTHER)  # of them, only #DIV/0! has a digit
_MAY_BE_WRITTEN = (
    (_ANY & _DIGIT > 0) & (_ANY & (_COMMA | _MONEY | _POINT | _DATE) > 0) & (_ANY & (_OTHER | _EXPONENT) == 0)
)


@dataclass(frozen=True, eq=False)
class Looks:
    """The family of each text, and its value where that is a number or a date; no `dates` where none looks like one."""

    families: NDArray[np.uint8]
    numbers: Floats
    dates: Readings | None = None

    def among(self) -> list[Family]:
        """The families that there are."""
        there = int(np.bitwise_or.reduce(np.left_shift(np.uint8(1), self.families), initial=0))  # eight bits suffice
        return [family for family in Family if there >> family & 1]

    def are(self, family: Family) -> NDArray[np.bool_]:
        return np.asarray(self.families == np.uint8(family))  # an IntEnum itself would make each of them an int64

    @property
    def left(self) -> Places:
        """The places of the texts that look like nothing so far."""
        return np.flatnonzero(self.families == 0)


@dataclass(frozen=True, eq=False)
class _Texts:
    """What is looked at: texts, their bytes and which sorts of characters each has, and which sorts there are."""

    texts: pa.Array
    octets: Octets
    sorts: NDArray[np.uint8]
    present: Places

    @classmethod
    def of(cls, texts: pa.Array, octets: Octets) -> _Texts:
        return cls(texts, octets, *octets.sorts(_TABLE))

    def may_be(self, may: NDArray[np.bool_]) -> bool:
        return bool(may[self.present].any())

    def left(self, looks: Looks, may: NDArray[np.bool_]) -> Places:
        """The places of the texts that *may* be it by their characters, and look like nothing so far."""
        if not self.may_be(may):
            return np.zeros(0, np.intp)
        left = looks.left
        return left[may[self.sorts[left]]]

    def made_of(self, may: NDArray[np.bool_]) -> int:
        """The sorts of characters of these texts, together."""
        return int(np.bitwise_or.reduce(self.present[may[self.present]], initial=0))


def look(texts: pa.Array, octets: Octets, decimal: str) -> Looks:
    """*texts* are stripped and not empty."""
    seen = _Texts.of(texts, octets)
    looks = _numbers(seen, decimal)
    for find in (_dates, _words, _written):
        looks = find(looks, seen)
    return looks


def _numbers(seen: _Texts, decimal: str) -> Looks:
    may = _MAY_BE_NUMBER[decimal]
    if not seen.may_be(may):
        return Looks(np.zeros(len(seen.texts), np.uint8), np.full(len(seen.texts), np.nan))
    if native.is_there():
        numbers = _compiled(seen, may, decimal)
    else:
        places = np.flatnonzero(may[seen.sorts])
        numbers = _spread(len(seen.texts), places, _values(seen, places, decimal))
    families = np.take(_NUMERIC, seen.sorts)
    families[np.isnan(numbers)] = Family.text
    zeros = np.flatnonzero((seen.octets.first == ord("0")) & (families == np.uint8(Family.integer)))
    families[zeros[seen.octets.lengths[zeros] > 1]] = Family.code
    return Looks(families, numbers)


def _compiled(seen: _Texts, may: Flags, decimal: str) -> Floats:
    numbers, hard = tokens.numbers(seen.octets.data, seen.octets.bounds, decimal)
    places = np.flatnonzero(hard)
    if len(places := places[may[seen.sorts[places]]]):
        numbers[places] = _converted(_taken(seen.texts, places), decimal)
    return numbers


def _values(seen: _Texts, places: Places, decimal: str) -> Floats:
    """Of the texts in *places*; NaN where one is no number. All have digits, and only what a number may have."""
    if not (words := seen.octets.words):
        return _converted(_taken(seen.texts, places), decimal)
    few, made_of = len(places) < len(seen.texts), seen.made_of(_MAY_BE_NUMBER[decimal])
    if few:
        words = words.take(places)
    if made_of == _DIGIT:
        return words.whole()
    powers = seen.sorts[places] & _EXPONENT > 0
    if words.behind is None:
        found, rest = words.numbers(decimal), np.flatnonzero(powers)
    else:
        found, rest = np.full(len(places), np.nan), np.flatnonzero(words.may_be_numbers(decimal) | powers)
    if len(rest):
        found[rest] = _converted(_taken(seen.texts, places[rest]), decimal)
    return found


def _converted(texts: pa.Array, decimal: str) -> Floats:
    if decimal == ".":
        with suppress(pa.ArrowInvalid):  # which takes such a text only if it is a number, or one that is too large
            found = values.array(pc.cast(texts, pa.float64()))
            return np.where(np.isinf(found), np.nan, found)
    found, wrong = values.numbers(texts, required=True, decimal=decimal)
    return np.where(wrong, np.nan, found)


def _dates(looks: Looks, seen: _Texts) -> Looks:
    places = seen.left(looks, _MAY_BE_DATE)
    lengths = seen.octets.lengths[places]
    places = places[(lengths >= dates.SHORTEST) & (lengths <= dates.LONGEST)]
    if not len(places):
        return looks
    size, found = len(seen.texts), dates.read(_taken(seen.texts, places))
    plain, day_first, month_first = (
        _spread(size, places, each) for each in (found.plain, found.day_first, found.month_first)
    )
    impossible = np.zeros(size, np.bool_)
    impossible[places] = found.impossible
    readings = Readings(plain, day_first, month_first, impossible)
    return replace(_renamed(looks, readings.dates, Family.date), dates=readings)


def _words(looks: Looks, seen: _Texts) -> Looks:
    places = seen.left(looks, _MAY_BE_WORD)
    places = places[seen.octets.lengths[places] <= LONGEST_WORD]
    if not len(places):
        return looks
    words = pc.utf8_lower(_taken(seen.texts, places))
    for family, listed in _LISTED:
        among = np.asarray(pc.is_in(words, listed))
        looks = _renamed(looks, places[among], family)
    return looks


def _written(looks: Looks, seen: _Texts) -> Looks:
    places = seen.left(looks, _MAY_BE_WRITTEN)
    if not len(places):
        return looks
    fits = np.asarray(pc.match_substring_regex(_taken(seen.texts, places), _WRITTEN))
    return _renamed(looks, places[fits], Family.written)


def _taken(texts: pa.Array, places: Places) -> pa.Array:
    return texts if len(places) == len(texts) else texts.take(pa.array(places))


def _spread(size: int, places: Places, values: Floats) -> Floats:
    if len(places) == size:
        return values
    spread = np.full(size, np.nan)
    spread[places] = values
    return spread


def _renamed(looks: Looks, which: NDArray[np.generic], family: Family) -> Looks:
    families = looks.families.copy()
    families[which] = family
    return replace(looks, families=families)

"""What a cell looks like: a number, a date, a word. It is said of each text alone, whatever else its column holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

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
_NUMBER = _DIGIT | _SIGN | _POINT | _EXPONENT
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


@dataclass(frozen=True, eq=False)
class Looks:
    """The family of each text, and its value where that is a number or a date; no `dates` where none looks like one."""

    families: NDArray[np.uint8]
    numbers: Floats
    dates: Readings | None = None

    def among(self) -> list[Family]:
        """The families that there are."""
        return [Family(place) for place in np.flatnonzero(np.bincount(self.families)).tolist()]


def look(texts: pa.Array, octets: Octets, decimal: str) -> Looks:
    """*texts* are stripped and not empty."""
    sorts = octets.sorts(_TABLE)
    looks = _numbers(texts, octets, sorts, decimal)
    for find in (_dates, _words, _written):
        looks = find(looks, texts, octets, sorts)
    return looks


def _numbers(texts: pa.Array, octets: Octets, sorts: NDArray[np.uint8], decimal: str) -> Looks:
    allowed = _NUMBER if decimal == "." else (_NUMBER ^ _POINT) | _COMMA
    places = np.flatnonzero((sorts & _DIGIT > 0) & (sorts & (255 ^ allowed) == 0))
    numbers = np.full(len(texts), np.nan)
    if not len(places):
        return Looks(np.zeros(len(texts), np.uint8), numbers)
    found, wrong = values.numbers(_taken(texts, places), required=True, decimal=decimal)
    numbers[places] = np.where(wrong, np.nan, found)
    whole = ~np.isnan(numbers) & (sorts & (255 ^ _DIGIT ^ _SIGN) == 0)
    code = whole & (octets.first == ord("0")) & (octets.lengths > 1)
    families = np.select([code, whole, ~np.isnan(numbers)], [Family.code, Family.integer, Family.number], Family.text)
    return Looks(families.astype(np.uint8), numbers)


def _dates(looks: Looks, texts: pa.Array, octets: Octets, sorts: NDArray[np.uint8]) -> Looks:
    fits = (octets.lengths >= dates.SHORTEST) & (octets.lengths <= dates.LONGEST) & (looks.families == Family.text)
    marks = _SIGN | _POINT | _DATE
    places = np.flatnonzero(
        fits & (sorts & _DIGIT > 0) & (sorts & marks > 0) & (sorts & (_OTHER | _MONEY | _EXPONENT) == 0)
    )
    if not len(places):
        return looks
    found = dates.read(_taken(texts, places))
    plain, day_first, month_first = (
        _spread(len(texts), places, each) for each in (found.plain, found.day_first, found.month_first)
    )
    impossible = np.zeros(len(texts), np.bool_)
    impossible[places] = found.impossible
    readings = Readings(plain, day_first, month_first, impossible)
    return replace(_renamed(looks, readings.dates, Family.date), dates=readings)


def _words(looks: Looks, texts: pa.Array, octets: Octets, sorts: NDArray[np.uint8]) -> Looks:
    spelled = (sorts & _DIGIT == 0) | (octets.first == ord("#"))  # of them, only #DIV/0! has a digit
    places = np.flatnonzero((octets.lengths <= LONGEST_WORD) & (looks.families == Family.text) & spelled)
    if not len(places):
        return looks
    words = pc.utf8_lower(_taken(texts, places))
    for family, listed in ((Family.boolean, BOOLEANS), (Family.placeholder, PLACEHOLDERS)):
        among = np.asarray(pc.is_in(words, pa.array(listed, words.type)))
        looks = _renamed(looks, places[among], family)
    return looks


def _written(looks: Looks, texts: pa.Array, _octets: Octets, sorts: NDArray[np.uint8]) -> Looks:
    marked = (sorts & (_COMMA | _MONEY | _POINT | _DATE) > 0) & (sorts & (_OTHER | _EXPONENT) == 0)
    places = np.flatnonzero(marked & (sorts & _DIGIT > 0) & (looks.families == Family.text))
    if not len(places):
        return looks
    fits = np.asarray(pc.match_substring_regex(_taken(texts, places), _WRITTEN))
    return _renamed(looks, places[fits], Family.written)


def _taken(texts: pa.Array, places: NDArray[np.intp]) -> pa.Array:
    return texts if len(places) == len(texts) else texts.take(pa.array(places))


def _spread(size: int, places: NDArray[np.intp], values: Floats) -> Floats:
    spread = np.full(size, np.nan)
    spread[places] = values
    return spread


def _renamed(looks: Looks, which: NDArray[np.generic], family: Family) -> Looks:
    families = looks.families.copy()
    families[which] = family
    return replace(looks, families=families)

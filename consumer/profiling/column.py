"""Everything that is known of one column over some rows; adding two of it is knowing of all their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from consumer import native
from consumer.native.texts import Encoded, Outcome, encode
from consumer.profiling import families
from consumer.profiling.dates import Flags, Floats, Readings
from consumer.profiling.distinct import Distinct
from consumer.profiling.families import Family, Looks
from consumer.profiling.octets import Hashes, Ints, Octets
from consumer.profiling.room import Room
from consumer.profiling.sample import LONGEST
from consumer.profiling.spans import Lengths, Numbers, Span

PRECISE = 15  # digits that a double holds for sure
DEFAULTS = (0.0, -2_208_988_800.0)  # 1970-01-01 and 1900-01-01: what software writes that knows no date
DAY = 86_400
FOREIGN = 128  # where bytes begin that are not ASCII
ALIKE = 0.95  # of twice as many texts as may be kept
EARLY, LATE = -2_208_988_800.0, 4_102_444_800.0  # 1900 and 2100
_SPACES = r"\s\s|[\t\r\n\x{b}\x{c}\x{a0}\x{2007}\x{200b}\x{202f}\x{feff}]"
_SPACED = (b"  ", b"\t", b"\r", b"\n", b"\x0b", b"\x0c", b"\xc2\xa0", b"\xe2\x80", b"\xef\xbb\xbf")


Codes = NDArray[np.integer[Any]]
Measures = TypeVar("Measures", Floats, Ints)


@dataclass(frozen=True)
class Odd:
    """How many cells are of some sort, the line of the first, and what that says."""

    count: int
    line: int
    example: str

    def __add__(self, other: Odd) -> Odd:
        first = min(self, other, key=lambda odd: odd.line)
        return Odd(self.count + other.count, first.line, first.example)


@dataclass(frozen=True, eq=False)
class Cells:
    """The texts of a column in some rows, in the order in which they appear: how often each occurs, and where.

    Of few different texts each is there once. `codes` tells which text each row has; where it has none, one too many.
    """

    texts: pa.Array
    octets: Octets
    counts: Ints
    codes: Codes
    lines: Ints

    @classmethod
    def of(cls, column: pa.Array, lines: Ints, room: Room) -> Cells:
        """*lines* ascend."""
        texts, there = _there(column)
        if found := _encoded(texts, room):
            texts, codes, counts = found
        else:
            codes, counts = np.arange(len(texts), dtype=np.int32), np.ones(len(texts), np.int64)
        if there is not None:
            places, codes = codes, np.full(len(column), len(texts), codes.dtype)
            codes[there] = places
        return cls(texts, Octets.of(texts), counts, codes, lines)

    def in_rows(self, values: Hashes) -> Hashes:
        """What each row has of these *values* of the texts; 0 where it has no text."""
        return values if len(values) == len(self.codes) else np.append(values, np.uint64(0))[self.codes]

    def odd(self, which: Flags) -> Odd | None:
        """What is said of the texts in *which*; nothing if there are none."""
        first = int(which.argmax()) if len(which) else 0
        if not which[first : first + 1].any():
            return None
        count = int((self.counts if which.all() else self.counts[which]).sum())
        line = int(self.lines[(self.codes == first).argmax()])
        return Odd(count, line, self.texts[first].as_py()[:LONGEST])


def _there(column: pa.Array) -> tuple[pa.Array, Flags | None]:
    """The texts that there are, and in which rows; None for all."""
    if not column.null_count:
        return column, None
    there, octets = np.asarray(column.is_valid()), Octets.of(column)
    if octets.lengths[~there].any():
        return column.drop_null(), there
    bounds = np.append(octets.bounds[:-1][there], octets.bounds[-1])  # what takes no bytes leaves none behind
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(octets.data)]
    return pa.Array.from_buffers(column.type, len(bounds) - 1, buffers, 0), there


def _encoded(texts: pa.Array, room: Room) -> tuple[pa.Array, Codes, Ints] | None:
    """The different texts in the order in which they appear, which of them each row has, and how often each occurs.

    None where the first texts are so many different ones that looking for equal ones does not pay. They are then too
    many to be kept, and of what is kept instead nothing depends on whether equal ones were found.
    """
    head, many = 2 * room.values, int(ALIKE * 2 * room.values)
    if native.is_there():
        octets = Octets.of(texts)
        found = encode(octets.data, octets.bounds, head, many)
        if found is Outcome.differ:
            return None
        if isinstance(found, Encoded):
            return texts.take(pa.array(found.firsts)), found.codes, found.counts
    first = texts[:head]
    if len(first) > many and len(first.unique()) > many:
        return None
    encoded = texts.dictionary_encode()
    codes = np.asarray(encoded.indices)
    return encoded.dictionary, codes, np.bincount(codes, minlength=len(encoded.dictionary))


@dataclass(frozen=True, eq=False)
class Column:
    """`odd` has an entry for each family of cells that occurs, and for each oddity; the dates are by reading."""

    present: int
    odd: Mapping[str, Odd]
    lengths: Lengths | None
    numbers: Numbers
    dates: Span
    day_first: Span
    month_first: Span
    distinct: Distinct

    @classmethod
    def of(cls, cells: Cells, hashes: Hashes, room: Room, decimal: str) -> Column:
        looks = families.look(cells.texts, cells.octets, decimal)
        lengths = Lengths.of(_characters(cells), cells.counts)
        odd = {name: found for name, which in _sorts(cells, looks) if (found := cells.odd(which))}
        numbers, plain, day_first, month_first = _sized(cells, looks, room)
        distinct = Distinct.of(cells.texts, cells.counts, hashes, room)
        return cls(int(cells.counts.sum()), odd, lengths, numbers, plain, day_first, month_first, distinct)

    def __add__(self, other: Column) -> Column:
        return Column(
            self.present + other.present,
            _joined(self.odd, other.odd),
            self.lengths + other.lengths if self.lengths and other.lengths else self.lengths or other.lengths,
            self.numbers + other.numbers,
            self.dates + other.dates,
            self.day_first + other.day_first,
            self.month_first + other.month_first,
            self.distinct + other.distinct,
        )

    def count(self, *names: str) -> int:
        """The cells of these families or oddities."""
        return sum(self.odd[name].count for name in names if name in self.odd)


def _joined(one: Mapping[str, Odd], other: Mapping[str, Odd]) -> Mapping[str, Odd]:
    both = {name: one[name] + other[name] for name in one.keys() & other.keys()}
    return {**one, **other, **both}


def _sized(cells: Cells, looks: Looks, room: Room) -> tuple[Numbers, Span, Span, Span]:
    numeric = looks.are(Family.integer) | looks.are(Family.number)
    numbers = Numbers.of(_taken(looks.numbers, numeric), _taken(cells.counts, numeric), room.buckets)
    read, none = looks.dates, Span.none(room.buckets)
    if read is None:
        return numbers, none, none, none
    spans = []
    for seconds in (read.plain, read.day_first, read.month_first):
        there = ~np.isnan(seconds)
        spans.append(Span.of(seconds[there], cells.counts[there], room.buckets) if there.any() else none)
    return numbers, spans[0], spans[1], spans[2]


def _taken(values: Measures, which: Flags) -> Measures:
    return values if which.all() else values[which]


def _sorts(cells: Cells, looks: Looks) -> Iterator[tuple[str, Flags]]:
    among = looks.among()
    for family in among:
        yield family.name, looks.are(family)
    if Family.integer in among:
        yield "long_integer", looks.are(Family.integer) & (cells.octets.lengths > PRECISE)
    if read := looks.dates:
        yield "impossible_date", read.impossible
        yield "suspicious_date", _suspicious(read)
        yield "time_of_day", _timed(read)
        yield "day_or_month", ~np.isnan(read.day_first) | ~np.isnan(read.month_first)
    yield "spaces", _spaced(cells)


def _characters(cells: Cells) -> Ints:
    ascii_only = cells.octets.span[1] < FOREIGN
    return cells.octets.lengths if ascii_only else np.asarray(pc.utf8_length(cells.texts), np.int64)


def _suspicious(read: Readings) -> Flags:
    """Before 1900, after 2100, or what stands for no date."""
    found = np.zeros(len(read.plain), np.bool_)
    for seconds in (read.plain, read.day_first, read.month_first):
        found |= (seconds < EARLY) | (seconds >= LATE) | np.isin(seconds, DEFAULTS)
    return found


def _timed(read: Readings) -> Flags:
    found = np.zeros(len(read.plain), np.bool_)
    for seconds in (read.plain, read.day_first, read.month_first):
        found |= np.floor(seconds / DAY) * DAY < seconds  # nothing is less than NaN, nor more
    return found


def _spaced(cells: Cells) -> Flags:
    """Blanks in a row, tabs, line breaks and blanks that one does not see, inside of a text."""
    low, high = cells.octets.span
    if ord(" ") < low and high < FOREIGN:
        return np.zeros(len(cells.texts), np.bool_)
    data = cells.octets.data.tobytes()
    plain = low == ord(" ") and high < FOREIGN
    if b"  " not in data if plain else not any(mark in data for mark in _SPACED):
        return np.zeros(len(cells.texts), np.bool_)
    return np.asarray(pc.match_substring_regex(cells.texts, _SPACES))

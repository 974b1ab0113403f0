"""Where each row of a chunk begins, and on which physical line: only asked for when rows must be found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_BLOCK = 2 * 1024 * 1024
ONE_IN = 8  # so many is few: more than that are not worth a way of their own
_QUOTE, _BLANK, _LF, _CR = b'" \n\r'

Places = npt.NDArray[np.integer[Any]]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Rows:
    """Row *i* lies in bytes `bounds[i]` to `bounds[i + 1]`, with empty lines that follow it, and begins on `lines[i]`.

    Empty lines are no rows; a line of blanks counts here as one, as it does for pyarrow.
    """

    data: bytes
    bounds: Places
    lines: Places

    def take(self, places: Places) -> pa.Array:
        """The bytes of these rows, in this order, as a binary array."""
        return between(self.data, self.bounds).take(pa.array(places))

    def where(self, places: Places) -> tuple[Places, Places]:
        """Where these rows begin and end."""
        return self.bounds[places], self.bounds[places + 1]

    def blank(self, places: Places) -> Flags:
        """Which of these rows are nothing but white space."""
        return are_blank(self.take(places))


def between(data: bytes, bounds: Places) -> pa.Array:
    """What lies from each of the *bounds*, which are sorted, to the next, as a binary array."""
    binary = pa.binary() if bounds.dtype == np.int32 else pa.large_binary()
    return pa.Array.from_buffers(binary, len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(data)])


def are_blank(rows: pa.Array) -> Flags:
    """Which of them, as bytes, are nothing but white space."""
    text = pc.utf8_trim_whitespace(rows.cast(pa.string()))
    return np.asarray(pc.equal(text, "").to_numpy(zero_copy_only=False))


def find(data: bytes, delimiter: str, *, blanks: bool, first_line: int, rowwise: bool = False) -> Rows:
    """The rows of *data*, which starts where a row starts and ends where one ends.

    *Rowwise*, a newline in a cell ends no line.
    """
    place = np.int32 if len(data) + first_line < 2**31 else np.int64  # lines too
    ends, lines, line = [np.zeros(1, place)], [np.full(1, first_line, place)], first_line
    octets, returns = np.frombuffer(data, np.uint8), b"\r" in data
    for block in _quoting(data, delimiter, blanks=blanks):
        found = _ends(octets, block.begin, block.stop, returns=returns)
        outside = block.outside(found)
        if rowwise:
            found, outside = found[outside], outside[outside]
        begun = np.arange(line + 1, line + 1 + len(found), dtype=place)
        line += len(found)
        ends.append(found[outside].astype(place))
        lines.append(begun[outside])
    return _without_empty(data, np.concatenate(ends), np.concatenate(lines), returns=returns)


def count(data: bytes, delimiter: str, *, blanks: bool) -> int:
    """How many rows and blank lines end in *data*, which starts where one starts."""
    octets = np.frombuffer(data, np.uint8)
    blocks, returns = _quoting(data, delimiter, blanks=blanks), b"\r" in data
    return sum(int(block.outside(_ends(octets, block.begin, block.stop, returns=returns)).sum()) for block in blocks)


def widths(found: Rows, delimiter: str, *, blanks: bool) -> Places:
    """How many cells each row has."""
    counts = np.ones(len(found.lines), np.int32)
    octets = np.frombuffer(found.data, np.uint8)
    for block in _quoting(found.data, delimiter, blanks=blanks):
        marks = np.flatnonzero(octets[block.begin : block.stop] == ord(delimiter)) + block.begin
        marks = marks[block.outside(marks)]
        if len(marks):
            of_row = np.searchsorted(found.bounds, marks.astype(found.bounds.dtype), side="right") - 1
            counted = np.bincount(of_row - of_row[0])
            counts[of_row[0] : of_row[0] + len(counted)] += counted.astype(np.int32)
    return counts


def without_blanks(data: bytes, delimiter: str) -> bytes:
    """The same rows without the blanks before opening quotes, which pyarrow would take for unquoted text."""
    octets, inside = np.frombuffer(data, np.uint8), False
    keep = np.ones(len(data), np.bool_)
    for begin, stop in _blocks(data):
        runs, odd, opens = _quote_runs(octets, begin, stop, delimiter, blanks=True)
        states = _follow(opens[odd], inside=inside)
        opened = opens & ~states[np.cumsum(odd) - odd]
        at = runs[opened] - 1
        while len(at := at[at >= 0][octets[at[at >= 0]] == _BLANK]):
            keep[at] = False
            at = at - 1
        inside = bool(states[-1])
    return octets[keep].tobytes()


def _without_empty(data: bytes, ends: Places, lines: Places, *, returns: bool) -> Rows:
    """Every row end is the next row's start; the last one is the end of the data."""
    octets = np.frombuffer(data, np.uint8)
    if not returns and len(ends) > 1 and ends[-1] == len(data) and np.diff(ends).min() > 1:
        return Rows(data, ends, lines[:-1])
    starts = ends[:-1] if ends[-1] == len(data) else ends
    first = octets[starts]
    full = (first != _LF) & (first != _CR)
    bounds = np.append(starts[full], np.array([len(data)], ends.dtype))
    return Rows(data, bounds, lines[: len(starts)][full])


@dataclass(frozen=True)
class _Block:
    """Bytes `begin` to `stop` of a chunk: whether they lie in a quoted cell before its first odd run and after each."""

    begin: int
    stop: int
    runs: Places
    states: Flags

    def outside(self, places: Places) -> Flags:
        """Which of these places, which are in order, lie outside of quotes."""
        if len(self.runs) * ONE_IN > len(places):
            return ~self.states[np.searchsorted(self.runs, places)]
        bounds = np.searchsorted(places, self.runs, side="right")
        return ~np.repeat(self.states, np.diff(bounds, prepend=0, append=len(places)))


def _quoting(data: bytes, delimiter: str, *, blanks: bool) -> Iterator[_Block]:
    octets, inside = np.frombuffer(data, np.uint8), False
    opening = np.isin(np.arange(256), [_QUOTE, _LF, _CR, ord(delimiter)])
    for begin, stop in _blocks(data):
        if data.find(b'"', begin, stop) < 0:
            yield _Block(begin, stop, np.zeros(0, np.int64), np.array([inside]))
            continue
        quotes = np.flatnonzero(octets[begin:stop] == _QUOTE) + begin
        # Where each second quote opens a cell, or stands behind another, all that counts is how many there were.
        if not blanks and opening[_before(octets, quotes[int(inside) :: 2], blanks=False)].all():
            states = (np.arange(inside, inside + len(quotes) + 1) & 1).astype(np.bool_)
            yield _Block(begin, stop, quotes, states)
            inside = bool(states[-1])
            continue
        runs, odd, opens = _quote_runs(octets, begin, stop, delimiter, blanks=blanks)
        states = _follow(opens[odd], inside=inside)
        yield _Block(begin, stop, runs[odd], states)
        inside = bool(states[-1])


def _blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Bounds of blocks that split neither a run of quotes nor a `\\r\\n`."""
    begin = 0
    while begin < len(data):
        stop = min(begin + _BLOCK, len(data))
        while stop < len(data) and data[stop - 1] in b'"\r':
            stop += 1
        yield begin, stop
        begin = stop


def _ends(octets: Bytes, begin: int, stop: int, *, returns: bool) -> Places:
    """Behind each newline; *returns* says whether there may be any but `\\n`."""
    block = octets[begin:stop]
    ends = np.flatnonzero(block == _LF)
    if returns:
        returns_at = np.flatnonzero(block == _CR)
        follows = np.append(block[1:], [0])[returns_at]
        ends = np.sort(np.concatenate([ends, returns_at[follows != _LF]]))
    return ends + (begin + 1)


def _quote_runs(octets: Bytes, begin: int, stop: int, delimiter: str, *, blanks: bool) -> tuple[Places, Flags, Flags]:
    """Where runs of quotes begin, whether their number is odd, and whether they stand where a cell starts."""
    block = octets[begin:stop]
    quotes = np.flatnonzero(block == _QUOTE)
    firsts = np.flatnonzero(np.diff(quotes, prepend=-2) != 1)
    odd = np.diff(np.append(firsts, len(quotes))) & 1 == 1
    runs = quotes[firsts] + begin
    before = _before(octets, runs, blanks=blanks)
    return runs, odd, np.isin(before, np.frombuffer(b"\r\n" + delimiter.encode(), np.uint8))


def _before(octets: Bytes, places: Places, *, blanks: bool) -> Bytes:
    """The byte before each place, blanks passed over if they belong to the quoting; at the very start a newline."""
    at = places - 1
    while blanks and len(skip := np.flatnonzero((at >= 0) & (octets[at] == _BLANK))):
        at[skip] -= 1
    return np.where(at >= 0, octets[at], _LF)


def _follow(opens: Flags, *, inside: bool) -> Flags:
    """Whether we are inside a quoted cell before the first run and after each: `opens` toggle, others leave it."""
    toggles = np.cumsum(opens)
    since = np.maximum.accumulate(np.where(opens, -1, toggles))
    parity = np.where(since < 0, toggles + inside, toggles - since) & 1
    return np.concatenate([[inside], parity == 1])

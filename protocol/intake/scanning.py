"""Where rows end: quotes, newlines and physical lines, followed through a table's UTF-8 bytes in one pass.

A quote opens only at the start of a cell (RFC 4180); elsewhere in an unquoted cell it is an ordinary character.
So whether a byte lies in a quoted cell follows from the *odd* runs of quotes before it (an even run changes nothing):
one after ordinary text always leaves us outside, whether it closed a cell or stood in one; one after a delimiter or
a newline toggles. Only the runs since the last one of the first sort count, so looking back a little is exact.

A repeated group that gives nothing back is written `(?>(?:ab)*)`: Python before 3.11.5 repeats no group possessively.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import islice

Count = Callable[[bytes, bytes], int]  # how often a byte is in some; whoever has a faster way may bring it

QUOTE = b'"'
_TAIL = 2048
_LAST_ODD_RUN = re.compile(rb'(?s).*(?<!")("(?>(?:"")*))(?!")')
_EVEN_RUN_AND_BLANK = re.compile(rb'(?<!")(?>(?:"")+)(?= )')
_FIRST_ODD_RUN = re.compile(rb'(?<!")"(?>(?:"")*)(?!")')


class Scanner:
    """Follows the bytes of a table from the start of a row. A copy of one goes on from where that is.

    `offset` and `line` tell how far it was judged: a run of quotes or a carriage return at the end waits for what
    follows. `inside` is whether that place lies in a quoted cell, which was opened at (`opened`, `opened_line`).
    """

    def __init__(
        self, delimiter: str, *, blanks: bool, offset: int = 0, line: int = 1, count: Count = bytes.count
    ) -> None:
        self.offset, self.line, self._count = offset, line, count
        self.inside, self.opened, self.opened_line = False, offset, line
        self._delimiter, self._blanks = delimiter.encode(), blanks
        self.held, self._before, self._row_start = b"", b"\n", False  # a row that ends where it starts is none

    def __copy__(self) -> Scanner:
        """A table has thousands of marks, and what the library does for any object takes ten times as long."""
        copied = object.__new__(Scanner)
        copied.__dict__.update(self.__dict__)
        return copied

    def feed(self, data: bytes) -> None:
        data = self.held + data
        keep = len(data.rstrip(QUOTE))
        if keep == len(data) and data.endswith(b"\r"):
            keep -= 1
        self.held = data[keep:]
        self._take(data[:keep])

    def finish(self) -> None:
        """Nothing follows: judge what was waiting."""
        held, self.held = self.held, b""
        self._take(held)

    def row_end(self, data: bytes) -> int | None:
        """How far into *data*, which starts at `offset`, the current row ends; 0 at a row's start, None if further."""
        if self._row_start:
            return 0
        found = resume(self._delimiter, blanks=self._blanks, inside=self.inside, cell_start=self._before != b"x").match(
            data
        )
        return found.end() if found else None

    def _take(self, data: bytes) -> None:
        if not data:
            return
        if QUOTE in data:
            self._follow_quotes(data)
        self._row_start = not self.inside and data[-1:] in b"\r\n"
        text = data.rstrip(b" ") if self._blanks else data
        if text:
            self._before = text[-1:] if text[-1:] in (b"\r", b"\n", self._delimiter) else b"x"
        self.offset += len(data)
        self.line += line_ends(data, self._count)

    def _follow_quotes(self, data: bytes) -> None:
        self.inside = self._inside_after(data)
        if self.inside and (found := _LAST_ODD_RUN.match(data)):
            self.opened = self.offset + found.start(1)
            self.opened_line = self.line + line_ends(data[: found.start(1)], self._count)

    def _inside_after(self, data: bytes) -> bool:
        end = data.rfind(QUOTE) + 1
        tail = data[max(0, end - _TAIL) : end]  # a run that it cuts has no byte before it, and resets nothing
        resets, toggles = self._odd_runs(tail)
        if resets:
            return bool(toggles & 1)
        resets, toggles = self._odd_runs(self._before + data)
        return bool(toggles & 1) if resets else self.inside ^ bool(toggles & 1)

    def _odd_runs(self, data: bytes) -> tuple[bool, int]:
        """Whether an odd run after text is in *data*, and how many odd runs at a cell's start follow the last one."""
        if self._blanks:  # an empty quoted cell, a blank, a quote: the last one starts no cell
            data = _EVEN_RUN_AND_BLANK.sub(b"x", data)
        runs = data.replace(b'""', b"").translate(_classes(self._delimiter), b" " if self._blanks else b"")
        last = max(runs.rfind(b'x"'), runs.rfind(b'""'))
        return last >= 0, runs.count(QUOTE, last + 2 if last >= 0 else 0)


def line_ends(data: bytes, count: Count = bytes.count) -> int:
    """How many lines end in *data*: by `\\n`, `\\r\\n` or a single `\\r`."""
    if count is uncounted:
        return 0
    ends = count(data, b"\n")
    if b"\r" in data:
        ends += count(data, b"\r") - data.count(b"\r\n")
    return ends


def uncounted(_data: bytes, _byte: bytes) -> int:
    """A way to count for those who need no lines."""
    return 0


def first_cell_end(data: bytes, delimiter: str) -> int:
    """Where the unquoted cell that goes on in *data* ends, or -1."""
    return min((at for end in ("\r", "\n", delimiter) if (at := data.find(end.encode())) >= 0), default=-1)


def last_cell_end(data: bytes, delimiter: str) -> int:
    """Where the last cell of *data* that ends there ends, or -1."""
    for begin in (max(0, len(data) - _TAIL), 0):  # near the end, as a rule
        found = max(data.rfind(b"\n", begin), data.rfind(b"\r", begin), data.rfind(delimiter.encode(), begin))
        if found >= 0:
            return found
    return -1


def first_odd_run(data: bytes) -> int:
    """Where the quoted cell that goes on in *data* closes, or -1."""
    found = _FIRST_ODD_RUN.search(data)
    return found.start() if found else -1


def cells(row: bytes, delimiter: str, *, blanks: bool) -> list[bytes]:
    """The cells of one row, with or without its newline: quotes undone, nothing stripped."""
    return [_value(cell) for cell in cell_pattern(delimiter.encode(), blanks=blanks).finditer(row.rstrip(b"\r\n"))]


def count_cells(row: bytes, delimiter: str, *, blanks: bool, most: int) -> int:
    """How many cells there are in one row, at *most* so many."""
    found = cell_pattern(delimiter.encode(), blanks=blanks).finditer(row.rstrip(b"\r\n"))
    return sum(1 for _ in islice(found, most))


def _value(cell: re.Match[bytes]) -> bytes:
    if cell["quoted"] is None:
        return cell["plain"]
    return cell["quoted"][1:].removesuffix(b'"').replace(b'""', b'"') + cell["after"]


@cache
def cell_pattern(delimiters: bytes, *, blanks: bool) -> re.Pattern[bytes]:
    """Matches one cell after another, each with what stands before it, from the start of a row on."""
    plain = rb"[^\r\n" + re.escape(delimiters) + rb"]*+"
    quoted = rb'(?P<quoted>"(?>(?:[^"]++|"")*)(?:"|\Z))(?P<after>' + plain + rb")"
    skip = rb"(?P<blank> *+)" if blanks else b""
    return re.compile(
        rb"(?:\A|[\r\n" + re.escape(delimiters) + rb"])(?:" + skip + quoted + rb"|(?P<plain>" + plain + rb"))"
    )


@cache
def whole_row(delimiters: bytes, *, blanks: bool) -> re.Pattern[bytes]:
    """Matches one row with its newline, from its first byte; nothing where it does not end."""
    return re.compile(_cell(delimiters, blanks=blanks) + _rest(delimiters, blanks=blanks))


@cache
def blank_lines(delimiters: bytes) -> re.Pattern[bytes]:
    """Matches lines of nothing but white space, the last one perhaps without its newline. A delimiter is none."""
    return re.compile(rb"(?>(?:[\r\n]++|" + _blank_line(delimiters, rb"(?:\r\n|\n|\r|\Z)") + b")*)")


@cache
def rows_beyond(delimiters: bytes, columns: int, *, blanks: bool) -> re.Pattern[bytes]:
    """Matches the rows, from a row's start on, that have more cells than *columns*, and the blank lines among them."""
    more = b"(?>(?:[" + re.escape(delimiters) + b"]" + _cell(delimiters, blanks=blanks) + b"){%d})" % columns
    longer = _cell(delimiters, blanks=blanks) + more + _rest(delimiters, blanks=blanks)
    blank = rb"\n++|(?>(?:\r\n)+)|" + _blank_line(delimiters, rb"(?:\r\n|\n|\r(?!\Z))")
    return re.compile(b"(?>(?:" + blank + b"|" + longer + b")*)")


@cache
def resume(delimiters: bytes, *, blanks: bool, inside: bool, cell_start: bool) -> re.Pattern[bytes]:
    """Matches the rest of a row, from a place within it."""
    plain = rb"[^\r\n" + re.escape(delimiters) + rb"]*+"
    quoted = rb'(?>(?:[^"]++|"")*)(?:"|\Z)' + plain
    begin = quoted if inside else _cell(delimiters, blanks=blanks) if cell_start else plain
    return re.compile(begin + _rest(delimiters, blanks=blanks))


def _blank_line(delimiters: bytes, end: bytes) -> bytes:
    """A line of nothing but what Python's `str.strip` takes away; mostly it is ASCII, which is faster to try alone."""
    plain = b"[" + bytes(byte for byte in b" \t\v\f\x1c\x1d\x1e\x1f" if byte not in delimiters) + b"]"
    wide = rb"\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80"
    return plain + b"*+" + end + b"|(?>(?:" + plain + b"|" + wide + b")+)" + end


def _cell(delimiters: bytes, *, blanks: bool) -> bytes:
    plain = rb"[^\r\n" + re.escape(delimiters) + rb"]*+"
    skip = rb" *+" if blanks else b""
    return rb"(?:" + skip + rb'"(?>(?:[^"]++|"")*)(?:"|\Z)' + plain + rb"|" + skip + rb'(?!")' + plain + rb")"


def _rest(delimiters: bytes, *, blanks: bool) -> bytes:
    return rb"(?>(?:[" + re.escape(delimiters) + rb"]" + _cell(delimiters, blanks=blanks) + rb")*)(?:\r\n|\n|\r(?!\Z))"


@cache
def _classes(delimiter: bytes) -> bytes:
    """Maps the bytes at which a cell starts, and quotes, to themselves and all others to `x`."""
    return bytes(byte if byte in b'\r\n"' + delimiter else ord("x") for byte in range(256))

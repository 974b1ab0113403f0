"""Tables with bad rows in them, and the repairs and additions that somebody makes to them, for hypothesis to draw."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

HEADER = ("region", "note", "revenue", "quantity", "discount")
Cells = tuple[str, ...]

texts = st.text(st.sampled_from('ab ,;\t|"\n=é'), max_size=6)
good = st.sampled_from(["1", "-2.5", "10", " 7 ", "1e2", "0.1", ".5", "120"])
cells = st.one_of(good, good, good, st.sampled_from(["", "0", "abc", "1,5", "inf", "=1+1"]))
full = st.tuples(st.sampled_from(["North", "South", " East ", ""]), texts, cells, cells, cells)
odd = st.one_of(full.map(lambda row: row[:3]), full.map(lambda row: (*row, "more")))
rows = st.one_of(full, full, full, full, odd)


@dataclass(frozen=True)
class Dialect:
    delimiter: str = ","
    end: str = "\n"
    quoting: Any = csv.QUOTE_MINIMAL
    mark: bytes = b""
    ended: bool = True
    encoding: str = "utf-8"


dialects = st.builds(
    Dialect,
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    ended=st.booleans(),
)


@dataclass
class Body:
    """The rows of a table, each with the number of blank lines behind it."""

    rows: list[Cells]
    blanks: list[int]
    lines: list[int] = field(default_factory=list)  # on which each begins, once written

    def write(self, dialect: Dialect) -> bytes:
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=dialect.delimiter, lineterminator=dialect.end, quoting=dialect.quoting)
        writer.writerow(HEADER)
        self.lines = []
        for row, blank in zip(self.rows, self.blanks, strict=True):
            self.lines.append(out.getvalue().count("\n") + 1)
            writer.writerow(row)
            out.write(dialect.end * blank)
        text = out.getvalue()
        if not dialect.ended and not (self.blanks and self.blanks[-1]):
            text = text.removesuffix(dialect.end)
        return dialect.mark + text.encode(dialect.encoding)


@st.composite
def bodies(draw: st.DrawFn, most: int = 20) -> Body:
    drawn = draw(st.lists(rows, max_size=most))
    if any(len(row) > len(HEADER) for row in drawn):
        drawn.append(draw(full))  # a table in which every row is too long is refused
    return Body(drawn, [draw(st.sampled_from([0, 0, 0, 1, 2])) for _ in drawn])


@dataclass(frozen=True)
class Repair:
    """A repaired rejected.csv, and what the table's rows are then, by the line on which each begins."""

    data: bytes
    rows: dict[int, Cells]


@st.composite
def repairs(draw: st.DrawFn, rejected: bytes) -> Repair:
    """Some rows of *rejected* are changed, some come back as they are, some are left out; in any order."""
    header, *found = csv.reader(io.StringIO(rejected.decode(), newline=""))
    sent, changed = [], {}
    for row in found:
        fate = draw(st.sampled_from(["changed", "changed", "same", "left out"]))
        if fate == "changed":
            now = draw(full)
            height = row[1].count("\n") if len(row) > 1 else 0
            now = (now[0], now[1].replace("\n", "") + "\n" * height, *now[2:])
            if list(now) != row[: len(HEADER)]:
                changed[int(row[-2])] = now
            row = [*now, *row[-2:]]  # noqa: PLW2901
        if fate != "left out":
            sent.append(row)
    return Repair(_write(draw, header, draw(st.permutations(sent))), changed)


def _write(draw: st.DrawFn, header: Sequence[str], sent: Sequence[Sequence[str]]) -> bytes:
    """As whatever program wrote it: its own delimiter and quotes, the columns in some order, perhaps no reason."""
    places = draw(st.permutations(range(len(header) - draw(st.integers(0, 1)))))
    dialect = draw(dialects)
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=dialect.delimiter, lineterminator=dialect.end, quoting=dialect.quoting)
    for row in (header, *sent):
        writer.writerow([row[place] for place in places])
    return dialect.mark + out.getvalue().encode()

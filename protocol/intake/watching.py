"""What can be wrong with rows as they stream by: a quote never closed, a cell too long, cells beyond the header."""

from __future__ import annotations

from copy import copy

from protocol.intake import heading, scanning
from protocol.intake.layout import MAX_FIELD, QUOTE, UNQUOTED, Layout
from protocol.job import Fault, Finding

_LONGEST_ROW = MAX_FIELD // 2  # of which all is matched anew with each window, while everybody waits
_MANY = 10_000  # cells; there are a million in a row of commas, and everybody would wait until they are counted


class Watch:
    """The table behind a heading, as far as its bytes were seen. Feed it windows much smaller than a cell may be."""

    def __init__(
        self, head: heading.Heading, *, skipped: int, surplus: str, count: scanning.Count, quote: str = QUOTE
    ) -> None:
        self._head, self._skipped, self._quote = head, skipped, quote
        self._scanner = scanning.Scanner(head.delimiter, blanks=head.blanks, offset=skipped, count=count)
        self._cell_begins = skipped
        self._quoted_line: int | None = None  # the first with a quote
        self._surplus: _Surplus | None = None if surplus == "ignore" else _Surplus(head)

    @property
    def line(self) -> int:
        return self._scanner.line

    @property
    def held(self) -> bytes:
        """What was seen and not judged yet: it is not counted in `line`."""
        return self._scanner.held

    def see(self, window: bytes, *, final: bool) -> tuple[Fault, ...]:
        data, start = self._scanner.held + window, self._scanner.offset
        if self._quoted_line is None and (at := data.find(b'"')) >= 0:
            self._quoted_line = self.line + scanning.line_ends(data[:at])
        faults = self._too_long(data, start)
        self._scanner.feed(window)
        self._note_cell(data[: self._scanner.offset - start], start)
        if self._surplus and not self._surplus.possible(window, final=final):
            self._surplus = None
        return faults or (self._at_end() if final else ())

    def place(self) -> scanning.Scanner:
        """Whence the table can be followed anew, without what lies before."""
        return copy(self._scanner)

    def layout(self, encoding: str, decided: Finding) -> Layout:
        """What is known of the table, whose *encoding* was decided elsewhere."""
        head, scanner = self._head, self._scanner
        names, named = heading.name_columns(head.names)
        return Layout(
            encoding=encoding,
            delimiter=head.delimiter,
            header=names,
            blanks=head.blanks,
            headless=head.begin == head.end,
            rows_begin=self._skipped + head.end,
            first_line=head.next_line,
            size=scanner.offset,
            lines=scanner.line,
            findings=(decided, *head.findings, *named, self._quoting()),
        )

    def _at_end(self) -> tuple[Fault, ...]:
        self._scanner.finish()
        if self._scanner.inside:
            return (unclosed(self._scanner.opened_line, "is never closed"),)
        return (self._surplus.fault,) if self._surplus and self._surplus.fault else ()

    def _too_long(self, data: bytes, start: int) -> tuple[Fault, ...]:
        if start + len(data) - self._cell_begins <= MAX_FIELD:
            return ()
        inside = self._scanner.inside
        at = scanning.first_odd_run(data) if inside else scanning.first_cell_end(data, self._head.delimiter)
        if start + (len(data) if at < 0 else at) - self._cell_begins <= MAX_FIELD:
            return ()
        if inside:
            return (unclosed(self._scanner.opened_line, "is not closed within 1 MiB"),)
        return (cell_too_long(self.line),)

    def _note_cell(self, data: bytes, start: int) -> None:
        if self._scanner.inside:
            self._cell_begins = self._scanner.opened
        elif (at := scanning.last_cell_end(data, self._head.delimiter)) >= 0:
            self._cell_begins = start + at + 1

    def _quoting(self) -> Finding:
        line = self._quoted_line
        if self._quote != QUOTE:
            return Finding(what="quotes", value=self._quote, why="declared", line=line)
        if self._head.blanks:
            why = "blanks before an opening quote are part of the quoting"
            return Finding(what="quotes", value=QUOTE, why=why, line=line)
        if line is not None:
            return Finding(what="quotes", value=QUOTE, why="a quote opens only at the start of a cell", line=line)
        return Finding(what="quotes", value=UNQUOTED, why="the file has no quote")


class _Surplus:
    """Whether every row so far has more cells than the header: pandas would shift such a table's columns."""

    def __init__(self, head: heading.Heading) -> None:
        self._head = head
        self._row = scanning.whole_row(head.delimiter.encode(), blanks=head.blanks)
        self._blank = scanning.blank_lines(head.delimiter.encode())
        self._longer = scanning.rows_beyond(head.delimiter.encode(), len(head.names), blanks=head.blanks)
        self._rest, self._skip, self._line = b"", head.end, head.next_line
        self.fault: Fault | None = None

    def possible(self, window: bytes, *, final: bool) -> bool:
        data, begin = self._rest + window, self._skip
        if final and not data.endswith(b"\n"):
            data += b"\n"
        self._skip = 0
        longer = self._longer.match(data, begin)
        end = longer.end() if longer else begin
        self._tell(data[begin:end])
        if self._row.match(data, end):
            return False
        self._rest = data[end:]
        return len(self._rest) < _LONGEST_ROW

    def _tell(self, rows: bytes) -> None:
        """Keep the first row that is too long as the fault."""
        if self.fault:
            return
        begin = self._blank.match(rows).end()  # type: ignore[union-attr]
        self._line += scanning.line_ends(rows[:begin])
        if row := self._row.match(rows, begin):
            columns = len(self._head.names)
            has = f"line {self._line} has {self._count(row[0])}"
            detail = f"Every row has more cells than the header: {has}, the header {columns}."
            self.fault = Fault(code="field_count", detail=detail, line=self._line)

    def _count(self, row: bytes) -> str:
        cells = scanning.count_cells(row, self._head.delimiter, blanks=self._head.blanks, most=_MANY)
        return str(cells) if cells < _MANY else f"{_MANY} or more"


def unclosed(line: int, how: str) -> Fault:
    return Fault(code="unclosed_quote", detail=f"The quote that opens a cell in line {line} {how}.", line=line)


def cell_too_long(line: int) -> Fault:
    return Fault(code="cell_too_long", detail=f"A cell in line {line} is longer than 1 MiB.", line=line)

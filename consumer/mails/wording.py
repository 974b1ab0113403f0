"""How a job reads to a person: its numbers, rows and faults in words. Knows neither HTML nor mail."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.job import Account, Job, Problem, Table

# Control characters, line and paragraph separators, what turns the writing direction, and halves of characters:
# each could forge a line, a header or a name.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")
ROWS, COLUMNS, CELL = 10, 8, 48  # what a mail shows of a table
EXACT = 1e15  # from here on a double has no decimals
SMALL = 1e-3
MINUTE, HOUR = 60, 3600
CLIENT_ERRORS = range(400, 500)


@dataclass(frozen=True)
class Preview:
    """The beginning of a table as text, and what was left out of it."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    note: str

    def lines(self) -> list[str]:
        """The table in a fixed-width font."""
        grid = [self.columns, *self.rows]
        widths = [max(len(row[at]) for row in grid) for at in range(len(self.columns))]
        return ["  ".join(map(_pad, row, widths, self.numeric)).rstrip() for row in grid]


def plain(text: str) -> str:
    """*text* on one line, without anything invisible that changes how it is read."""
    return UNPRINTABLE.sub(" ", text)


def slug(text: str) -> str:
    """*text* as a token that is safe in a header and as a file's name."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).lstrip(".") or "file"


def shorten(text: object, limit: int) -> str:
    """At most *limit* characters: both ends matter in a file's name."""
    line = plain(str(text)).strip()
    if len(line) <= limit:
        return line
    tail = limit // 3
    return f"{line[: limit - tail - 1].rstrip()}…{line[-tail:].lstrip()}"


def label(name: str) -> str:
    """`top_group_total` as `Top group total`."""
    words = plain(name).replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def number(value: object) -> str:
    """A value for reading: thousands set apart, at most four decimals; the exact one is in the files."""
    match value:
        case None:
            return "–"  # noqa: RUF001 - a dash in an empty place
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return _decimal(value, ",")
        case str():
            return shorten(value, 2 * CELL)
        case _:
            return shorten(json.dumps(value, ensure_ascii=False), 2 * CELL)


def cell(value: object) -> str:
    """A value in a table: no thousands mark, since it may be a year or an article number."""
    match value:
        case None:
            return ""
        case float():
            return _decimal(value, "")
        case bool() | int():
            return str(value)
        case _:
            return shorten(value, CELL)


def size(count: int) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return _count(count, "byte")


def duration(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


def took(job: Job) -> str | None:
    if job.started_at is None or job.finished_at is None:
        return None
    return duration(max(0.0, (job.finished_at - job.started_at).total_seconds()))


def account(job: Job) -> Account | None:
    """Where the rows went, as far as the job knows; None where nothing was read."""
    known = job.report.account if job.report else None
    return known if known and known.read else None


def previews(job: Job) -> list[Preview]:
    return [_preview(table) for table in job.report.tables if table.columns] if job.report else []


def advise(problem: Problem) -> str:
    """What the reader can do now."""
    if problem.status in CLIENT_ERRORS:
        return "Correct the table or the parameters and submit it again; trying the same again would end the same."
    return "This is not about your table, as far as we can tell. Retry the job; should it fail again, pass its id on."


def _preview(table: Table) -> Preview:
    rows = [tuple(cell(value) for value in row[:COLUMNS]) for row in table.rows[:ROWS]]
    shown = table.columns[:COLUMNS]
    return Preview(
        name=plain(table.name),
        columns=tuple(shorten(column, CELL) for column in shown),
        rows=tuple(row + ("",) * (len(shown) - len(row)) for row in rows),
        numeric=tuple(_is_numeric(table.rows, at) for at in range(len(shown))),
        note=_note(table),
    )


def _note(table: Table) -> str:
    notes = []
    if not table.rows:
        notes.append("no rows")
    elif table.truncated:
        notes.append(f"the first {min(ROWS, len(table.rows))} rows")
    elif len(table.rows) > ROWS:
        notes.append(f"the first {ROWS} of {len(table.rows)} rows")
    if len(table.columns) > COLUMNS:
        notes.append(f"{COLUMNS} of {len(table.columns)} columns")
    return ", ".join(notes)


def _is_numeric(rows: Sequence[Sequence[object]], at: int) -> bool:
    values = [row[at] for row in rows if at < len(row) and row[at] is not None]
    return bool(values) and all(isinstance(value, int | float) for value in values)


def _pad(text: str, width: int, right: bool) -> str:  # noqa: FBT001 - mapped over a row
    return text.rjust(width) if right else text.ljust(width)


def _decimal(value: float, mark: str) -> str:
    if value != value or abs(value) >= EXACT or 0 < abs(value) < SMALL:  # noqa: PLR0124 - NaN
        return f"{value:.4g}"
    return f"{value:{mark}.4f}".rstrip("0").rstrip(".")


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"

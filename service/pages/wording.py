"""How the pages say numbers, sizes and times. Pure; knows no HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from protocol.job import Account, Job

NOTHING = "–"  # noqa: RUF001 - a dash in an empty place
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
KILO = 1024
MINUTE = 60
PLACES = 6
NUMBER = re.compile(r"[+-]?\d{1,30}([.,]\d{1,30})?")
MARKS = {",": "comma  ,", ";": "semicolon  ;", "\t": "tab", "|": "bar  |", ".": "point  ."}
EXACT = 10**15  # from here on a double has no decimals


def number(value: Any) -> str:
    """Say a figure: numbers to six places, thousands set apart; nothing as a dash, text as it is."""
    return _said(value, group_from=0)


def cell(value: Any) -> str:
    """Say a cell of a table, which may well be a year."""
    return _said(value, group_from=10_000)


def _said(value: Any, group_from: int) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and not (value.is_integer() and abs(value) < EXACT):
        return _rounded(value, group_from)
    return _grouped(int(value), group_from) if isinstance(value, int | float) else str(value)


def _rounded(value: float, group_from: int) -> str:
    if 1000 <= abs(value) < EXACT:  # noqa: PLR2004 - six places are too few for the decimals of money
        return f"{value:,.2f}" if abs(value) >= group_from else f"{value:.2f}"
    return f"{value:.{PLACES}g}"


def _grouped(value: int, group_from: int) -> str:
    return f"{value:,}" if abs(value) >= group_from else str(value)


def size(count: float) -> str:
    """Say a number of bytes: 999 bytes, 1.2 MiB."""
    power = 0
    while count >= KILO and power < len(UNITS) - 1:
        count, power = count / KILO, power + 1
    return f"{count:.1f} {UNITS[power]}" if power else f"{count:.0f} {'byte' if count == 1 else 'bytes'}"


def duration(seconds: float | None) -> str:
    """Say a span: 0.4 s, 12.0 s, 3 min 5 s, 2 h 10 min."""
    if seconds is None:
        return NOTHING
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), MINUTE)
    hours, minutes = divmod(minutes, MINUTE)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def moment(at: datetime) -> str:
    """Say a time in UTC; the page's script says it in the reader's own zone."""
    return f"{at.astimezone(UTC):%d %b %Y, %H:%M:%S} UTC".lstrip("0")


def label(name: str) -> str:
    """Turn a name of ours into words: top_group_total becomes Top group total."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def percent(share: float) -> str:
    """Say a share from 0 to 1, and never 100 % before it is all done."""
    return f"{int(share * 100)} %"


def numeric_columns(rows: Sequence[Sequence[Any]], width: int) -> frozenset[int]:
    """Which columns read as numbers and nothing else, and so line up on the right."""
    return frozenset(at for at in range(width) if _all_numbers([row[at] for row in rows if at < len(row)]))


def _all_numbers(cells: Sequence[Any]) -> bool:
    given = [cell for cell in cells if cell is not None and cell != ""]
    return bool(given) and all(map(_is_number, given))


def _is_number(cell: Any) -> bool:
    if isinstance(cell, str):
        return NUMBER.fullmatch(cell) is not None
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def account(rows: Account) -> str:
    """Say where every row went: used, left out, or skipped by the kind."""
    parts = [(rows.used, "used"), (rows.rejected, "left out"), (rows.skipped, "skipped")]
    said = ", ".join(f"{number(count)} {word}" for count, word in parts if count or word == "used")
    return f"{number(rows.read)} {'row' if rows.read == 1 else 'rows'} read: {said}."


def spelled(value: Any) -> str:
    """Say a value that may be a mark nobody can see."""
    return MARKS.get(value, value) if isinstance(value, str) else cell(value)


def place_first(cells: Sequence[Any]) -> tuple[Any, ...]:
    """Put the last two cells of a rejected row, its line and the reason, before the row itself."""
    return (*cells[-2:], *cells[:-2])


def reject_reasons(job: Job) -> tuple[str, ...]:
    """Why rows were left out, as far as the report lists them."""
    tables = job.report.tables if job.report else ()
    return tuple(sorted({str(row[-1]) for table in tables if table.name == "rejected" for row in table.rows}))


def chart_title(spec: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Return what a Vega-Lite chart is called, and the line below that."""
    title = spec.get("title") or label(name)
    if isinstance(title, Mapping):
        return _joined(title.get("text") or label(name)), _joined(title.get("subtitle") or "")
    return _joined(title), ""


def _joined(text: Any) -> str:
    return " ".join(map(str, text)) if isinstance(text, list) else str(text)


FILTERS = {
    "spelled": spelled,
    "chart_title": chart_title,
    "account": account,
    "reject_reasons": reject_reasons,
    "place_first": place_first,
    "number": number,
    "cell": cell,
    "size": size,
    "duration": duration,
    "moment": moment,
    "label": label,
    "percent": percent,
    "numeric_columns": numeric_columns,
}

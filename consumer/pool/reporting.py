"""From what a kind found to what the job shows: plain JSON values, shortened tables, a sentence. Runs in the pool."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Container, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any

import pandas as pd

from consumer import kinds
from consumer.kinds import Kind
from consumer.origins import sure, whole
from protocol.job import Chart, Report, Table

SHOWN = 50  # rows of a table that travel with the job
CELLS = 5000  # and cells, where the table is wide
INHERITED = frozenset(  # by every object of JavaScript, so that a group of this name is a function there
    {"constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf"}
    | {"__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"}
)
UNSEEN = "\N{ZERO WIDTH SPACE}"
_JSON = {str, int, bool, type(None)}  # as they are
LONGEST = 200  # characters of a cell that travel with the job; the artefact has all of them


def show(
    kind: Kind, found: kinds.Report, params: Any, *, share: float, counted: Mapping[str, int] = MappingProxyType({})
) -> Report:
    """What is known after *share* of the bytes; how many rows are selected is not known yet."""
    numbers = _numbers(found.numbers) | dict(counted)
    if kind.select is not None:
        numbers[kind.selected] = None
    return Report(
        headline=headline(kind, numbers),
        numbers=numbers,
        tables=tuple(table(name, frame) for name, frame in found.tables.items()),
        charts=charts(kind, found, params),
        share=share,
    )


def conclude(kind: Kind, shown: Report, *, selected: int | None, more: Sequence[Table]) -> Report:
    """The final report: with the count of selected rows, where there are any to select, and *more* tables."""
    numbers = shown.numbers | ({} if selected is None else {kind.selected: selected})
    changes = {"numbers": numbers, "headline": headline(kind, numbers), "tables": (*shown.tables, *more)}
    return shown.model_copy(update=changes | {"share": 1.0, "final": True})


def headline(kind: Kind, numbers: Mapping[str, Any]) -> str:
    return whole(sure(kind.headline(numbers), str, "its headline"))


def charts(kind: Kind, found: kinds.Report, params: Any) -> tuple[Chart, ...]:
    if kind.chart is None:
        return ()
    spec = sure(kind.chart(found, params), dict, "its chart")
    return (Chart(name=whole(str(spec.get("name", "chart"))), spec=drawable(_plain(spec))),)


def drawable(part: Any) -> Any:
    """A part of a chart's spec as Vega can draw it: it looks up groups and titles among what all objects have."""
    match part:
        case str():
            return f"{part}{UNSEEN}" if part in INHERITED else part
        case dict():
            return {drawable(name): drawable(value) for name, value in part.items()}
        case list():
            return [drawable(value) for value in part]
    return part


def flat(frame: pd.DataFrame) -> pd.DataFrame:
    """*frame* with the keys of its index as its first columns, as `groupby` leaves them; row numbers are no keys."""
    names = [" ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.columns]
    named = frame if names == [*frame.columns] else frame.set_axis(names, axis=1)
    if frame.index.identical(pd.RangeIndex(len(frame))):
        return named
    keyed = frame.index.names != [None] or not pd.api.types.is_integer_dtype(frame.index)
    return named.reset_index(drop=not keyed, allow_duplicates=True)


def table(name: str, found: pd.DataFrame) -> Table:
    frame = flat(sure(found, pd.DataFrame, f"its table {name!r}"))
    columns = tuple(map(whole, frame.columns))
    shown = frame if len(frame) <= (room := _room(columns)) else frame.head(room)
    cells = [[_short(_plain(value)) for value in series] for _, series in shown.items()]
    rows = tuple(zip(*cells, strict=True))
    return _made(name, columns, rows, truncated=len(frame) > len(shown))


def preview(name: str, text: bytes, *, numbers: Container[str], whole: bool) -> Table:
    """The first rows of a CSV artefact that begins with *text*; the columns *numbers* become JSON numbers."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    lines = csv.reader(io.StringIO(text.decode(errors="ignore"), newline=""))
    columns = tuple(next(lines))
    room = _room(columns)
    some = list(islice(lines, room + 1))
    known = some[:room] if whole else some[:-1]  # the last may be cut
    named = zip(columns, zip(*known, strict=True), strict=True) if known else ()
    read = [list(map(_number, cells)) if column in numbers else _shortened(cells) for column, cells in named]
    rows = tuple(zip(*read, strict=True))
    return _made(name, columns, rows, truncated=not whole or len(some) > room)


def _made(name: str, columns: tuple[str, ...], rows: tuple[tuple[Any, ...], ...], *, truncated: bool) -> Table:
    """Not looked at once more cell by cell: what `_plain` returns, and text, are JSON values."""
    return Table.model_construct(name=name, columns=columns, rows=rows, truncated=truncated)


def _shortened(cells: Sequence[str]) -> Sequence[str]:
    return cells if len(max(cells, key=len)) <= LONGEST else [_short(cell) for cell in cells]


def _room(columns: Sequence[str]) -> int:
    return max(1, min(SHOWN, CELLS // max(1, len(columns))))


def _short(value: Any) -> Any:
    return f"{value[:LONGEST]}…" if isinstance(value, str) and len(value) > LONGEST else value


def _number(text: str) -> Any:
    try:
        return _finite(float(text)) if text else None
    except ValueError:
        return text


def _numbers(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {whole(str(name)): _plain(value) for name, value in numbers.items()}


def _plain(value: Any) -> Any:
    """The JSON value of what pandas and numpy hand out; what is no number is null."""
    if type(value) in _JSON:
        return whole(value) if isinstance(value, str) else value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):  # most are
        return _finite(value)
    if isinstance(value, Mapping):
        return {whole(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is pd.NA or value is pd.NaT:
        return None
    return value if isinstance(value, int) else whole(str(value))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""One sheet of small charts, as Vega-Lite with its data inside: a histogram for what is measured, else the top values.

Colours of text and ground are left to whoever draws it, so that a dark page draws it dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from consumer.parts.bars import BLUE, SCHEMA
from consumer.parts.sentences import count

MOST_CHARTS = 24
ACROSS, WIDTH, HEIGHT, STEP = 3, 150, 100, 15
MOST_BARS = 7
LONGEST = 28  # characters of a value
Chart = dict[str, Any]
Row = dict[str, Any]


def sheet(columns: pd.DataFrame, values: pd.DataFrame, histograms: pd.DataFrame) -> Chart:
    """Of the tables that findings makes."""
    bars, intervals = _by_column(values), _by_column(histograms)
    charts = []
    for row in _rows(columns):
        name = row["column"]
        if intervals.get(name):
            charts.append(_histogram(row, intervals[name]))
        elif bars.get(name):
            charts.append(_bars(row, bars[name]))
    shown = charts[:MOST_CHARTS]
    left = f"The first {MOST_CHARTS} of {len(charts):,} columns that can be drawn." if len(charts) > MOST_CHARTS else ""
    title = {"text": "The columns", "subtitle": left if shown else "There is nothing to draw.", "anchor": "start"}
    return {
        "$schema": SCHEMA,
        "name": "columns",
        "title": title,
        "description": _aloud(columns),
        "columns": ACROSS,
        "spacing": 24,
        "concat": shown or [_nothing()],
    }


def _by_column(table: pd.DataFrame) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in _rows(table):
        found.setdefault(row["column"], []).append(row)
    return found


def _rows(table: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _histogram(column: Row, rows: Sequence[Row]) -> Chart:
    inside = [row for row in rows if row["from"] is not None and row["to"] is not None]
    outside = sum(row["count"] for row in rows) - sum(row["count"] for row in inside)
    dated = column["type"] == "date"
    kind: Row = {"type": "temporal", "scale": {"type": "utc"}} if dated else {"type": "quantitative"}
    axis = {"tickCount": 4, "labelOverlap": True, **({} if dated else _labels(inside))}
    shape: Row = {
        "mark": {"type": "bar", "color": BLUE, "tooltip": True, "binSpacing": 1},
        "encoding": {
            "x": {"field": "from", "title": None, **kind, "bin": "binned", "axis": axis},
            "x2": {"field": "to"},
            "y": {"field": "count", "type": "quantitative", "title": None, "axis": _counts()},
            "tooltip": [{"field": name, "type": "nominal"} for name in ("from", "to", "count")],
        },
    }
    data = [{"from": row["from"], "to": row["to"], "count": row["count"]} for row in inside]
    return _small(
        column, f"{_kind(column)}{f', {outside:,} beyond' if outside else ''}", data, shape | {"height": HEIGHT}
    )


def _bars(column: Row, rows: Sequence[Row]) -> Chart:
    shown = [
        {"value": _label(place, row["value"]), "count": row["count"]} for place, row in enumerate(rows[:MOST_BARS])
    ]
    shape = {
        "height": {"step": STEP},
        "mark": {"type": "bar", "color": BLUE, "tooltip": True},
        "encoding": {
            "y": {"field": "value", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 85}},
            "x": {"field": "count", "type": "quantitative", "title": None, "axis": _counts()},
        },
    }
    return _small(column, _told(column), shown, shape)


def _small(column: Row, told: str, data: Sequence[Row], shape: Row) -> Chart:
    title = {
        "text": _cut(column["column"]),
        "subtitle": told,
        "anchor": "start",
        "frame": "group",
        "limit": WIDTH + 60,
    }
    return {"title": title, "width": WIDTH, "data": {"values": list(data)}, **shape}


def _nothing() -> Chart:
    return {"width": WIDTH, "height": STEP, "data": {"values": []}, "mark": "bar"}


def _kind(column: Row) -> str:
    return f"{column['type']}, {column['missing']:,} blank" if column["missing"] else str(column["type"])


def _told(column: Row) -> str:
    about = "" if column["distinct_is"] == "exact" else "about "
    return f"{_kind(column)}, {about}{column['distinct']:,} different"


def _aloud(columns: pd.DataFrame) -> str:
    """The sheet in words, for those who do not see it."""
    told = [
        f"{_cut(row['column'])}: {_told({str(k): v for k, v in row.items()})}" for row in columns.to_dict("records")
    ]
    more = f"; and {count(len(told) - MOST_CHARTS, 'more')}" if len(told) > MOST_CHARTS else ""
    return f"How the values of the columns are spread. {'; '.join(told[:MOST_CHARTS])}{more}."


def _counts() -> Row:
    return {"tickCount": 3, "tickMinStep": 1, "labelExpr": "format(datum.value, '~s')"}


def _labels(rows: Sequence[Row]) -> Row:
    """Short on the axis: 200k; but 2019 stays 2019."""
    largest = max(abs(row[end]) for row in rows for end in ("from", "to"))
    how = "~s" if largest >= 1e5 else "~f" if largest >= 1e-3 else "~g"  # noqa: PLR2004
    return {"labelExpr": f"format(datum.value, '{how}')"}


def _label(place: int, value: str) -> str:
    """Two long values that begin alike stay two bars."""
    return value if len(value) <= LONGEST else f"{value[:LONGEST]}… ({place + 1})"


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}…"

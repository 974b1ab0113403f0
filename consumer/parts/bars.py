"""One bar chart, as Vega-Lite with its data inside, that reads well on a page, in a mail and aloud."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from consumer.exact import Sums
from consumer.parts.sentences import count, number

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
MOST_BARS = 20
LONGEST = 60  # characters of a name
SHORTENED = 1e5  # from here on the axis says 100k
Bar = tuple[str, float]
BLUE = "#4c78a8"  # seen on white and on near-black


def bars(name: str, title: str, names: Sequence[str], sizes: Sequence[float], axes: tuple[str, str]) -> dict[str, Any]:
    """Horizontal bars, the largest first; those beyond MOST_BARS are told in the subtitle, not drawn.

    Colours of text and ground are left to whoever draws it, so that a dark page draws it dark.
    """
    known = [(label, size) for label, size in zip(names, sizes, strict=True) if math.isfinite(size)]
    ranked = sorted(known, key=lambda bar: (-bar[1], bar[0]))
    shown, others = list(map(_labelled, range(MOST_BARS), ranked)), ranked[MOST_BARS:]
    subtitle = _told(others, len(ranked), axes[1])
    return {
        "$schema": SCHEMA,
        "name": name,
        "title": {"text": title, "subtitle": subtitle, "anchor": "start", "frame": "group", "limit": 480},
        "description": _aloud(title, shown, subtitle),
        "width": 480,
        "height": {"step": 22},
        "data": {"values": [{"name": label, "size": size} for label, size in shown]},
        "mark": {"type": "bar", "color": BLUE, "tooltip": True},
        "encoding": _encoding(axes, shortened=any(abs(size) >= SHORTENED for _, size in shown)),
    }


def _encoding(axes: tuple[str, str], *, shortened: bool) -> dict[str, Any]:
    name = {"field": "name", "type": "nominal", "title": axes[0]}
    size = {"field": "size", "type": "quantitative", "title": axes[1]}
    return {
        "y": {**name, "sort": None, "axis": {"labelLimit": 160}},
        "x": {**size, "axis": {"tickCount": 6, **({"format": "~s"} if shortened else {})}},
        "tooltip": [name, {**size, "format": ",.2f"}],
    }


def _labelled(place: int, bar: Bar) -> Bar:
    """The bar with a name that fits into a label; two long names that begin alike stay two bars."""
    name, size = bar
    return (name if len(name) <= LONGEST else f"{name[:LONGEST]}… ({place + 1})", size)


def _told(others: Sequence[Bar], of: int, what: str) -> str:
    if not others:
        return "" if of else "There is nothing to draw."
    rest = number(Sums.of(np.array([size for _, size in others])).value)
    return f"The {MOST_BARS} largest of {of:,}; {what.lower()} of the {count(len(others), 'other')}: {rest}."


def _aloud(title: str, shown: Sequence[Bar], subtitle: str) -> str:
    """The chart in words, for those who do not see it."""
    listed = "; ".join(f"{label}: {number(size)}" for label, size in shown)
    return f"{title}. Bar chart. {listed}{'. ' if listed else ''}{subtitle}".strip()

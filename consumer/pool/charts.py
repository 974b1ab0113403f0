"""Draws a chart from its Vega-Lite spec. Brings V8 and some 170 MB: only a process that ends soon shall import it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import vl_convert

SCALE = 2.0  # pixels of the PNG for each of the chart's, so that it is sharp on any screen
LOOKS = {
    "font": "Liberation Sans, Arial, Helvetica, sans-serif",
    "background": "white",
}  # the first comes with the renderer
LEAST = {"mark": "bar", "data": {"values": [{}]}}
_ELSEWHERE = re.compile(r'<image\b[^>]*\bhref="(?!data:)')
_BEYOND = re.compile("[\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Rendered:
    svg: bytes
    png: bytes


def render(spec: dict[str, Any]) -> Rendered:
    """Draw *spec*; the same spec gives the same bytes. Nothing is loaded from anywhere: its data has to be inside."""
    try:
        svg = _svg(spec)
    except ValueError:  # it trips over an emoji that it has cut in two, to make a label fit
        svg = _svg(_without_pairs(spec))
    if _ELSEWHERE.search(svg):  # whoever makes a PNG of it or shows it would go and get it
        raise ValueError("A chart may show no image that has to be loaded.")
    return Rendered(svg.encode(), vl_convert.svg_to_png(svg, scale=SCALE))


@cache
def get_ready() -> None:
    """Draw something: in a new process the first chart takes half a second, for V8 and Vega start with it."""
    render(LEAST)


def _svg(spec: dict[str, Any]) -> str:
    return vl_convert.vegalite_to_svg(spec, config=LOOKS, allowed_base_urls=[])


def _without_pairs(spec: dict[str, Any]) -> dict[str, Any]:
    """*spec* without characters that are two units of UTF-16, such as emojis."""
    plain: dict[str, Any] = json.loads(_BEYOND.sub("\N{WHITE SQUARE}", json.dumps(spec, ensure_ascii=False)))
    return plain

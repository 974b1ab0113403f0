"""Draws a chart from its Vega-Lite spec. Brings V8 and some 170 MB: only a process that ends soon shall import it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import vl_convert

SCALE = 2.0  # pixels of the PNG for each of the chart's, so that it is sharp on any screen
LOOKS = {
    "font": "Liberation Sans, Arial, Helvetica, sans-serif",
    "background": "white",
}  # the first comes with the renderer


@dataclass(frozen=True)
class Rendered:
    svg: bytes
    png: bytes


def render(spec: dict[str, Any]) -> Rendered:
    """Draw *spec*; the same spec gives the same bytes. Nothing is loaded from anywhere: its data has to be inside."""
    svg = vl_convert.vegalite_to_svg(spec, config=LOOKS, allowed_base_urls=[])
    png = vl_convert.vegalite_to_png(spec, scale=SCALE, config=LOOKS, allowed_base_urls=[])
    return Rendered(svg.encode(), png)

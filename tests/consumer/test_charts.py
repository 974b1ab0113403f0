"""Drawing: real pictures, the same bytes each time, and nothing from outside."""

from __future__ import annotations

import base64
import struct
from xml.etree import ElementTree as ET

import pytest

from consumer.parts.bars import bars
from consumer.pool import charts, reporting

SPEC = bars(
    "revenue", "Revenue by region", ["East", "<b>North</b> & co", "東"], [1.5e6, 220.0, -3.0], ("Region", "Revenue")
)


def test_a_chart_is_drawn_as_svg_with_its_words_and_nothing_of_them_is_markup():
    root = ET.fromstring(charts.render(SPEC).svg)
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Revenue by region", "East", "<b>North</b> & co", "東", "Region", "Revenue"} <= texts
    assert not [element for element in root.iter() if element.tag.endswith(("}b", "}script", "}foreignObject"))]


def test_names_that_every_object_of_javascript_has_are_drawn_like_any_other():
    names = sorted(reporting.INHERITED)
    spec = bars("groups", "valueOf", names, [1.0] * len(names), ("constructor", "toString"))
    drawn = charts.render(reporting.drawable(spec)).svg
    assert drawn.count(b'aria-roledescription="bar"') == len(names)
    assert "constructor" in drawn.decode()


def test_a_chart_is_drawn_as_png_at_twice_its_size_and_fits_a_mail():
    drawn = charts.render(SPEC)
    assert drawn.png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", drawn.png[16:24])
    svg = ET.fromstring(drawn.svg)
    assert (width, height) == (2 * int(svg.get("width")), 2 * int(svg.get("height")))
    assert width <= 1400
    assert len(drawn.png) < 300_000


def test_the_same_spec_gives_the_same_bytes():
    assert charts.render(SPEC) == charts.render(SPEC)


def test_a_name_of_emojis_that_is_too_long_for_its_label_costs_no_picture():
    names = ["\N{GRINNING FACE}" * length for length in range(41, 61)]
    root = ET.fromstring(charts.render(bars("r", "R", names, [1.0] * 20, ("a", "b"))).svg)
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sum(text[:1] in {"\N{GRINNING FACE}", "\N{WHITE SQUARE}"} for text in texts if text) == 20


def test_an_empty_chart_is_a_chart():
    assert b"There is nothing to draw." in charts.render(bars("r", "R", [], [], ("a", "b"))).svg


def test_the_ground_is_white_unless_the_spec_says_otherwise():
    assert b'fill="white"' in charts.render(SPEC).svg
    assert b'fill="#123456"' in charts.render(SPEC | {"background": "#123456"}).svg


def test_data_from_outside_is_refused():
    with pytest.raises(ValueError, match="not allowed"):
        charts.render(SPEC | {"data": {"url": "http://127.0.0.1:9/x.csv"}})


def test_an_image_from_outside_is_refused():
    image = {"mark": "image", "encoding": {"url": {"field": "a"}}}
    with pytest.raises(ValueError, match="no image"):
        charts.render(image | {"data": {"values": [{"a": "http://127.0.0.1:9/x.png"}]}})
    inside = "data:image/png;base64," + base64.b64encode(charts.render(SPEC).png).decode()
    assert b"<image" in charts.render(image | {"data": {"values": [{"a": inside}]}}).svg


def test_a_file_of_this_machine_is_not_read(tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("name,size\nSecretia,5\n")
    assert b"Secretia" not in charts.render(SPEC | {"data": {"url": secret.as_uri(), "format": {"type": "csv"}}}).svg

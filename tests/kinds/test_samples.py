"""The samples: what the generator writes, and as dirty as they say. Read here with nothing but the csv module."""

from __future__ import annotations

import csv
import io
import math
import re
import runpy
from pathlib import Path

import pytest

from consumer.kinds import sales, summary
from consumer.kinds.testing import check_laws
from tests.kinds.typed_frames import frame

SAMPLES = Path(__file__).parents[2] / "samples"
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
NEEDED = ("region", "revenue", "quantity", "discount")


def rows_of(name):
    text = (SAMPLES / name).read_bytes().decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    return [name.strip() for name in header], [row for row in rows if row]


def reason(header, cells):
    """Why a row of sales.csv is left out, or None."""
    if len(cells) != len(header):
        return "short_row" if len(cells) < len(header) else "long_row"
    row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    for name in NEEDED:
        if found := fault(name, row[name]):
            return found
    return None if float(row["quantity"]) else "zero_quantity"


def fault(name, cell):
    if not cell:
        return "missing"
    if name == "region":
        return None
    if cell.lower().lstrip("+-") in ("inf", "infinity", "nan"):
        return "not_finite"
    if not NUMBER.fullmatch(cell):
        return "not_a_number"
    return None if math.isfinite(float(cell)) else "not_finite"


def test_the_committed_samples_are_those_that_the_generator_writes():
    made = dict(runpy.run_path(str(SAMPLES / "make.py"))["tables"]())
    assert set(made) == {"sales.csv", "summary.csv", "users.csv", "players.csv"}
    for name, content in made.items():
        assert (SAMPLES / name).read_bytes() == content
        assert len(content) < 200_000


def test_the_sales_sample_has_every_kind_of_dirt_and_says_how_much():
    header, rows = rows_of("sales.csv")
    reasons = [reason(header, row) for row in rows]
    assert {*reasons} == {
        None,
        "missing",
        "not_a_number",
        "not_finite",
        "short_row",
        "long_row",
        "zero_quantity",
    }
    kept = reasons.count(None)
    assert f"Of the {len(rows):,} orders {kept:,} are used and {len(rows) - kept} are left out." in readme()


def readme():
    return (SAMPLES / "README.md").read_text()


def test_the_sales_sample_has_regions_to_compare_and_a_few_anomalies():
    header, rows = rows_of("sales.csv")
    good = [dict(zip(header, row, strict=True)) for row in rows if reason(header, row) is None]
    table = frame({name: [cell(name, row[name]) for row in good] for name in NEEDED})
    report = check_laws(sales.KIND, table)
    anomalies = sales.select(table, None, sales.chunk(table, sales.SalesParams()), sales.SalesParams())
    assert report.numbers["kept"] == len(good)
    assert len(report.tables["summary"]) > 8
    assert 10 < len(anomalies) < 100


def cell(name, text):
    return text.strip() if name == "region" else float(text)


def test_the_summary_sample_has_blanks_and_words():
    header, rows = rows_of("summary.csv")
    assert header == ["region", "value_column"]
    values = [value for _, value in rows]
    assert "" in values
    assert "unknown" in values
    assert "" in [region for region, _ in rows]
    usable = [(region or None, float(value or "nan")) for region, value in rows if value != "unknown"]
    table = frame({"region": [name for name, _ in usable], "value_column": [value for _, value in usable]})
    assert check_laws(summary.KIND, table, rejected=values.count("unknown")).numbers["total_rows"] == 240


def test_the_players_sample_has_its_header_to_the_letter_and_blank_heights():
    first, *lines = (SAMPLES / "players.csv").read_text(encoding="utf-8").splitlines()
    assert first == "Name, Team, Position, Height(inches), Weight(lbs), Age"
    assert any(", , " in line for line in lines)


@pytest.mark.parametrize(
    "wrong", [",\n", "nobody\n", "@\n", "USER", ",surplus\n", "  padded@example.com  \n", "Alone\n"]
)
def test_the_users_sample_has_every_kind_of_wrong_address(wrong):
    assert wrong in (SAMPLES / "users.csv").read_text(encoding="utf-8")

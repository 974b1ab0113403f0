"""From bytes to artefacts: `summary` and `profile` jobs come to what a plain loop over the rows finds, for any cut."""

from __future__ import annotations

import csv
import io
import random
import tempfile
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.consumer import milling
from tests.consumer.test_any_cut import HEADER, tables, to_number

ORDERS = st.randoms(use_true_random=False)
FEW = settings(max_examples=15)


def results(kind: str, data: bytes, shuffle: random.Random, **params: Any) -> tuple[Any, dict[str, list[list[str]]]]:
    """The report and the rows of the files, the same for each cut."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for pieces in (1, 3, 50):
            size = max(1, len(data) // pieces)
            task = milling.submit(Path(folder), data, name=str(pieces), kind=kind, chunk_size=size, **params)
            found.append(milling.run(task, shuffle).result)
    report, files = found[0]
    assert all(other == files for _, other in found)
    assert all(other.model_dump_json() == report.model_dump_json() for other, _ in found)
    tables = {name: body.decode() for name, body in files.items() if name.endswith(".csv")}
    return report, {name: list(csv.reader(io.StringIO(text, newline=""))) for name, text in tables.items()}


@FEW
@given(tables(), ORDERS)
def test_a_summary_is_that_of_a_plain_loop(table: Any, shuffle: random.Random) -> None:
    data, body = table
    columns = {"value_column": "revenue", "group_column": "region"}
    report, files = results("summary", data, shuffle, delimiter=None, **columns)
    values: list[Fraction] = []
    groups: dict[str, Fraction] = {}
    rejected = 0
    for region, _, revenue, *_ in body:
        number = to_number(revenue)
        if revenue.strip() and number is None:
            rejected += 1
            continue
        if number is not None:
            values.append(Fraction(number))
        if region.strip():
            groups[region.strip()] = groups.get(region.strip(), Fraction()) + Fraction(number or 0)
    top = min(groups, key=lambda name: (-groups[name], name), default=None)
    numbers = report.numbers
    assert (numbers["total_rows"], numbers["rejected"], numbers["top_group"]) == (len(body), rejected, top)
    assert numbers["top_group_total"] == (None if top is None else float(groups[top]))
    assert numbers["average"] == (float(sum(values) / len(values)) if values else None)
    assert [row[0] for row in files["summary.csv"][1:]] == sorted(groups)
    assert [float(row[2]) for row in files["summary.csv"][1:]] == pytest.approx(
        [float(groups[name]) for name in sorted(groups)], rel=1e-14
    )
    assert len(files["rejected.csv"]) == rejected + 1


@FEW
@given(tables(), ORDERS)
def test_a_profile_is_that_of_a_plain_loop(table: Any, shuffle: random.Random) -> None:
    data, body = table
    report, files = results("profile", data, shuffle, delimiter=None)
    rows = [tuple(cell.strip() for cell in row) for row in body]
    numbers = report.numbers
    assert (numbers["rows"], numbers["columns"], numbers["rejected"]) == (len(rows), len(HEADER), 0)
    assert numbers["duplicate_rows"] == len(rows) - len(set(rows))
    assert numbers["blank_cells"] == sum(cell == "" for row in rows for cell in row)
    shown = [dict(zip(files["columns.csv"][0], row, strict=True)) for row in files["columns.csv"][1:]]
    assert [column["column"] for column in shown] == list(HEADER)
    for place, column in enumerate(shown):
        cells = [row[place] for row in rows if row[place]]
        counts = Counter(cells)
        assert (int(column["count"]), int(column["distinct"])) == (len(cells), len(counts))
        assert int(column["missing"]) == len(rows) - len(cells)
        listed = {value: int(many) for name, value, many, *_ in files["values.csv"][1:] if name == column["column"]}
        often = sorted((many for many in counts.values() if many > 1), reverse=True)[:10]
        assert sorted(listed.values(), reverse=True) == often
        assert all(counts[value] == many for value, many in listed.items())
        measured = [to_number(cell) for cell in cells]
        if column["type"] in {"integer", "number"}:
            assert None not in measured
            assert (float(column["min"]), float(column["max"])) == (min(measured), max(measured))

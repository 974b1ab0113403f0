"""The steps of a `sales` job from bytes to artefacts: however the table is written and cut, and in whatever order its
chunks end, the files are the same to the byte, and what a plain pandas program finds."""

from __future__ import annotations

import csv
import io
import math
import random
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.kinds import summary
from consumer.pool import work
from consumer.steps import Finished, Task
from protocol.files import open_blocking
from tests.consumer import milling

HEADER = ("region", "note", "revenue", "quantity", "discount")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

texts = st.text(st.sampled_from('ab ,;\t|"\néß'), max_size=6)
good = st.sampled_from(["1", "-2.5", "10", " 7 ", "1e2", "0.1", ".5", "120"])
cells = st.one_of(good, good, good, st.sampled_from(["", "0", "abc", "1,5", "inf", "1e400", "0x1", "\uff11"]))
rows = st.tuples(st.sampled_from(["North", "South", " East ", ""]), texts, cells, cells, cells)


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, ...]]]:
    """A table as bytes, and its rows as they were meant."""
    body = draw(st.lists(rows, max_size=25))
    delimiter, end = draw(st.sampled_from(",;\t|")), draw(st.sampled_from(["\n", "\r\n"]))
    out = io.StringIO(newline="")
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(HEADER)
    for row in body:
        writer.writerow(row)
        if draw(st.booleans()):
            out.write(end)  # a blank line is no row
    mark = b"\xef\xbb\xbf" if draw(st.booleans()) else b""
    return mark + out.getvalue().encode(), body


def run_steps(folder: Path, data: bytes, pieces: int, shuffle: random.Random) -> tuple[Finished, dict[str, bytes]]:
    """What the consumer does, with the chunks of both passes in any order."""
    size = max(1, len(data) // pieces)
    task = milling.submit(folder, data, name="x", kind="sales", chunk_size=size, delimiter=None)
    ran = milling.run(task, shuffle)
    return ran.finished, ran.result[1]


def to_number(text: str) -> float | None:
    text = text.strip()
    value = float(text) if NUMBER.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def oracle(body: list[tuple[str, ...]]) -> tuple[pd.DataFrame, list[str], list[str], int]:
    """The plain way: the summary, the notes of rows that stand out for sure and perhaps, and how many are rejected.

    Perhaps: plain sums are rounded, so a row that lies on the threshold may come to lie on either side of it.
    """
    frame = pd.DataFrame([[cell.strip() for cell in row] for row in body], columns=list(HEADER), dtype=object)
    for name in HEADER[2:]:
        frame[name] = pd.Series([to_number(text) for text in frame[name]], dtype="float64")
    kept = frame[
        (frame["region"] != "") & frame[list(HEADER[2:])].notna().all(axis=1) & (frame["quantity"] != 0)
    ].copy()
    kept["per_unit"] = kept["revenue"] / kept["quantity"]
    how: Any = {"revenue": ["sum", "mean"], "quantity": ["sum"], "discount": ["mean"]}
    summary = kept.groupby("region").agg(how)
    limit = kept["per_unit"].mean() + 2 * kept["per_unit"].std()
    slack = 1e-9 * kept["per_unit"].abs().max()
    sure, perhaps = kept[kept["per_unit"] > limit + slack], kept[kept["per_unit"] > limit - slack]
    return summary, sure["note"].tolist(), perhaps["note"].tolist(), len(frame) - len(kept)


def is_part(some: list[str], of: list[str]) -> bool:
    """Whether *some* are all in *of*, in that order."""
    rest = iter(of)
    return all(one in rest for one in some)


@settings(max_examples=60)
@given(tables(), st.randoms(use_true_random=False))
def test_the_result_does_not_depend_on_the_cut_and_is_the_oracle_s(table: Any, shuffle: random.Random) -> None:
    data, body = table
    with tempfile.TemporaryDirectory() as folder:
        (whole, expected), *others = (run_steps(Path(folder), data, pieces, shuffle) for pieces in (1, 2, 3, 50))
        for _, found in others:
            assert found == expected
    summary, sure, perhaps, rejected = oracle(body)
    numbers = whole.report.numbers
    assert (numbers["kept"], numbers["rejected"]) == (len(body) - rejected, rejected)
    shown = pd.read_csv(io.BytesIO(expected["summary.csv"]), keep_default_na=False)
    assert shown["region"].tolist() == sorted(summary.index)
    for place, column in enumerate(shown.columns[1:]):
        assert shown[column].tolist() == pytest.approx(summary.iloc[:, place].tolist(), rel=1e-12, abs=1e-12)
    picked = [row["note"] for row in csv.DictReader(io.StringIO(expected["anomalies.csv"].decode(), newline=""))]
    assert is_part(sure, picked)
    assert is_part(picked, perhaps)
    assert len(list(csv.reader(io.StringIO(expected["rejected.csv"].decode(), newline="")))) == rejected + 1


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["rising", "falling", "any"]), st.sampled_from([0.0, 0.1, 0.5, 2.0]))
def test_the_second_pass_selects_the_same_rows_of_the_short_list_as_of_the_chunk(
    seed: int, order: str, sigma: float
) -> None:
    dice = random.Random(seed)
    revenue = [round(dice.lognormvariate(3, 1), 2) for _ in range(dice.randint(2, 400))]
    revenue = revenue if order == "any" else sorted(revenue, reverse=order == "falling")
    cells = [dice.choice([str(value), f' "{value}"', f'" {value}"', "", "n/a"]) for value in revenue]
    lines = [f'R{dice.randint(0, 3)},"a\n{n}",{cell},{dice.randint(0, 5)},0.1\n' for n, cell in enumerate(cells)]
    data = f"{','.join(HEADER)}\n{''.join(lines)}".encode()
    with tempfile.TemporaryDirectory() as folder:
        task = milling.submit(
            Path(folder), data, name="x", kind="sales", chunk_size=dice.randint(50, len(data)), sigma=sigma
        )
        ran = second_pass(task)
    assert [found for found, _ in ran] == [expected for _, expected in ran]


def second_pass(task: Task) -> list[tuple[Any, Any]]:
    """For each chunk what it gives with its short list, and without: how many rows, and their bytes."""
    plan = work.plan(task)
    milled = [work.mill(task, plan.survey, chunk) for chunk in plan.mill.chunks]
    [total] = work.fold(task, plan.runs(milled))
    files, results = open_blocking(task.files_url), []
    for index, (chunk, one) in enumerate(zip(plan.mill.chunks, milled, strict=True)):
        found = []
        for listed in (one.listed, None):
            chosen = work.select(task, plan.survey, chunk, None, total.partial, listed)
            key = task.piece("selected", index)
            found.append((chosen, files.read(key, 0, files.size(key)) if chosen.rows else b""))
        results.append((found[0], found[1]))
    return results


def test_rows_on_the_short_list_are_read_and_a_chunk_whose_bound_was_too_high_is_read_again(tmp_path: Path) -> None:
    high = "".join(f"A,n,{100 * (n % 7)},1,0\n" for n in range(500))
    low = "".join(f"A,n,{900 if n % 100 == 0 else n % 7},1,0\n" for n in range(500))
    data = f"{','.join(HEADER)}\n{high}{low}".encode()
    task = milling.submit(tmp_path, data, name="x", kind="sales", chunk_size=len(high), sigma=1)
    plan = work.plan(task)
    milled = [work.mill(task, plan.survey, chunk) for chunk in plan.mill.chunks]
    [total] = work.fold(task, plan.runs(milled))
    open_blocking(task.files_url).write(task.source_key, [b"?" * len(data)])  # whoever reads it again finds no row
    found = [
        work.select(task, plan.survey, chunk, None, total.partial, one.listed).rows
        for chunk, one in zip(plan.mill.chunks, milled, strict=True)
    ]
    assert found == [0, 5]


def test_simulated_work_is_spread_over_the_whole_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(summary, "time", SimpleNamespace(sleep=slept.append))
    data = b"region,value_column\n" + b"North,1\n" * 100
    task = milling.submit(tmp_path, data, name="x", kind="summary", chunk_size=300, simulate_seconds=60)
    plan = work.plan(task)
    for chunk in plan.mill.chunks:
        work.mill(task, plan.survey, chunk)
    assert len(slept) > 2
    assert sum(slept) == pytest.approx(60)
    assert slept[0] == pytest.approx(60 * plan.mill.sizes[0] / 800)

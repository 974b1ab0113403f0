"""Rows into the records, step by step as the consumer takes them: wherever the file is cut, what a plain loop does."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.kinds import players, users
from consumer.pool import passages, work
from consumer.steps import Run, Task
from protocol.files import open_blocking
from protocol.intake import BadTable
from protocol.kept import How
from protocol.records import Counts, open_records
from tests.consumer import milling

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", re.ASCII)
HEADER = ["Name", "Team", "Position", "Height(inches)", "Weight(lbs)", "Age"]
Rows = list[list[str]]
numbers = itertools.count()


def written(rows: Rows, *, blanks: bool = False) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    text = out.getvalue()
    return (text.replace(",", ", ") if blanks else text).encode()


def run(folder: Path, kind: str, table: bytes, pieces: int, order: Random) -> tuple[Counts, list[dict[str, Any]], str]:
    """What the engine does: the passes in any order, the loads in the file's. The counts, the table, the artefact."""
    folder /= str(next(numbers))
    task = milling.submit(folder, table, name="x", kind=kind, chunk_size=max(1, len(table) // pieces))
    ran = milling.run(task, order)
    assert ran.finished.report.account.skipped == ran.counts.skipped
    table_of = {"users": users.KIND, "players": players.KIND}[kind].load.table
    text = ran.artefact({"users": "rejected.csv", "players": "players.csv"}[kind]).decode()
    return ran.counts, open_records(task.records_url).page(table_of, after=0, limit=1000), text


addresses = st.sampled_from(["a@x.org", "A@X.org", " b@x.org ", "c@x.org", "", "nobody", "a@x"])
names = st.sampled_from(["Ann", "", " Bob ", "Doe, Jane", 'the "Q"', "real", "email address"])


def load_users(rows: Rows) -> tuple[list[tuple[str | None, str]], int, int]:
    """The plain loop: the table, how many were skipped, how many rejected."""
    table: dict[str, tuple[str | None, str]] = {}
    skipped = rejected = 0
    for row in rows:
        cells = [cell.strip() for cell in row]
        if len(cells) < 2 or not re.fullmatch(r"[abc]@x\.org", cells[1], re.IGNORECASE):
            rejected += 1
        elif cells[1].lower() in table:
            skipped += 1
        else:
            table[cells[1].lower()] = (cells[0] or None, cells[1])
    return list(table.values()), skipped, rejected


@given(
    rows=st.lists(st.tuples(names, addresses, st.lists(st.just("more"), max_size=2)), max_size=15),
    short=st.booleans(),
    header=st.sampled_from([[], ["real_name", "email"], [" real_name", "email "]]),
    seed=st.integers(0, 99),
    pieces=st.sampled_from([1, 3, 50]),
)
@settings(max_examples=40)
def test_users_are_what_a_plain_loop_loads(
    *, tmp_path_factory: Any, rows: Any, short: bool, header: list[str], seed: int, pieces: int
) -> None:
    lines = [[name, email, *more] for name, email, more in rows] + ([["alone"]] if short else [])
    table = written(([header] if header else []) + lines)
    folder = tmp_path_factory.getbasetemp() / "users"
    if not table.strip():
        with pytest.raises(BadTable):
            run(folder, "users", table, 1, Random(seed))
        return
    counts, found, _ = run(folder, "users", table, pieces, Random(seed))
    expected, skipped, _ = load_users(lines)
    assert [(row["real_name"], row["email"]) for row in found] == expected
    assert counts == Counts(inserted=len(expected), skipped=skipped)


heights = st.sampled_from(["70", "72", "", " 75", "71.5", "70.1", "abc", "-3", "1e3", "1e12"])
player_rows = st.lists(
    st.tuples(names, st.sampled_from(["BAL", ""]), heights, st.sampled_from(["180", ""])), max_size=15
)


def average(rows: Rows) -> list[int]:
    """The plain loop over the heights of the rows that are kept."""
    seen: list[float] = []
    found = []
    for row in rows:
        height = float(row[3]) if row[3] else 0.0
        found.append(int(math.fsum(seen) / len(seen)) if seen else int(height))
        seen.append(height)
    return found


@given(
    rows=player_rows,
    blanks=st.booleans(),
    own=st.booleans(),
    seed=st.integers(0, 99),
    pieces=st.sampled_from([1, 3, 50]),
)
@settings(max_examples=40)
def test_players_are_what_a_plain_loop_loads_and_writes(
    *, tmp_path_factory: Any, rows: Any, blanks: bool, own: bool, seed: int, pieces: int
) -> None:
    """Also where the table has a column of the added one's name: the result of an earlier run, run again."""
    more = ["current_average_height"] if own else []
    lines = [
        [name, team, "Pitcher", height, weight, "30.5", *("99" for _ in more)] for name, team, height, weight in rows
    ]
    table = written([[*HEADER, *more], *lines], blanks=blanks and not any("," in name for name, *_ in rows))
    counts, found, text = run(tmp_path_factory.getbasetemp() / "players", "players", table, pieces, Random(seed))
    kept = [[cell.strip() for cell in line] for line in lines if line[3] not in {"abc", "1e12"}]
    means = average(kept)
    header, *artefact = list(csv.reader(io.StringIO(text)))
    assert header == [*HEADER, "current_average_height"]
    assert artefact == [[*row[:6], str(mean)] for row, mean in zip(kept, means, strict=True)]
    assert counts == Counts(inserted=len(kept))
    assert [tuple(row.values())[1:] for row in found] == [
        (
            name or None,
            team or None,
            position,
            float(height) if height else None,
            float(weight) if weight else None,
            30.5,
            mean,
        )
        for (name, team, position, height, weight, *_), mean in zip(kept, means, strict=True)
    ]


def test_a_job_that_was_cut_in_one_way_is_cut_so_again_and_loads_nothing_twice(tmp_path: Path) -> None:
    """As after a cancel, when its checkpoints are gone, and a restart with other settings."""
    table = written([HEADER, *([f"P{n}", "T", "C", "70", "", ""] for n in range(40))])
    files = open_blocking(tmp_path.as_uri())
    files.write("uploads/x", [table])
    url = f"sqlite:///{tmp_path}/records.db"
    totals = []
    for chunk_size, most in ((100, 3), (400, 1000)):
        task = Task("x", tmp_path.as_uri(), "uploads/x", "x.csv", "r/", "players", {}, chunk_size, url)
        plan = work.plan(task)
        milled = [work.mill(task, plan.survey, chunk) for chunk in plan.mill.chunks]
        before = work.scan(task, [piece.partial for piece in milled])
        [total] = work.fold(task, [Run(n, n + 1, piece.partial) for n, piece in enumerate(milled)])
        counts = Counts()
        for n, chunk in list(enumerate(plan.mill.chunks))[:most]:
            work.select(task, plan.survey, chunk, before[n], total.partial)
            counts += work.load(task, n, plan.chunk_size)
        totals.append(counts.inserted)
    assert 0 < totals[0] < totals[1] == 40
    assert len(open_records(url).page(players.KIND.load.table, after=0, limit=100)) == 40


def test_rows_that_are_appended_are_loaded_in_as_small_transactions_as_a_whole_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passages, "MOST_LOADED", 5)
    rows = [["real_name", "email"], *([f"n{number}", f"a{number}@x.org"] for number in range(20))]
    first = milling.run(milling.submit(tmp_path, written(rows), name="x", kind="users", chunk_size=10**6))
    more = [rows[0], *([f"n{number}", f"b{number}@x.org"] for number in range(20))]
    after = milling.run(milling.amend(first, written(more), How.APPEND, name="more"))
    assert len(first.plan.mill) == len(after.plan.mill) > 3
    assert after.counts == Counts(inserted=40)

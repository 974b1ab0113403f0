"""Short lists: what the second pass may go by instead of the table, and when it may not. They change no result."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from consumer.pool import catalogue, shortlists, work
from tests.consumer import milling

HEADER = b"region,revenue,quantity,discount\n"
ROWS, CHUNKS = 500, 20
FAR_OUT = b"North,9999,1,0\n"


def table(*, far_out_in: int) -> tuple[bytes, int]:
    """Revenues of 1.00 to 9.99, and in one chunk a single row that is far out; with the size of a chunk."""
    rows = [b"North,%d.%02d,1,0\n" % (1 + nth % 9, nth % 100) for nth in range(ROWS * CHUNKS)]
    size = sum(map(len, rows[:ROWS]))
    rows[ROWS * far_out_in + 7] = FAR_OUT
    return HEADER + b"".join(rows), size


def listed(tmp_path: Path, far_out_in: int) -> list[bool]:
    """For each chunk whether its list suffices."""
    data, size = table(far_out_in=far_out_in)
    task = milling.submit(tmp_path, data, name=f"far{far_out_in}", kind="sales", chunk_size=size)
    kind, params = catalogue.understand(task)
    plan = work.plan(task)
    assert len(plan.mill) == CHUNKS
    milled = [work.mill(task, plan.survey, chunk) for chunk in plan.mill.chunks]
    [whole] = work.fold(task, plan.runs(milled))
    total = pickle.loads(whole.partial).partial
    lists: list[shortlists.Listed] = [pickle.loads(one.listed or b"") for one in milled]
    shortlist: Any = kind.shortlist
    return [one.suffices(shortlist, total, params) for one in lists]


@pytest.mark.parametrize("nth", [1, CHUNKS // 2, CHUNKS - 1])
def test_a_row_that_is_far_out_does_not_spoil_the_list_of_its_chunk(tmp_path: Path, nth: int) -> None:
    assert all(listed(tmp_path, nth))


def test_of_the_first_chunk_nothing_else_is_known_so_it_is_read_again(tmp_path: Path) -> None:
    assert listed(tmp_path, 0) == [False] + [True] * (CHUNKS - 1)


def test_what_was_known_of_another_table_changes_no_result(tmp_path: Path) -> None:
    data, size = table(far_out_in=3)
    fresh = milling.submit(tmp_path, data, name="fresh", kind="sales", chunk_size=size)
    right = milling.run(fresh).result
    shortlists.known("misled").partial = _partial(tmp_path, b"North,0.001,1,0\nNorth,0.002,1,0\n")
    misled = milling.submit(tmp_path, data, name="misled", kind="sales", chunk_size=size)
    ran = milling.run(misled)
    assert ran.result[0].numbers == right[0].numbers
    assert ran.result[1] == right[1]
    assert ran.artefact("anomalies.csv").count(b"\n") == 2


def _partial(tmp_path: Path, rows: bytes) -> Any:
    task = milling.submit(tmp_path, HEADER + rows, name="other", kind="sales", chunk_size=10**6)
    plan = work.plan(task)
    return pickle.loads(work.mill(task, plan.survey, plan.mill.chunks[0]).partial).partial

"""The partials of many chunks become one, and no worker is given all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer import folding
from consumer.pool import work
from consumer.steps import Plan, Run, Task
from tests.consumer import milling

ROWS = [f"{nth},{nth % 7},{'x' * (nth % 30)}\n" for nth in range(4000)]
TABLE = f"a,b,c\n{''.join(ROWS)}".encode()


def planned(folder: Path) -> tuple[Task, Plan]:
    task = milling.submit(folder, TABLE, name="x", kind="profile", chunk_size=4000)
    return task, work.plan(task)


def milled(folder: Path) -> tuple[Task, Sequence[Run]]:
    """Each chunk by itself."""
    task, plan = planned(folder)
    return task, plan.runs([work.mill(task, plan.survey, chunk) for chunk in plan.mill.chunks])


@pytest.mark.parametrize("most", [1, 100_000, 2**40])
async def test_however_many_partials_a_call_takes_the_result_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    task, runs = milled(tmp_path)
    given: list[int] = []

    async def call(step: str, _what: str, some: Sequence[Run]) -> Any:
        assert step == "fold"
        assert len(some) == 2 or sum(len(run.partial) for run in some) <= most
        given.append(len(some))
        return work.fold(task, some)

    monkeypatch.setattr(folding, "MOST", most)
    assert await folding.fold(call, runs) == work.fold(task, runs)[0]
    assert len(runs) > 10
    assert sum(given) == len(runs) + len(given) - 1  # each once, and what they came to
    assert (len(given) == 1) == (most > sum(len(run.partial) for run in runs))


async def test_a_single_chunk_needs_no_call() -> None:
    async def call(*_: Any) -> Any:
        raise AssertionError

    assert await folding.fold(call, [only := Run(0, 1, b"")]) is only


@pytest.mark.parametrize("held", [0, 2**40])
async def test_of_what_was_done_before_neighbours_become_one_where_that_is_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    task, runs = milled(tmp_path)
    known = (*runs[1:4], *runs[6:])

    async def call(_step: str, _what: str, some: Sequence[Run]) -> Any:
        return work.fold(task, some)

    monkeypatch.setattr(folding, "HELD", held)
    condensed = await folding.condense(call, known)
    assert condensed == (work.fold(task, known) if held == 0 else known)
    assert len(condensed) == (2 if held == 0 else len(known))
    assert await folding.condense(call, condensed) == condensed


def test_a_partial_is_held_only_where_each_chunk_is_asked_for_its_own(tmp_path: Path) -> None:
    task, plan = planned(tmp_path)
    chunk = work.mill(task, plan.survey, plan.mill.chunks[0])
    assert folding.spare(plan, chunk) == replace(chunk, partial=b"")
    assert folding.spare(replace(plan, ordered=True), chunk) == chunk
    assert folding.spare(plan, "what a second pass comes to") == "what a second pass comes to"

"""A small job done at one go comes to what its steps come to, to the byte, and says as exactly what went wrong."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings

from consumer.executors import Done, Raised, child
from consumer.kinds import sales
from consumer.pool import catalogue, handful
from consumer.steps import Ended, Task, Whole
from protocol import kept
from protocol.files import open_blocking
from tests.consumer import milling
from tests.consumer.test_any_cut import tables

LATIN = "region,value_column\nSüd,1\nSüd,x\n".encode("latin-1")
SALES = b"region,revenue,quantity,discount\nNorth,1,1,0\nNorth,x,1,0\n"


def stored(folder: Path, task: Task) -> dict[str, bytes]:
    """Every file below the job's prefix."""
    root = folder / task.prefix
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def at_one_go(folder: Path, data: bytes, kind: str, chunk_size: int = 2**24, **params: Any) -> tuple[Task, Ended]:
    task = milling.submit(folder, data, name="x", kind=kind, chunk_size=chunk_size, **params)
    [ended] = handful.do([task])
    return task, ended


def compare(data: bytes, kind: str, **params: Any) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        task, ended = at_one_go(Path(one), data, kind, **params)
        whole: Whole = ended.answer.value  # type: ignore[union-attr]
        steps = milling.run(milling.submit(Path(other), data, name="x", kind=kind, chunk_size=2**24, **params))
        assert whole.finished == steps.finished
        assert stored(Path(one), task) == stored(Path(other), task)
        assert whole.findings == steps.plan.findings
        assert (whole.size, whole.begin) == (steps.plan.mill.size, steps.plan.mill.begin)
        account = whole.finished.report.account
        assert account is not None
        assert (whole.rows, whole.rejected) == (account.read, account.rejected)


@settings(max_examples=30, deadline=None)
@given(tables())
def test_any_table_at_one_go_leaves_the_same_files_report_and_kept_state(table: Any) -> None:
    data, _ = table
    for kind in ("sales", "profile"):
        compare(data, kind)


def test_a_table_in_another_encoding_too() -> None:
    compare(LATIN, "summary", encoding="latin-1")


def test_what_jobs_can_go_on_from_is_kept(tmp_path: Path) -> None:
    task, _ = at_one_go(tmp_path, SALES, "sales")
    files = open_blocking(tmp_path.as_uri())
    assert files.size(kept.key(task.prefix)) > 0
    assert not list(tmp_path.glob(f"{task.work_prefix}/**/*"))


@pytest.mark.parametrize(
    ("kind", "data", "step"),
    [
        ("sales", b"region\nNorth\n", "mill"),
        ("sales", b"", "plan"),
        ("nothing_like_it", SALES, "plan"),
    ],
)
def test_what_goes_wrong_is_told_as_by_the_step_that_it_goes_wrong_in(
    kind: str, data: bytes, step: str, tmp_path: Path
) -> None:
    task, ended = at_one_go(tmp_path, data, kind)
    arguments: tuple[Any, ...] = (task,)
    if step == "mill":
        plan = child.perform("plan", (task,)).value  # type: ignore[union-attr]
        assert ended.findings == plan.findings
        arguments = (task, plan.survey, plan.mill.chunks[0])
    expected = child.perform(step, arguments)
    assert not isinstance(expected, Done)
    assert type(ended.answer) is type(expected)
    if hasattr(expected, "faults"):
        assert ended.answer == expected
    assert ended.what == {"plan": "looking at the table", "mill": "chunk 1 of 1"}[step]


@pytest.mark.parametrize(
    ("kind", "data", "chunk_size"),
    [
        ("users", b"Ann,a@x.org\n", 2**24),
        ("mailing", b"email,subject,message\na@x.org,s,m\n", 2**24),
        ("sales", SALES, 5),
    ],
    ids=["loads", "runs errands", "several chunks"],
)
def test_jobs_with_effects_and_of_several_chunks_are_not_done_at_one_go(
    kind: str, data: bytes, chunk_size: int, tmp_path: Path
) -> None:
    task, ended = at_one_go(tmp_path, data, kind, chunk_size)
    assert ended.answer == Done(None)
    assert not [name for name in stored(tmp_path, task) if name.startswith("artefacts/")]


def spoil(frame: pd.DataFrame, params: sales.SalesParams) -> sales.Sales:
    """What a careless kind does to the rows that it is given."""
    found = sales.chunk(frame, params)
    frame.loc[:, "revenue"] = 0.0
    frame["quantity"] = -1.0
    frame["note"] = "spoilt"
    return found


def test_the_second_pass_is_given_the_rows_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"region,revenue,quantity,discount\n" + b"North,1,1,0\n" * 9 + b"South,99,1,0\n"
    monkeypatch.setattr(catalogue, "find", lambda _: replace(sales.KIND, chunk=spoil))
    task, _ = at_one_go(tmp_path, data, "sales")
    found = stored(tmp_path, task)["artefacts/anomalies.csv"]
    assert found == b"region,revenue,quantity,discount,revenue_per_unit\nSouth,99,1,0,99\n"


def test_what_grows_too_large_in_memory_is_left_to_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handful, "ROOM", 5)
    _, ended = at_one_go(tmp_path, SALES, "sales")
    assert ended.answer == Done(None)


def test_one_that_fails_leaves_the_others_alone_and_a_turn_hands_the_rest_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = random.Random(0).sample(range(1000), 3)
    tasks = [
        milling.submit(tmp_path, data, name=str(name), kind="sales", chunk_size=2**24)
        for name, data in zip(names, (b"region\nNorth\n", SALES, SALES), strict=True)
    ]
    monkeypatch.setattr(handful, "TURN", 3600.0)
    bad, *good = handful.do(tasks)
    assert not isinstance(bad.answer, Done)
    assert [isinstance(one.answer, Done) for one in good] == [True, True]
    monkeypatch.setattr(handful, "TURN", 0.0)
    assert len(handful.do(tasks)) == 1


def stop(_frame: pd.DataFrame, _params: Any) -> Any:
    return next(iter(()))


def test_what_goes_through_the_steps_together_comes_to_what_it_comes_to_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, tables = (
        catalogue.find,
        (SALES, b"region\nNorth\n", SALES + b"South,5,1,0\n", SALES.replace(b"x", b"y"), b""),
    )
    monkeypatch.setattr(
        catalogue, "find", lambda kind: replace(sales.KIND, chunk=stop) if kind == "stops" else known(kind)
    )
    monkeypatch.setattr(handful, "TURN", 3600.0)
    kinds = ("sales",) * 5 + ("stops", "profile", "sales")
    given = [(f"{nth}", kind, tables[nth % 5]) for nth, kind in enumerate(kinds)]
    together, alone = tmp_path / "together", tmp_path / "alone"
    tasks = [milling.submit(together, data, name=n, kind=kind, chunk_size=2**24) for n, kind, data in given]
    others = [milling.submit(alone, data, name=n, kind=kind, chunk_size=2**24) for n, kind, data in given]
    apart = [ended for task in others for ended in handful.do([task])]
    for one, other in zip(handful.do(tasks), apart, strict=True):
        match one.answer, other.answer:
            case Raised(error=error, where=where), Raised(error=expected, where=there):
                assert (error, where) == (expected, there)
            case _:
                assert one == other
    assert [stored(together, task) for task in tasks] == [stored(alone, task) for task in others]
    stopped = apart[5].answer
    assert isinstance(stopped, Raised)
    assert stopped.error.startswith("StopIteration")


def test_jobs_that_take_long_go_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a call of some would take longer than it may."""
    seen, go_on = list[tuple[str, ...]](), handful._do_together

    def look(tasks: Sequence[Task]) -> Sequence[Ended]:
        seen.append(tuple(task.kind for task in tasks))
        return go_on(tasks)

    monkeypatch.setattr(handful, "_do_together", look)
    monkeypatch.setattr(handful, "TURN", 3600.0)
    monkeypatch.setattr(handful, "_pace", {})
    kinds = ("sales",) * 11 + ("profile", "profile")
    tasks = [milling.submit(tmp_path, SALES, name=f"{n}", kind=k, chunk_size=2**24) for n, k in enumerate(kinds)]
    assert len(handful.do(tasks)) == len(tasks)
    assert seen == [("sales",), ("sales",) * 8, ("sales",) * 2, ("profile",), ("profile",)]
    del seen[:]
    assert len(handful.do(tasks)) == len(tasks)
    assert seen == [("sales",) * 8, ("sales",) * 3, ("profile",) * 2]  # by now it knows how long one of a kind takes
    monkeypatch.setattr(handful, "_pace", {"sales": 10.0})
    assert [len(handful._next(tasks, left)) for left in (-1.0, 0.0, 9.9, 30.1, 3600.0)] == [1, 1, 1, 3, 8]
    assert handful._next(tasks[9:], 3600.0) == tasks[9:11]

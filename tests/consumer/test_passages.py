"""While a kind works on a slice, nothing else of it is in memory, and of those before it no more than one partial."""

from __future__ import annotations

import pickle
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from consumer.kinds import BadInput, Column
from consumer.pool import planning, work
from consumer.pool.passages import Passage
from consumer.steps import Task
from consumer.tables.cut import Chunk
from tests.consumer import milling

TABLE = b"a,b\n" + b"".join(b"%d,x%d\n" % (row, row % 3) for row in range(500))


def sliced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Passage:
    monkeypatch.setattr(planning, "slice_size", lambda _: 1_000)
    task: Task = milling.submit(folder, TABLE, name="one", kind="profile", chunk_size=2**20)
    plan = work.plan(task)
    passage = work.passage_of(task, plan.survey, plan.mill.chunks[0])
    parts = [part for chunk in plan.mill.chunks for part in work.passage_of(task, plan.survey, chunk).part.chunk.slices]
    assert len(parts) > 3
    return replace(passage, part=replace(passage.part, chunk=Chunk(0, tuple(parts))))


@pytest.mark.parametrize("columns", [None, lambda _: (Column("a", "number"),)], ids=["every column", "some columns"])
def test_a_frame_is_gone_when_the_kind_lets_go_of_it(columns, tmp_path, monkeypatch):
    passage, gone = sliced(tmp_path, monkeypatch), []

    def chunk(frame: pd.DataFrame, _: Any) -> int:
        rows, left = len(frame), weakref.ref(frame)
        del frame
        gone.append(left() is None)
        return rows

    passage = replace(passage, kind=replace(passage.kind, columns=columns, chunk=chunk, combine=sum))
    assert passage.mill().rows == 500
    assert len(gone) > 3
    assert all(gone)


def test_partials_of_slices_are_combined_one_by_one(tmp_path, monkeypatch):
    passage, seen = sliced(tmp_path, monkeypatch), []

    def combine(parts: list[int]) -> int:
        seen.append(len(parts))
        return sum(parts)

    passage = replace(passage, kind=replace(passage.kind, chunk=lambda frame, _: len(frame), combine=combine))
    total = pickle.loads(passage.mill().partial)
    assert (total.read, total.partial) == (500, 500)
    assert set(seen) == {2}


def test_what_a_row_is_told_of_those_before_does_not_depend_on_slices(tmp_path, monkeypatch):
    rows = b"".join(b"P%d,T,C,%d,180,25\n" % (row, 60 + row * 7 % 30) for row in range(300))
    table = b"Name,Team,Position,Height(inches),Weight(lbs),Age\n" + rows
    whole = milling.run(milling.submit(tmp_path, table, name="whole", kind="players", chunk_size=2**20))
    monkeypatch.setattr(planning, "slice_size", lambda _: 200)
    cut = milling.run(milling.submit(tmp_path, table, name="cut", kind="players", chunk_size=2**20))
    assert max(len(pickle.loads(chunk).slices) for chunk in cut.plan.mill.chunks) > 3
    assert cut.artefact("players.csv") == whole.artefact("players.csv")


def test_a_selection_of_all_columns_does_not_lose_one_of_the_table_s_own(tmp_path, monkeypatch):
    passage = sliced(tmp_path, monkeypatch)
    kind = replace(passage.kind, select=lambda frame, *_: frame.assign(b="new"))
    with pytest.raises(BadInput, match="already has a column 'b'"):
        replace(passage, kind=kind).select(None, None, None)

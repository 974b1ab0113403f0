"""Runs a job's steps one after another in this process, as the consumer does in its pool."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consumer.pool import work
from consumer.steps import Finished, Made, Milled, Plan, Run, Selected, Task
from protocol import kept
from protocol.files import BlockingFiles, open_blocking
from protocol.files.file import folder_of
from protocol.kept import BasedOn, How
from protocol.records import Counts


@dataclass(frozen=True)
class Ran:
    """A job that is done: its task, its plan, and what it made."""

    task: Task
    plan: Plan
    finished: Finished
    counts: Counts

    @property
    def files(self) -> BlockingFiles:
        return open_blocking(self.task.files_url)

    @property
    def result(self) -> tuple[Any, dict[str, bytes]]:
        """What must be the same, however it came about: the report, and the files to the byte."""
        names = [one.name for one in self.finished.artefacts]
        return self.finished.report, {name: self.artefact(name) for name in names}

    def artefact(self, name: str) -> bytes:
        key = f"{self.task.prefix}artefacts/{name}"
        return self.files.read(key, 0, self.files.size(key))


def submit(folder: Path, data: bytes, *, name: str, kind: str, chunk_size: int, **params: Any) -> Task:
    """Store a table and say what is to be done with it."""
    open_blocking(folder.as_uri()).write(key := f"uploads/{name}", [data])
    records = f"sqlite:///{folder}/records.db"
    return Task(name, folder.as_uri(), key, "x.csv", f"results/{name}/", kind, params, chunk_size, records)


def amend(parent: Ran, data: bytes, how: How, *, name: str, **reading: str) -> Task:
    """The same for a table that goes on from *parent*, with the copies that the service makes."""
    files, basis = parent.files, kept.basis(name)
    files.write(f"uploads/{name}", [data])
    key = kept.key(parent.task.prefix)
    head, _ = kept.read(state := files.read(key, 0, files.size(key)))
    files.write(f"{basis}{kept.STATE}", [state])
    files.write(f"{basis}{kept.REJECTED_CSV}", [parent.artefact(kept.REJECTED_CSV)])
    for number, one in enumerate(head.files):
        files.write(f"{basis}{number}", [files.read(one, 0, files.size(one))])
    based_on = BasedOn(job=parent.task.job_id, how=how, name="x.csv", **reading)
    return replace(
        parent.task,
        job_id=name,
        source_key=f"uploads/{name}",
        prefix=f"results/{name}/",
        based_on=based_on,
        basis=basis,
    )


def run(task: Task, shuffle: random.Random | None = None) -> Ran:
    """Every step, with the chunks of both passes in any order, and the loads in the file's.

    What is tidied afterwards is gone.
    """
    shuffle = shuffle or random.Random(0)
    plan = work.plan(task)
    milled = _mill(task, plan, shuffle)
    runs = plan.runs(milled)
    [total] = work.fold(task, runs)
    chosen = _select(task, plan, milled, total, shuffle)
    keep = runs if plan.ordered else (total,)
    counts = _load(task, plan)
    made = Made(tuple(one.rejected for one in milled), chosen, counts.numbers if plan.loads else {}, keep)
    finished = work.finish(task, plan, total.partial, made)
    shutil.rmtree(folder_of(task.files_url) / task.work_prefix, ignore_errors=True)
    return Ran(task, plan, finished, counts)


def _mill(task: Task, plan: Plan, shuffle: random.Random) -> list[Milled]:
    done: dict[int, Milled] = {}
    for number in _any_order(len(plan.mill.chunks), shuffle):
        done[number] = work.mill(task, plan.survey, plan.mill.chunks[number])
    return [done[number] for number in sorted(done)]


def _select(
    task: Task, plan: Plan, milled: list[Milled], total: Run, shuffle: random.Random
) -> tuple[Selected, ...] | None:
    if not plan.selects:
        return None
    chunks = plan.select.chunks
    before = work.scan(task, [one.partial for one in plan.runs(milled)]) if plan.ordered else (None,) * len(chunks)
    done: dict[int, Selected] = {}
    for number in _any_order(len(chunks), shuffle):
        listed = milled[number].listed if plan.select is plan.mill else None
        done[number] = work.select(task, plan.survey, chunks[number], before[number], total.partial, listed)
    return tuple(done[number] for number in sorted(done))


def _load(task: Task, plan: Plan) -> Counts:
    """What became of the rows, with those of the job that this one goes on from."""
    before = Counts(**plan.earlier.counted) if plan.earlier else Counts()
    return sum(
        (work.load(task, index, plan.chunk_size) for index in range(len(plan.mill) if plan.loads else 0)), before
    )


def _any_order(count: int, shuffle: random.Random) -> list[int]:
    order = list(range(count))
    shuffle.shuffle(order)
    return order

"""Writes down what a later job can go on from, and reads it again. Runs in the pool."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from consumer.kinds import BadInput, Kind
from consumer.pool.builds import build_of
from consumer.steps import Made, Plan, Run, Task
from consumer.tables import overlay as overlays
from consumer.tables.cut import Chunk
from consumer.tables.overlay import Overlay
from consumer.tables.survey import Survey
from protocol import kept
from protocol.files import BlockingFiles, FileMissing
from protocol.intake.layout import Layout

NEWLINES = (b"\n", b"\r")


@dataclass(frozen=True)
class State:
    """All that is known of a table that was milled.

    `next_line` is where a row appended would stand, `counted` what the records did with its rows. The table is the
    `chunks` in their order, each with the place of its survey; `overlay` takes the place of rows in them. Those are
    there only where a kind has to read the table again.
    """

    params: dict[str, Any]
    layout: Layout
    next_line: int
    runs: tuple[Run, ...] = ()
    counted: dict[str, int] = field(default_factory=dict)
    surveys: tuple[Survey, ...] = ()
    chunks: tuple[tuple[int, Chunk], ...] = ()
    overlay: Overlay | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The keys of the files in which the table lies."""
        return (*(survey.key for survey in self.surveys), *((self.overlay.key,) if self.overlay else ()))

    def moved(self, keys: Sequence[str]) -> State:
        """The same, its files as copies with these *keys*."""
        surveys = tuple(replace(survey, key=key) for survey, key in zip(self.surveys, keys, strict=False))
        overlay = self.overlay and replace(self.overlay, key=keys[len(surveys)])
        return replace(self, surveys=surveys, overlay=overlay)


def needs_source(kind: Kind) -> bool:
    """Whether going on from a result of this kind means that the table is read again, or parts of it."""
    return kind.merges and (kind.select is not None or not kind.commutative)


def keep(task: Task, plan: Plan, kind: Kind, made: Made) -> None:
    """Store what is known after the job."""
    files = task.files
    state = _load(plan.earlier.state) if plan.earlier else _first(task, plan, kind, files)
    counted = {name: count for name, count in made.counted.items() if name != "rejected"}
    body = pickle.dumps(replace(state, runs=made.runs, counted=counted))
    head = kept.Head(kind=task.kind, build=build_of(task.kind), header=state.layout.header, files=state.files)
    files.write(kept.key(task.prefix), kept.write(head, body))


def _first(task: Task, plan: Plan, kind: Kind, files: BlockingFiles) -> State:
    """The state of a table that was read whole."""
    survey = overlays.load(plan.survey)
    if not isinstance(survey, Survey):
        raise TypeError("several tables are not read whole")
    state = State(task.params, survey.layout, line_after(files, survey))
    if not needs_source(kind):
        return state
    return replace(state, surveys=(survey,), chunks=tuple((0, _load(chunk)) for chunk in plan.mill.chunks))


def line_after(files: BlockingFiles, survey: Survey) -> int:
    """The physical line on which a row would stand that follows the table."""
    return survey.layout.lines + int(not ends(files, survey))


def ends(files: BlockingFiles, survey: Survey) -> bool:
    """Whether the last line of the table has an end."""
    return files.read(survey.key, max(0, survey.size - 1), survey.size) in NEWLINES


def load(task: Task, files: BlockingFiles) -> State:
    """What the job that *task* is based on has left, from the copies that were made for it."""
    key = f"{task.basis}{kept.STATE}"
    try:
        head, body = kept.read(files.read(key, 0, files.size(key)))
    except FileMissing:
        raise BadInput("What the job would go on from is gone; submit the whole table.", "not_mergeable") from None
    except kept.Unreadable as exc:
        raise BadInput(f"What the job would go on from cannot be used: {exc}.", "not_mergeable") from None
    if (head.kind, head.build) != (task.kind, build_of(task.kind)):
        raise BadInput("The code of the kind has changed since; submit the whole table.", "not_mergeable")
    state: State = _load(body)
    if state.params != task.params:
        raise BadInput("The parameters are others than before; submit the whole table.", "not_mergeable")
    return state.moved([f"{task.basis}{number}" for number in range(len(head.files))])


def _load(data: bytes) -> Any:
    return pickle.loads(data)  # noqa: S301 - written by this module, or by the plan

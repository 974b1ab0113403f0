"""Small jobs, each done at one go: the steps of work.py in a row, and in memory what they hand on. In the pool."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace

from consumer import work
from consumer.executors import Done, NotNow, child
from consumer.steps import Ended, Finished, Made, Milled, Plan, Selected, Task, Whole
from protocol.files import BlockingFiles
from protocol.job import Finding

TURN = 0.05  # seconds after which the jobs that have not begun are handed back
ROOM = 16 * 2**20  # bytes that a job may keep in memory between its steps


class TooLarge(Exception):
    """What a step left behind is not small."""


@dataclass
class Desk:
    """The file store, but for what lies below *prefix*: that is kept here and gone with the job."""

    store: BlockingFiles
    prefix: str
    kept: dict[str, bytes] = field(default_factory=dict)

    def size(self, key: str) -> int:
        return len(self.kept[key]) if key in self.kept else self.store.size(key)

    def read(self, key: str, start: int, stop: int) -> bytes:
        return self.kept[key][start:stop] if key in self.kept else self.store.read(key, start, stop)

    def write(self, key: str, data: Iterable[bytes]) -> None:
        if not key.startswith(self.prefix):
            self.store.write(key, data)
            return
        whole = bytearray()
        for piece in data:
            whole += piece
            if len(whole) > ROOM:
                raise TooLarge(key)
        self.kept[key] = bytes(whole)

    def remove(self, key: str) -> None:
        self.kept.pop(key, None)
        self.store.remove(key)


@dataclass(frozen=True)
class Job(Task):
    """A task whose pieces stay in memory."""

    desk: Desk | None = None

    @classmethod
    def at_one_go(cls, task: Task) -> Job:
        given = {one.name: getattr(task, one.name) for one in fields(task)}
        return cls(**given, desk=Desk(task.files, task.work_prefix))

    @property
    def files(self) -> BlockingFiles:
        return self.desk or super().files


def do(tasks: Sequence[Task]) -> tuple[Ended, ...]:
    """How the first of *tasks* went, as many as fit into a turn and one at least."""
    began, ended = time.monotonic(), list[Ended]()
    for task in tasks:
        if ended and time.monotonic() - began > TURN:
            break
        ended.append(Sitting(Job.at_one_go(task)).run())
    return tuple(ended)


class Sitting:
    """One small job under way."""

    def __init__(self, task: Job) -> None:
        self._task = task
        self._what, self._findings = "looking at the table", tuple[Finding, ...]()

    def run(self) -> Ended:
        """How it went; nothing escapes."""
        try:
            return Ended(self._what, Done(self._do()), self._findings)
        except TooLarge:
            return Ended(self._what, Done(None))
        except BaseException as exc:  # noqa: BLE001 - also what a kind may do to its process
            answer = child.explain(exc, self._task.kind)
            return Ended(self._what, Done(None) if isinstance(answer, NotNow) else answer, self._findings)

    def _do(self) -> Whole | None:
        plan = work.plan(self._task)
        if plan.loads or plan.terms or len(plan.mill) > 1:
            return None
        self._what, self._findings = plan.mill.name(0), plan.findings
        [chunk] = plan.mill.chunks
        passage = work.passage_of(self._task, plan.survey, chunk)
        if plan.selects:
            passage = replace(passage, held=[])
        milled = passage.mill()
        chosen = (work.select_of(passage, None, milled.partial),) if plan.selects else None
        self._what = "the report"
        finished = self._finish(plan, milled, chosen)
        return Whole(plan.findings, plan.mill.size, plan.mill.begin, milled.rows, milled.rejected, finished)

    def _finish(self, plan: Plan, milled: Milled, chosen: tuple[Selected, ...] | None) -> Finished:
        keep = (plan.run(0, milled),) if plan.keeps else ()
        return work.finish(self._task, plan, milled.partial, Made((milled.rejected,), chosen, {}, keep))

"""Small jobs, each done at one go: the steps of work.py in a row, and in memory what they hand on. In the pool.

Some go through the steps together, because code that has just run is still at hand: in the processor's caches.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import takewhile

from consumer.executors import Done, NotNow, child
from consumer.pool import work
from consumer.pool.stages import Stages, raised
from consumer.steps import Ended, Finished, Made, Milled, Plan, Selected, Task, Whole
from protocol.files import BlockingFiles
from protocol.job import Finding

TURN = 0.05  # seconds after which the jobs that have not begun are handed back
TOGETHER, MUCH = 8, 2**19  # jobs, and bytes of their tables, from which on no other joins them
SOON = 0.001  # seconds that a job takes at least
ROOM = 16 * 2**20  # bytes that a job may keep in memory between its steps
_pace: dict[str, float] = {}  # seconds that a job of each kind took when this process did some last


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


@dataclass(frozen=True)
class SmallTask(Task):
    """A task whose pieces stay in memory."""

    desk: Desk | None = None

    @classmethod
    def at_one_go(cls, task: Task) -> SmallTask:
        given = {one.name: getattr(task, one.name) for one in fields(task)}
        return cls(**given, desk=Desk(task.files, task.work_prefix))

    @property
    def files(self) -> BlockingFiles:
        return self.desk or super().files


def do(tasks: Sequence[Task]) -> tuple[Ended, ...]:
    """How the first of *tasks* went, as many as fit into a turn and one at least."""
    began, ended, passed = time.monotonic(), list[Ended](), 0.0
    while len(ended) < len(tasks) and not (ended and passed > TURN):
        some = _do_together(_next(tasks[len(ended) :], TURN - passed))
        before, passed = passed, time.monotonic() - began
        _pace[tasks[len(ended)].kind] = (passed - before) / len(some)
        ended += some
    return tuple(ended)


def _next(tasks: Sequence[Task], left: float) -> Sequence[Task]:
    """The first of *tasks*, and as many more of its kind as should fit into what is *left* of the turn too."""
    kind = tasks[0].kind
    room = int(left / max(_pace.get(kind, TURN), SOON))
    return [*takewhile(lambda task: task.kind == kind, tasks[: max(1, min(room, TOGETHER))])]


def _do_together(tasks: Sequence[Task]) -> Sequence[Ended]:
    """How the first of *tasks* went; each stage of one is followed by the same of the others."""
    sittings = list[Sitting]()
    while len(sittings) < len(tasks) and sum(one.size for one in sittings) < MUCH:
        sittings.append(Sitting(SmallTask.at_one_go(tasks[len(sittings)])))
        sittings[-1].go_on()
    while left := [one for one in sittings if not one.ended]:
        for one in left:
            one.go_on()
    return [one.ended for one in sittings if one.ended]


class Sitting:
    """One small job under way."""

    def __init__(self, task: SmallTask) -> None:
        self._task = task
        self._what, self._findings = "looking at the table", tuple[Finding, ...]()
        self._stages = self._do()
        self.size = 0  # bytes of the table, as far as it is known
        self.ended: Ended | None = None

    def go_on(self) -> None:
        """Take the next stage; nothing escapes."""
        try:
            next(self._stages)
        except StopIteration as exc:
            self.ended = Ended(self._what, Done(exc.value), self._findings)
        except TooLarge:
            self.ended = Ended(self._what, Done(None))
        except BaseException as exc:  # noqa: BLE001 - also what a kind may do to its process
            answer = child.explain(raised(exc), self._task.kind)
            self.ended = Ended(self._what, Done(None) if isinstance(answer, NotNow) else answer, self._findings)

    def _do(self) -> Stages[Whole | None]:
        """Between the stages it is others' turn."""
        plan = work.plan(self._task)
        if plan.loads or plan.terms or len(plan.mill) > 1:
            return None
        self._what, self._findings, self.size = plan.mill.name(0), plan.findings, plan.mill.size
        yield
        [chunk] = plan.mill.chunks
        passage = work.passage_of(self._task, plan.survey, chunk)
        if plan.selects:
            passage = replace(passage, held=[])
        milled = yield from passage.mill_in_stages()
        yield
        chosen = ((yield from work.select_in_stages(passage, None, milled.partial)),) if plan.selects else None
        yield
        self._what = "the report"
        finished = yield from self._finish(plan, milled, chosen)
        return Whole(plan.findings, plan.mill.size, plan.mill.begin, milled.rows, milled.rejected, finished)

    def _finish(self, plan: Plan, milled: Milled, chosen: tuple[Selected, ...] | None) -> Stages[Finished]:
        keep = (plan.run(0, milled),) if plan.keeps else ()
        return work.finish_in_stages(self._task, plan, milled.partial, Made((milled.rejected,), chosen, {}, keep))

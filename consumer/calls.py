"""How a run of a job reaches the rest of the consumer: the pool for its steps, the store for how the job stands."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from itertools import count
from typing import Any

from consumer import outcome
from consumer.executors import Done, NoWorker, Overdue, WorkerLost
from consumer.loading import wait
from consumer.mill import Mill
from consumer.outcome import Missing
from consumer.running import outlast
from consumer.steps import Plan, Task
from consumer.store import ConsumerStore
from protocol.job import Job, State

RECORDING = {"plan", "load"}  # the steps that ask for the records
AT_ONCE = 16  # checkpoints: what a chunk came to is rarely more than half a mebibyte
LOSSES = 2  # how many processes a piece of work may lose before that costs the job an attempt


class Standing:
    """The job as its run knows it. Each change is stored and announced, or raises Superseded.

    Also when a change was cancelled, `job` is what is stored.
    """

    def __init__(self, store: ConsumerStore, job: Job) -> None:
        self._store, self.job = store, job
        self._writing = asyncio.Lock()

    async def note(self, reason: str) -> None:
        await self._change(lambda job: self._store.advance(job, State.RUNNING, reason))

    async def revise(self, **changes: Any) -> None:
        await self._change(lambda job: self._store.revise(job, **changes))

    async def _change(self, act: Callable[[Job], Awaitable[Job]]) -> None:
        async def write() -> None:
            self.job = await act(self.job)

        async with self._writing:
            await outlast(write())  # what the database was asked for it does, whoever waits for it


class Calls:
    """Has the pool run the steps of one job."""

    def __init__(self, mill: Mill, task: Task, standing: Standing) -> None:
        self._mill, self._task, self._standing = mill, task, standing

    async def call(self, step: str, what: str, *arguments: Any, lent: Callable[[], None] = lambda: None) -> Any:
        """Have the pool run a step; a process that dies under it is replaced, and it is run again.

        *lent* is called whenever it has been lent a slot, and begins.
        """
        lost: WorkerLost | None = None
        for _ in range(LOSSES):
            try:
                return await self._persist(step, what, arguments, lent)
            except WorkerLost as exc:
                lost = exc
                await self._standing.note(f"a worker process died ({what})")
        raise WorkerLost(f"{LOSSES} times in a row, {what}") from lost

    async def _persist(self, step: str, what: str, arguments: tuple[Any, ...], lent: Callable[[], None]) -> Any:
        """Wait for what cannot be had now, and hold neither a slot nor a turn meanwhile."""
        for times in count():
            try:
                value = await self._lend(step, what, arguments, lent)
            except Missing as exc:
                await self._wait(exc, times)
            else:
                await self._go_on(step)
                return value
        raise AssertionError

    async def _wait(self, missed: Missing, times: int) -> None:
        if not outcome.awaited(self._standing.job):
            await self._standing.note(str(missed))
        await self._standing.revise(problem=missed.problem)
        await wait(missed, times)

    async def _go_on(self, step: str) -> None:
        """What was waited for is there again, if this step needed it."""
        awaited = outcome.awaited(self._standing.job)
        if awaited and (awaited != "records_unavailable" or step in RECORDING):
            await self._standing.revise(problem=None)

    async def _lend(self, step: str, what: str, arguments: tuple[Any, ...], lent: Callable[[], None]) -> Any:
        turn = self._mill.loading if step == "load" else nullcontext()
        async with turn, self._mill.sharing.slot(self._task.job_id) as slot:
            lent()
            try:
                answer = await self._mill.run(slot, step, self._task, *arguments)
            except NoWorker as exc:
                raise Missing("no_worker", "No worker process can be started.", str(exc)) from exc
            except Overdue:
                raise Overdue(what) from None
        if isinstance(answer, Done):
            return answer.value
        raise outcome.from_answer(answer, self._task.kind, what)


class Checkpoints:
    """What the finished pieces of a job's work came to, by the steps that did them."""

    def __init__(self, store: ConsumerStore, calls: Calls, standing: Standing) -> None:
        self._store, self._calls, self._standing = store, calls, standing
        self._job = standing.job.id

    async def plan(self) -> Plan | None:
        """The plan that was kept. Where the kind's code is another since, all is dropped: partials would not fit."""
        plan: Plan | None = dict([one async for one in self.kept("plan")]).get(0)
        if plan is None or plan.terms or plan.build == await self._calls.call("build", "looking at its code"):
            return plan  # errands that have ended are not run again, whatever the code
        await self._standing.note("the kind's code has changed: its chunks are done anew")
        await self._store.drop_checkpoints(self._job)
        return None

    async def kept(self, step: str) -> AsyncIterator[tuple[int, Any]]:
        """By number, some at a time: all that a long table came to is more than is to be held."""
        above = -1
        while some := await self._store.checkpoints(self._job, step, above, AT_ONCE):
            for above, body in some.items():
                yield above, pickle.loads(body)  # noqa: S301 - our own

    async def keep(self, step: str, number: int, value: object) -> None:
        await self._store.checkpoint(self._job, step, number, pickle.dumps(value))

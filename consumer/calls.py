"""How a run of a job reaches the rest of the consumer: the pool for its steps, the store for how the job stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from itertools import count
from typing import Any

from consumer import outcome
from consumer.executors import Done, Overdue, WorkerLost
from consumer.loading import wait
from consumer.mill import Mill
from consumer.outcome import Missing
from consumer.steps import Task
from consumer.store import ConsumerStore
from protocol.job import Job, State

RECORDING = {"plan", "load"}  # the steps that ask for the records
LOSSES = 2  # how many processes a piece of work may lose before that costs the job an attempt


class Standing:
    """The job as its run knows it. Each change is stored and announced, or raises Superseded."""

    def __init__(self, store: ConsumerStore, job: Job) -> None:
        self._store, self.job = store, job
        self._writing = asyncio.Lock()

    async def note(self, reason: str) -> None:
        async with self._writing:
            self.job = await self._store.advance(self.job, State.RUNNING, reason)

    async def revise(self, **changes: Any) -> None:
        async with self._writing:
            self.job = await self._store.revise(self.job, **changes)


class Calls:
    """Has the pool run the steps of one job."""

    def __init__(self, mill: Mill, task: Task, standing: Standing) -> None:
        self._mill, self._task, self._standing = mill, task, standing

    async def call(self, step: str, what: str, *arguments: Any, lent: Callable[[], None] = lambda: None) -> Any:
        """Have the pool run a step; a process that dies under it is replaced, and it is run again.

        *lent* is called whenever it has been lent a slot, and begins.
        """
        for _ in range(LOSSES):
            try:
                return await self._persist(step, what, arguments, lent)
            except WorkerLost:
                await self._standing.note(f"a worker process died ({what})")
        raise WorkerLost(f"{LOSSES} times in a row, {what}")

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
        if awaited == "no_space" or (awaited and step in RECORDING):
            await self._standing.revise(problem=None)

    async def _lend(self, step: str, what: str, arguments: tuple[Any, ...], lent: Callable[[], None]) -> Any:
        turn = self._mill.loading if step == "load" else nullcontext()
        async with turn, self._mill.sharing.slot(self._task.job_id) as slot:
            lent()
            try:
                answer = await self._mill.run(slot, step, self._task, *arguments)
            except Overdue:
                raise Overdue(what) from None
        if isinstance(answer, Done):
            return answer.value
        raise outcome.from_answer(answer, self._task.kind, what)

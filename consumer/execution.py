"""One attempt at one job: plan, mill, select, finish. What a chunk came to is kept, so that it is never run again."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import count
from typing import Any

from consumer import outcome
from consumer.executors import Done, Overdue, WorkerLost
from consumer.loading import Lane
from consumer.mill import Mill
from consumer.outcome import Succeeded
from consumer.progress import Meter
from consumer.running import end, together
from consumer.steps import Finished, Made, Milled, Plan, Run, Selected, Stretch, Task
from protocol.job import Job, State
from protocol.records import Unavailable

TELL_EVERY = 0.2  # seconds between two reports of progress
SHOW_EVERY = 0.5  # seconds between two reports of the chunks so far
RECORDING = {"plan", "load"}  # the steps that ask for the records
LOSSES = 2  # how many processes a piece of work may lose before that costs the job an attempt


class Execution:
    def __init__(self, mill: Mill, job: Job) -> None:
        self.job = job
        self._mill, self._meter = mill, Meter()
        self._task = Task.of(job, mill.files_url, mill.chunk_size, mill.records_url)
        self._lane = Lane(job.id, mill.store)
        self._writing = asyncio.Lock()
        self._told = self._shown = 0.0
        self._runs: tuple[Run, ...] = ()
        self._showing: asyncio.Task[None] | None = None

    async def run(self) -> Succeeded:
        """Do what is left to do, or raise what outcome.judge understands."""
        async with self._mill.sharing.job(self.job):
            plan = await self._plan()
            milled = await self._pass("mill", plan, plan.mill, self._mill_chunk)
            runs = plan.runs(milled)
            total = await self._fold(runs)
            chosen = await self._select(plan, runs, total)
            counted, keep = self._counted, runs if plan.ordered else (total,)
            made = Made(tuple(one.rejected for one in milled), chosen, counted, keep if plan.keeps else ())
            return await self._finish(plan, total, made)

    async def _plan(self) -> Plan:
        kept = await self._mill.store.checkpoints(self.job.id, "plan")
        if kept:
            plan: Plan = pickle.loads(kept[0])  # noqa: S301 - our own
        else:
            await self._tell(force=True)
            plan = await self._call("plan", "looking at the table")
            await self._mill.store.checkpoint(self.job.id, "plan", 0, pickle.dumps(plan))
        await self._revise(findings=plan.findings)
        return plan

    async def _pass(
        self, step: str, plan: Plan, stretch: Stretch, work: Callable[[Plan, int], Awaitable[Any]]
    ) -> list[Any]:
        """One pass over all chunks, without those that an earlier attempt or an earlier life has done."""
        kept = await self._mill.store.checkpoints(self.job.id, step)
        results = {index: pickle.loads(body) for index, body in kept.items()}  # noqa: S301 - our own
        if results:
            await self._note(f"{len(results)} of {len(stretch)} chunks were done before ({step})")
        self._start(step, plan, stretch, results)
        left = iter([index for index in range(len(stretch)) if index not in results])
        await self._tell(force=True)
        workers = [self._drain(left, step, plan, work, results) for _ in range(self._mill.sharing.width)]
        await self._gather((*workers, self._load(plan, stretch, results)) if step == plan.loads else workers)
        return [results[index] for index in range(len(stretch))]

    def _start(self, step: str, plan: Plan, stretch: Stretch, results: dict[int, Any]) -> None:
        before = (plan.run(index, milled) for index, milled in results.items() if isinstance(milled, Milled))
        for run in (*plan.held, *before) if step == "mill" else ():
            self._add(run)
        done = sum(stretch.sizes[index] for index in results)
        phase, left = ("reading", plan.passes_left) if step == "mill" else ("selecting", 0)
        self._meter.start(phase, bytes_total=stretch.size, bytes_done=stretch.begin + done, passes_left=left)

    def _add(self, run: Run, size: int = 0) -> None:
        self._meter.add(size=size, rows=run.rows, rejected=run.rejected)
        self._runs = tuple(sorted((*self._runs, run), key=lambda r: r.start))

    async def _drain(
        self, left: Iterator[int], step: str, plan: Plan, work: Callable[[Plan, int], Awaitable[Any]], results: Any
    ) -> None:
        for index in left:
            result = await work(plan, index)
            await self._mill.store.checkpoint(self.job.id, step, index, pickle.dumps(result))
            results[index] = result
            self._lane.offer()
            await self._count(plan, index, result)

    async def _count(self, plan: Plan, index: int, result: Milled | Selected) -> None:
        if isinstance(result, Milled):
            self._add(plan.run(index, result), size=plan.mill.sizes[index])
        else:
            self._meter.add(size=plan.select.sizes[index])
        await self._tell()

    async def _load(self, plan: Plan, stretch: Stretch, made: dict[int, Any]) -> None:
        """Load what the pass has made, while it makes the rest."""
        await self._lane.recall(plan.earlier.counted if plan.earlier else {})
        async for index in self._lane.follow(len(stretch), made):
            await self._lane.keep(index, await self._call("load", stretch.name(index), index, plan.chunk_size))
            if len(made) == len(stretch):
                done = sum(stretch.sizes[index] for index in self._lane.loaded)
                self._meter.proceed("loading", bytes_total=stretch.size, bytes_done=stretch.begin + done)
            await self._tell()

    @property
    def _counted(self) -> dict[str, int]:
        """What only the engine knows of a kind that loads."""
        return self._lane.counts.numbers | {"rejected": self._meter.rejected} if self._lane.used else {}

    async def _mill_chunk(self, plan: Plan, index: int) -> Milled:
        result: Milled = await self._call("mill", plan.mill.name(index), plan.survey, plan.mill.chunks[index])
        return result

    async def _fold(self, runs: Sequence[Run]) -> Run:
        if len(runs) > 1:
            runs = await self._call("fold", "combining", runs)
        return runs[0]

    async def _select(self, plan: Plan, runs: Sequence[Run], total: Run) -> tuple[Selected, ...] | None:
        if not plan.selects:
            return None
        if len(plan.select) > 1:
            await self._show_so_far((total,), 1.0)
        before = await self._call("scan", "combining", [run.partial for run in runs], len(plan.select))

        async def work(plan: Plan, index: int) -> Selected:
            arguments = (plan.survey, plan.select.chunks[index], before[index], total.partial)
            result: Selected = await self._call("select", plan.select.name(index), *arguments)
            return result

        return tuple(await self._pass("select", plan, plan.select, work))

    async def _finish(self, plan: Plan, total: Run, made: Made) -> Succeeded:
        self._meter.phase, self._meter.bytes_done = "finishing", self._meter.bytes_total
        await self._tell(force=True)
        done: Finished = await self._call("finish", "the report", plan, total.partial, made)
        drawn = await self._mill.renderer.render(self._task, done.report) if self._mill.renderer else ()
        self._meter.phase = "done"
        return Succeeded(done.report, (*done.artefacts, *drawn), self._meter.read())

    async def _call(self, step: str, what: str, *arguments: Any) -> Any:
        """Have the pool run a step; a process that dies under it is replaced, and it is run again."""
        for _ in range(LOSSES):
            try:
                return await self._persist(step, what, arguments)
            except WorkerLost:
                await self._note(f"a worker process died ({what})")
        raise WorkerLost(f"{LOSSES} times in a row, {what}")

    async def _persist(self, step: str, what: str, arguments: tuple[Any, ...]) -> Any:
        """Wait for what cannot be had now, and hold neither a slot nor a turn meanwhile."""
        for times in count():
            try:
                value = await self._lend(step, what, arguments)
            except Unavailable as exc:
                await self._wait(exc, times)
            else:
                if step in RECORDING and outcome.waits_for_records(self.job):
                    await self._revise(problem=None)
                return value
        raise AssertionError

    async def _wait(self, missed: Unavailable, times: int) -> None:
        if not outcome.waits_for_records(self.job):
            await self._note(str(missed))
        await self._revise(problem=outcome.problem("records_unavailable", str(missed), status=503))
        await self._lane.wait(missed, times)

    async def _lend(self, step: str, what: str, arguments: tuple[Any, ...]) -> Any:
        turn = self._mill.loading if step == "load" else nullcontext()
        async with turn, self._mill.sharing.slot(self.job.id) as slot:
            try:
                answer = await self._mill.run(slot, step, self._task, *arguments)
            except Overdue:
                raise Overdue(what) from None
        if isinstance(answer, Done):
            return answer.value
        raise outcome.from_answer(answer, self.job.kind, what)

    async def _tell(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._told >= TELL_EVERY:
            self._told = now
            await self._revise(progress=self._meter.read())
        if self._meter.phase in {"reading", "loading"} and self._meter.share < 1.0 and now - self._shown >= SHOW_EVERY:
            self._show(now)

    def _show(self, now: float) -> None:
        if self._runs and (self._showing is None or self._showing.done()):
            self._shown = now
            self._showing = asyncio.create_task(self._show_so_far(self._runs, self._meter.share))

    async def _show_so_far(self, runs: tuple[Run, ...], share: float) -> None:
        folded, report = await self._call("show", "the report so far", runs, share, self._counted)
        known = {index for run in folded for index in range(run.start, run.stop)}
        newer = [run for run in self._runs if run.start not in known]
        self._runs = tuple(sorted((*folded, *newer), key=lambda run: run.start))
        await self._revise(report=report, progress=self._meter.read())

    async def _gather(self, work: Iterable[Awaitable[None]]) -> None:
        try:
            await together(work)
            if self._showing is not None:
                await self._showing
        finally:
            if self._showing is not None:
                await end(self._showing)

    async def _note(self, reason: str) -> None:
        async with self._writing:
            self.job = await self._mill.store.advance(self.job, State.RUNNING, reason)

    async def _revise(self, **changes: Any) -> None:
        async with self._writing:
            self.job = await self._mill.store.revise(self.job, **changes)

"""One attempt at one job: plan, mill, select, finish. What a chunk came to is kept, so that it is never run again."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from consumer import outcome
from consumer.calls import Calls, Checkpoints, Standing
from consumer.errands import Terms
from consumer.errands.rounds import Hooks, Round
from consumer.errands.tally import Tally, as_partial, total
from consumer.executors import Done
from consumer.folding import condense, fold, spare
from consumer.loading import Lane
from consumer.mill import Mill
from consumer.outcome import Succeeded
from consumer.progress import Meter
from consumer.running import together
from consumer.showing import Showing
from consumer.steps import Finished, Made, Milled, Plan, Run, Selected, Task, Whole
from protocol.job import Job

TELL_EVERY = 0.2  # seconds between two reports of progress
FINISHING = 0.14  # seconds that artefacts and charts take, until a job of the kind has shown how long
Given = Callable[[int], Sequence[Any]]  # what a step is given for a chunk, beside the chunk
SHOWN_IN = {"reading", "running errands", "loading"}  # the phases in which there is more to report by and by


class Execution:
    def __init__(self, mill: Mill, job: Job) -> None:
        self._mill, self._meter = mill, Meter(tail=mill.tails.get(job.kind, FINISHING))
        self._task = Task.of(job, mill.files_url, mill.chunk_size, mill.records_url)
        self._standing = Standing(mill.store, job)
        self._calls = Calls(mill, self._task, self._standing)
        self._checkpoints = Checkpoints(mill.store, self._calls, self._standing)
        self._lane = Lane(job.id, mill.store)
        self._tally = Tally()
        self._showing, self._told = Showing(), 0.0
        self.littered = False  # whether there is something to tidy afterwards
        self._runs: tuple[Run, ...] = ()

    @property
    def job(self) -> Job:
        return self._standing.job

    async def run(self, step_aside: Callable[[], Awaitable[None]]) -> Succeeded:
        """Do what is left to do, or raise what outcome.judge understands. *step_aside* is called before errands."""
        if self._mill.batching.fits(self.job) and (done := await self._do_at_one_go()):
            return done
        self.littered = True
        async with self._mill.sharing.job(self.job), self._showing:
            plan = await self._plan()
            if plan.terms:
                await step_aside()  # errands wait for others, each within a limit of its own
            milled = await self._mill_all(plan)
            runs = plan.runs(milled)
            whole = await fold(self._calls.call, runs if plan.terms else self._runs)  # of which reports combined most
            chosen = await self._select(plan, milled, runs, whole)
            counted, keep = self._counted, runs if plan.ordered else (whole,)
            records = tuple(one.tally.records for one in milled if one.tally)
            rejected = tuple(one.rejected for one in milled)
            made = Made(rejected, chosen, counted, keep if plan.keeps else (), records)
            return await self._finish(plan, whole, made)

    async def _do_at_one_go(self) -> Succeeded | None:
        self._meter.start("reading", bytes_total=self.job.source.size)
        ended = await self._mill.batching.do(self.job, self._task)
        if ended is None:
            return None
        self._standing.job = self.job.model_copy(update={"findings": ended.findings})  # goes with the job's end
        if not isinstance(ended.answer, Done):
            raise outcome.from_answer(ended.answer, self.job.kind, ended.what)
        whole: Whole | None = ended.answer.value
        return await self._conclude(whole) if whole else None

    async def _conclude(self, whole: Whole) -> Succeeded:
        self._meter.bytes_total, self._meter.bytes_done = whole.size, whole.begin
        self._meter.add(size=whole.size - whole.begin, rows=whole.rows, rejected=whole.rejected)
        return await self._succeed(whole.finished)

    async def _expect_charts(self) -> None:
        """Now, for while one slot looks at the table the others have nothing to do."""
        if (renderer := self._mill.renderer) and await self._calls.call("draws", "looking at its kind"):
            renderer.expect()

    async def _plan(self) -> Plan:
        plan = await self._checkpoints.plan()
        if plan is None:
            await self._tell(force=True)
            await self._expect_charts()
            plan = await self._calls.call("plan", "looking at the table")
            await self._checkpoints.keep("plan", 0, plan)
        await self._standing.revise(findings=plan.findings)
        return plan

    async def _mill_all(self, plan: Plan) -> list[Milled]:
        if plan.terms:
            return await self._run_errands(plan, plan.terms)
        return await self._pass("mill", plan, lambda _: ())

    async def _pass(self, step: str, plan: Plan, given: Given) -> list[Any]:
        """One pass over all chunks, without those that an earlier attempt or an earlier life has done."""
        results = await self._take_up(step, plan)
        chunks = range(len(plan.stretch(step)))
        left = iter([index for index in chunks if index not in results])
        ahead = self._mill.sharing.width + 1  # while one has its checkpoint written, the next one has the slot
        workers = [self._drain(left, step, plan, given, results) for _ in range(ahead)]
        await self._gather((*workers, self._load(plan, results)) if step == plan.loads else workers)
        return [results[index] for index in chunks]

    async def _run_errands(self, plan: Plan, terms: Terms) -> list[Milled]:
        """Have an errand run for each row; those that have ended in an earlier attempt or life are not run again."""
        results = await self._take_up("mill", plan)
        self._tally = total(milled.tally for milled in results.values())
        keep = partial(self._checkpoints.keep, "mill")
        hooks, office = Hooks(self._calls.call, keep, self._lane.offer, self._count_errand), self._mill.office
        async with office.hands(self._task, terms) as hands:
            errands = Round(plan, terms, office.ledger(self.job.id), hands, hooks, results)
            await self._gather([errands.run(), *([self._load(plan, results)] if plan.loads else [])])
        return [results[index] for index in range(len(plan.mill))]

    async def _count_errand(self, size: int, tally: Tally) -> None:
        self._meter.add(size=size, rows=tally.read, rejected=tally.rejected)
        self._tally += tally
        self._runs = (Run(0, 1, as_partial(self._tally)),)
        await self._tell()

    async def _take_up(self, step: str, plan: Plan) -> dict[int, Any]:
        results: dict[int, Any] = {}
        for run in plan.held if step == "mill" else ():
            self._add(run)
        async for index, result in self._checkpoints.kept(step):
            results[index] = spare(plan, result)
            if isinstance(result, Milled):
                self._add(plan.run(index, result))
                self._runs = await condense(self._calls.call, self._runs)
        if results:
            await self._standing.note(f"{len(results)} of {len(plan.stretch(step))} chunks were done before ({step})")
        self._start(step, plan, results)
        await self._tell(force=True)
        return results

    def _start(self, step: str, plan: Plan, results: dict[int, Any]) -> None:
        stretch = plan.stretch(step)
        done = sum(stretch.sizes[index] for index in results)
        phase, left = ("reading", plan.passes_left) if step == "mill" else ("selecting", 0)
        phase = "running errands" if plan.terms else phase
        self._meter.start(phase, bytes_total=stretch.size, bytes_done=stretch.begin + done, passes_left=left)

    def _add(self, run: Run, size: int = 0, chunk: int | None = None) -> None:
        self._meter.add(size=size, rows=run.rows, rejected=run.rejected, chunk=chunk)
        self._runs = tuple(sorted((*self._runs, run), key=lambda r: r.start))

    async def _drain(self, left: Iterator[int], step: str, plan: Plan, given: Given, results: Any) -> None:
        stretch = plan.stretch(step)
        for index in left:
            lent = partial(self._meter.begin, index, stretch.sizes[index])
            arguments = plan.survey, stretch.chunks[index], *given(index)
            result = await self._calls.call(step, stretch.name(index), *arguments, lent=lent)
            await self._checkpoints.keep(step, index, result)
            results[index] = spare(plan, result)
            self._lane.offer()
            await self._count(plan, index, result)

    async def _count(self, plan: Plan, index: int, result: Milled | Selected) -> None:
        if isinstance(result, Milled):
            self._add(plan.run(index, result), plan.mill.sizes[index], index)
        else:
            self._meter.add(size=plan.select.sizes[index], chunk=index)
        await self._tell()

    async def _load(self, plan: Plan, made: dict[int, Any]) -> None:
        """Load what the pass has made, while it makes the rest."""
        stretch = plan.stretch(plan.loads)
        await self._lane.recall(plan.earlier.counted if plan.earlier else {})
        async for index in self._lane.follow(len(stretch), made):
            await self._lane.keep(index, await self._calls.call("load", stretch.name(index), index, plan.chunk_size))
            if len(made) == len(stretch):
                done = sum(stretch.sizes[index] for index in self._lane.loaded)
                self._meter.proceed("loading", bytes_total=stretch.size, bytes_done=stretch.begin + done)
            await self._tell()

    @property
    def _counted(self) -> dict[str, int]:
        """What only the engine knows of a kind that loads."""
        return self._lane.counts.numbers | {"rejected": self._meter.rejected} if self._lane.used else {}

    async def _select(
        self, plan: Plan, milled: Sequence[Milled], runs: Sequence[Run], total: Run
    ) -> tuple[Selected, ...] | None:
        if not plan.selects:
            return None
        if len(plan.select) > 1:
            await self._showing.attempt(partial(self._show, (total,), 1.0))
        before = await self._scan(runs) if plan.ordered else (None,) * len(plan.select)

        def given(index: int) -> Sequence[Any]:
            return before[index], total.partial, milled[index].listed if plan.select is plan.mill else None

        return tuple(await self._pass("select", plan, given))

    async def _scan(self, runs: Sequence[Run]) -> Sequence[bytes | None]:
        """What comes before each chunk, for a kind to which that matters."""
        before: Sequence[bytes | None] = await self._calls.call("scan", "combining", [run.partial for run in runs])
        return before

    async def _finish(self, plan: Plan, total: Run, made: Made) -> Succeeded:
        self._meter.finish()
        await self._tell(force=True)
        done: Finished = await self._calls.call("finish", "the report", plan, total.partial, made)
        return await self._succeed(done)

    async def _succeed(self, done: Finished) -> Succeeded:
        drawn = await self._mill.renderer.render(self._task, done.report) if self._mill.renderer else ()
        if took := self._meter.end():
            self._mill.tails[self.job.kind] = took
        return Succeeded(done.report, (*done.artefacts, *drawn), self._meter.read())

    async def _tell(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._told >= TELL_EVERY:
            self._told = now
            await self._standing.revise(progress=self._meter.read())
        if self._runs and self._meter.phase in SHOWN_IN and self._meter.share < 1.0:
            self._showing.offer(partial(self._show, self._runs, self._meter.share))

    async def _show(self, runs: tuple[Run, ...], share: float, lent: Callable[[], None]) -> None:
        folded, report = await self._calls.call("show", "the report so far", runs, share, self._counted, lent=lent)
        known = {index for run in folded for index in range(run.start, run.stop)}
        newer = [run for run in self._runs if run.start not in known]
        self._runs = tuple(sorted((*folded, *newer), key=lambda run: run.start))
        await self._standing.revise(report=report, progress=self._meter.read())

    async def _gather(self, work: Iterable[Awaitable[None]]) -> None:
        await together(work)
        await self._showing.conclude()

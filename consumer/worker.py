"""Takes messages, lets executions do the work, and writes down how each attempt went: claim, run, judge, settle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, assert_never

from consumer import announcing, outcome
from consumer.commands import Commands
from consumer.execution import Execution
from consumer.mill import Mill
from consumer.outcome import Failed, Outcome, Succeeded, TryAgain
from consumer.places import Places
from consumer.running import Running, end
from consumer.store import ConsumerStore, Superseded
from consumer.submissions.reception import Submissions
from consumer.submitted import Asked
from consumer.tidying import Tidying
from protocol import log as lines
from protocol.databases import Unwritable
from protocol.files import Files
from protocol.job import Job, State
from protocol.kinds import KindInfo
from protocol.messages import JOBS, RetryJob, RunJob, SubmitJob
from protocol.naps import nap
from protocol.transports import Delivery, Transport

log = logging.getLogger(__name__)
AT_ONCE = 32  # jobs that begin where they are accepted; beyond that, who has sent the next message is answered first
AT_HAND = 16  # messages on their way into the store; few, because other services' may hold 8 MiB each
TAKE_UP_AFTER = 10.0  # seconds after a run was interrupted by trouble of our own
PAUSE = 1.0  # seconds after a message could not be stored


@dataclass(frozen=True)
class Limits:
    job_timeout: float
    retry_delay: float
    grace: float


class Worker:
    def __init__(
        self,
        transport: Transport,
        files: Files,
        mill: Mill,
        submissions: Submissions,
        limits: Limits,
        *,
        identity: str,
    ) -> None:
        self._transport, self._mill, self._limits = transport, mill, limits
        self._submissions, self._identity = submissions, identity
        self._store: ConsumerStore = mill.store
        self._running, self._tidying = Running(), Tidying(mill.store, files)
        self._commands = Commands(mill.store, self._running, self._tidying)
        self._metrics = mill.metrics
        self._metrics.running.set_function(lambda: self.in_hand)
        self._places = Places(mill.metrics)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until stopped. Unfinished runs of an earlier life go on first."""
        orphans = await self._store.orphans()
        await self._tidying.catch_up()
        if (kinds := await self._load_kinds()) is None:
            return
        await self._submissions.prepare(kinds)
        async with asyncio.TaskGroup() as group:
            for job in orphans:
                await self._places.wait()
                place = self._places.take()
                self._spawn(group, job.id, self._resume(job, place), place)
            takers = [
                group.create_task(self._take(group), name="take jobs"),
                group.create_task(self._submissions.retrieve(), name="fetch tables"),
                group.create_task(self._commands.obey(self._transport), name="obey commands"),
                group.create_task(self._tidying.keep_up(), name="tidy up"),
                group.create_task(announcing.announce(self._transport, kinds), name="announce kinds"),
            ]
            await self._stopping.wait()
            for task in takers:
                task.cancel()
            log.info("stopping", extra={"action": "stop", "running": self.in_hand})
            await self._running.wind_up(self._limits.grace)

    async def _load_kinds(self) -> tuple[KindInfo, ...] | None:
        """None where it is stopped meanwhile: a kind that hangs must not hold that up."""
        loading = asyncio.create_task(announcing.load_kinds(self._mill))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
            return loading.result() if loading.done() else None
        finally:
            await end(loading, stopping)

    def stop(self) -> None:
        """Take no more; let what runs finish within the grace period, else leave it to its checkpoints."""
        self._stopping.set()

    @property
    def in_hand(self) -> int:
        return len(self._running)

    async def _take(self, group: asyncio.TaskGroup) -> None:
        await self._transport.own(JOBS, self._identity)
        deliveries = self._transport.subscribe(JOBS, prefetch=AT_HAND)
        async with asyncio.TaskGroup() as messages:  # they end with the taking; jobs get their time
            while True:
                await self._places.wait()  # before asking: what nobody asks for stays where it is safe
                delivery, place = await anext(deliveries), self._places.take()
                if isinstance(delivery.message, SubmitJob):
                    asked = self._submissions.identify(delivery.message)
                    self._spawn(messages, asked.job, self._submit(group, delivery, asked, place), place)
                else:
                    self._spawn(group, delivery.message.job.id, self._handle(delivery, place), place)

    async def _submit(self, group: asyncio.TaskGroup, delivery: Delivery[Any], asked: Asked, place: ExitStack) -> None:
        """A message becomes a job. Where few run, that takes the message's place, without a round through the queue."""
        job = await self._submissions.take(delivery, asked, run=self.in_hand < AT_ONCE)
        if job is not None:
            self._metrics.started(job, datetime.now(UTC))
            place = place.pop_all()
            self._spawn(group, job.id, self._attempt(job, place), place)

    def _spawn(self, group: asyncio.TaskGroup, job_id: str, work: Coroutine[Any, Any, None], place: ExitStack) -> None:
        with lines.about(job=job_id):
            task = group.create_task(self._guard(job_id, work, place), name=f"job {job_id}")
        task.add_done_callback(lambda _task: place.close())

    async def _guard(self, job_id: str, work: Coroutine[Any, Any, None], place: ExitStack) -> None:
        """One job's trouble stays its own, and trouble with writing it down (a full disk) does not lose it."""
        while True:
            try:
                await work
            except Superseded:
                log.info("job moved on without us", extra={"job": job_id, "action": "drop"})
                return
            except Exception:
                log.exception("job interrupted; it is taken up again", extra={"job": job_id, "action": "interrupt"})
            else:
                return
            if await self._stops_within(TAKE_UP_AFTER):
                return
            work = self._take_up(job_id, place)

    async def _stops_within(self, seconds: float) -> bool:
        await nap(self._stopping, seconds)
        return self._stopping.is_set()

    async def _take_up(self, job_id: str, place: ExitStack) -> None:
        job = await self._store.find(job_id)
        if job is not None and job.state is State.RUNNING:
            await self._attempt(await self._store.resume(job, "taken up again after an interruption"), place)

    async def _handle(self, delivery: Delivery[Any], place: ExitStack) -> None:
        try:
            job = await self._accept(delivery.message)
        except Exception:
            log.exception("message not stored; it comes again", extra={"job": delivery.message.job.id})
            await asyncio.sleep(PAUSE)
            await delivery.requeue()
            return
        await delivery.ack()
        if job is not None:
            self._metrics.started(job, datetime.now(UTC))
            await self._attempt(job, place)

    async def _accept(self, message: RunJob | RetryJob) -> Job | None:
        """Store what is asked; the job, where it is to be run now."""
        match message:
            case RunJob(job=asked):
                return await self._store.claim(asked)
            case RetryJob(job=asked):
                await self._store.retry(asked)
                return None
            case other:
                assert_never(other)

    async def _resume(self, job: Job, place: ExitStack) -> None:
        await self._attempt(await self._store.resume(job, "taken up again after a restart"), place)

    async def _attempt(self, job: Job, place: ExitStack) -> None:
        async with self._running.alone(job.id):
            if self._stopping.is_set():  # it goes on at the next start
                return
            log.info("job runs", extra={"job": job.id, "kind": job.kind, "attempt": job.attempt, "action": "run"})
            execution = Execution(self._mill, job)
            try:
                result = await self._judge(execution, place)
                ended = await self._settle(execution.job, result)  # as the run has left it
            except Superseded:
                await self._tidying.clear(job)
                raise
            self._tell(ended)
            if ended.state is State.SUCCEEDED and execution.littered:
                await self._tidying.try_to_tidy(ended)

    async def _judge(self, execution: Execution, place: ExitStack) -> Outcome:
        try:
            with ExitStack() as aside:
                async with asyncio.timeout(self._limits.job_timeout) as limit:
                    return await execution.run(partial(self._step_aside, limit, place, aside))
        except (Superseded, Unwritable):
            raise
        except Exception as exc:
            result = outcome.judge(exc, execution.job, first_delay=self._limits.retry_delay)
            where = {"job": execution.job.id, "attempt": execution.job.attempt, "action": "judge"}
            if isinstance(exc, outcome.Broken) and exc.trace:
                where["exception"] = exc.trace
            log.warning("attempt failed: %s", result.problem.detail, extra=where, exc_info=_unforeseen(exc))
            return result

    async def _step_aside(self, limit: asyncio.Timeout, place: ExitStack, aside: ExitStack) -> None:
        """The job waits for others from here on, and may do so for long: its place is for one that works."""
        limit.reschedule(None)
        aside.enter_context(await self._places.take_aside())
        place.close()

    def _tell(self, job: Job) -> None:
        self._metrics.ended(job)
        log.info("job %s", job.state, extra={"job": job.id, "attempt": job.attempt, "action": "settle"})

    async def _settle(self, job: Job, result: Outcome) -> Job:
        """The job as its attempt leaves it."""
        match result:
            case Succeeded(report, artefacts, progress):
                done = {"report": report, "artefacts": artefacts, "progress": progress, "problem": None}
                return await self._store.advance(job, State.SUCCEEDED, report.headline, **done)
            case Failed(problem):
                return await self._store.advance(job, State.FAILED, problem.detail, problem=problem)
            case TryAgain(problem, delay):
                reason = f"{problem.detail}; tried again in {delay:g} s"
                return await self._store.postpone(job, reason, delay, problem=problem)
            case _:
                assert_never(result)


def _unforeseen(error: Exception) -> Exception | None:
    """The error where its traceback tells more than its sentence."""
    return None if isinstance(error, outcome.Broken | TimeoutError) else error

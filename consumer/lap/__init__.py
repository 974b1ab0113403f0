"""One job, run one way, in a process of its own that is timed and weighed: `python -m consumer.lap`, for comparison.

It is the consumer itself, with the job as its only message and nobody else around. What to do comes as a JSON argument;
on standard output each version of the job is a line, and the last line is how it went.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from consumer import app, native
from consumer.executors import Answer, Done, Slot, child, open_slots, weight
from protocol.config import Settings
from protocol.databases import open_database
from protocol.files import PIECE, open_blocking, open_files
from protocol.job import Job, Problem, Source, State
from protocol.lap import Lap
from protocol.messages import EVENTS, JobChanged, RunJob
from protocol.transports import Transport, open_transport
from protocol.value import Value

Word = Job | Lap


class Course(Value):
    """What to do with which table, and in how many worker processes: with none, all in one."""

    table: Path
    kind: str
    params: dict[str, JsonValue]
    slots: int


class Here:
    """A slot that is no process: the work is done in the process of whoever asks, one step after the other."""

    async def run(self, step: str, *arguments: Any, limit: float) -> Answer:  # noqa: ARG002 - nobody could enforce it
        return await asyncio.to_thread(child.perform, step, arguments)

    def kill(self) -> None:
        """There is nothing to kill."""


async def run(course: Course, settings: Settings) -> None:
    """Run the job to its end, in the folder that the settings name."""
    job = _job(course)
    if not course.slots and child.perform("runs_errands", (course.kind,)) == Done(value=True):
        _say(Lap(slots=course.slots, seconds=0.0, peak=0, job=_refused(job)))
        return
    stop = asyncio.Event()
    async with (
        open_database(settings.database_url) as database,
        open_files(settings.files_url) as files,
        open_transport(settings.broker_url) as transport,
        _slots(course.slots, settings) as slots,
    ):
        await asyncio.to_thread(open_blocking(files.url).write, job.source_key, _pieces(course.table))
        async with asyncio.TaskGroup() as group:
            group.create_task(app.run(settings, database, files, transport, stop=stop, slots=slots))
            group.create_task(transport.publish(RunJob(job=job)))
            ended = await _end(transport)
            peak = await _peak(slots, settings.chunk_timeout)
            stop.set()
    _say(Lap(slots=course.slots, seconds=_seconds(ended), peak=peak, job=ended))


def _job(course: Course) -> Job:
    source = Source(name=course.table.name, size=course.table.stat().st_size, sha256="")
    now, name = datetime.now(UTC), uuid.uuid4().hex
    return Job(id=name, kind=course.kind, params=course.params, source=source, created_at=now, max_attempts=1)


def _refused(job: Job) -> Job:
    detail = (
        f"The kind {job.kind} runs errands, such as mails and requests: to compare would be to run them several times."
    )
    problem = Problem(type="/problems/not_comparable", title="That cannot be compared", status=422, detail=detail)
    return job.model_copy(update={"state": State.FAILED, "problem": problem})


@asynccontextmanager
async def _slots(count: int, settings: Settings) -> AsyncIterator[Sequence[Slot]]:
    if not count:
        native.switch(on=settings.native)
        child.hello()  # as a worker that is waiting has loaded everything
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a thread cannot be ended, and nobody waits for this one
        yield [Here()]
        return
    async with open_slots(f"processes://{count}?memory={settings.worker_memory}&native={settings.native:d}") as slots:
        yield slots


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


async def _end(transport: Transport) -> Job:
    """The job, once it is final."""
    async for delivery in transport.subscribe(EVENTS, prefetch=1):
        await delivery.ack()
        if isinstance(delivery.message, JobChanged):
            if delivery.message.job.final:
                return delivery.message.job
            _say(delivery.message.job)
    raise AssertionError("events never end")


async def _peak(slots: Sequence[Slot], limit: float) -> int:
    """Of this process and of every worker."""
    answers = [await slot.run("peak", limit=limit) for slot in slots if not isinstance(slot, Here)]
    peaks: list[int] = [answer.value for answer in answers if isinstance(answer, Done)]
    return weight.peak() + sum(peaks)


def _seconds(job: Job) -> float:
    return (job.finished_at - job.started_at).total_seconds() if job.finished_at and job.started_at else 0.0


def _say(word: Word) -> None:
    sys.stdout.write(f"{word.model_dump_json()}\n")
    sys.stdout.flush()

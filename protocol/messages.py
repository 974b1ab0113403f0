"""Every message that crosses the wire, in which stream, and what it is called. How it is spelled: envelopes."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BeforeValidator, Field, JsonValue, PlainSerializer

from protocol.job import Job, Priority, Problem, State, Value
from protocol.kinds import KindInfo


class BadMessage(ValueError):
    """These bytes are not a message of ours; trying again cannot help."""


class RunJob(Value):
    """Run this job (version 0), or its next attempt (a later version)."""

    job: Job


class CancelJob(Value):
    """Carries the whole job, so that a cancel that overtakes its job leaves something to refuse it by."""

    job: Job


class RetryJob(Value):
    """Queue a failed or cancelled job again. Legal only while the consumer's version is the job's."""

    job: Job


class ForgetJob(Value):
    """The job was deleted: drop its row, its checkpoints and its files."""

    job: Job


class PruneJob(Value):
    """Its time is up: remove the ended job's files, and keep its record and log."""

    job: Job


def _from_base64(value: object) -> object:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def _to_base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


class SubmitJob(Value):
    """What another service sent, as it came: nothing of it is trusted yet."""

    body: Annotated[bytes, BeforeValidator(_from_base64), PlainSerializer(_to_base64)]
    content_type: str = ""
    headers: dict[str, JsonValue] = Field(default_factory=dict)
    message_id: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    sender: str | None = None  # as far as the broker has verified it


class Reply(Value):
    """To whoever submitted a job by message and asked for answers: `accepted`, `refused`, or how the job ended."""

    to: str
    correlation_id: str | None = None
    what: str
    subject: str  # the job's id; of a refused one what its sender called it
    data: Job | Problem


class Unusable(Value):
    """A submission that was taken and then refused, for an operator to look at."""

    submission: SubmitJob
    reason: str


class JobChanged(Value):
    """The whole job as it is now: a later version makes an earlier one irrelevant."""

    job: Job


class JobDeleted(JobChanged):
    """The job as it was last. Told to whoever watches all jobs live; it crosses no broker."""


class ConsumerReady(Value):
    """Sent on start and then regularly: which kinds this consumer can run."""

    consumer: str
    kinds: tuple[KindInfo, ...]


AboutJob = RunJob | CancelJob | RetryJob | ForgetJob | PruneJob | JobChanged
Message = AboutJob | SubmitJob | Reply | Unusable | ConsumerReady
M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Stream(Generic[M]):
    """A named flow of messages; the type says which ones can come out of it."""

    name: Literal["jobs", "control", "events", "replies", "dead"]


JOBS: Stream[RunJob | RetryJob | SubmitJob] = Stream("jobs")
CONTROL: Stream[CancelJob | ForgetJob | PruneJob] = Stream("control")
EVENTS: Stream[JobChanged | ConsumerReady] = Stream("events")
REPLIES: Stream[Reply] = Stream("replies")
DEAD: Stream[Unusable] = Stream("dead")

STREAM_OF: dict[type[Message], Stream[Any]] = {
    RunJob: JOBS,
    RetryJob: JOBS,
    SubmitJob: JOBS,
    Reply: REPLIES,
    Unusable: DEAD,
    CancelJob: CONTROL,
    ForgetJob: CONTROL,
    PruneJob: CONTROL,
    JobChanged: EVENTS,
    ConsumerReady: EVENTS,
}
COMMANDS: dict[type[Message], str] = {
    RunJob: "rowmill.job.run.v1",
    RetryJob: "rowmill.job.retry.v1",
    CancelJob: "rowmill.job.cancel.v1",
    ForgetJob: "rowmill.job.forget.v1",
    PruneJob: "rowmill.job.prune.v1",
    SubmitJob: "rowmill.job.submit.v1",
    Unusable: "rowmill.job.unusable.v1",
    ConsumerReady: "rowmill.consumer.ready.v1",
}
TYPES: dict[str, type[Message]] = {name: message for message, name in COMMANDS.items()} | {
    f"rowmill.job.{what}.v1": JobChanged for what in (*State, "progress")
}


def type_names(happenings: Iterable[str], *more: str) -> list[str]:
    """The CloudEvents `type`s for what can happen to a job."""
    return [f"rowmill.job.{what}.v1" for what in (*happenings, *more)]


def type_of(message: Message) -> str:
    """The CloudEvents `type`: what happened, or what is asked."""
    if isinstance(message, JobChanged):
        what = "deleted" if isinstance(message, JobDeleted) else what_happened(message.job)
        return f"rowmill.job.{what}.v1"
    if isinstance(message, Reply):
        return f"rowmill.job.{message.what}.v1"
    return COMMANDS[type(message)]


def what_happened(job: Job) -> str:
    """`progress`, or the state that this version moved to."""
    return job.state if job.moved or job.version == 0 or job.final else "progress"


def priority_of(message: Message) -> Priority:
    """The lane in which a message travels."""
    return job.priority if (job := job_of(message)) else Priority.NORMAL


def job_of(message: Message) -> Job | None:
    return message.job if isinstance(message, AboutJob) else None


def job_id_of(message: Message) -> str | None:
    """Which job *message* is about, for the log."""
    job = message.data if isinstance(message, Reply) else job_of(message)
    return job.id if isinstance(job, Job) else None


def trace_of(message: Message) -> str | None:
    """The W3C trace context of whoever submitted the job that *message* is about."""
    data = message.data if isinstance(message, Reply) else job_of(message)
    return data.traceparent if isinstance(data, Job) else None

"""The one place that spells messages as bytes: CloudEvents 1.0 as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar, assert_never

from protocol.job import Job, Problem, Value
from protocol.messages import (
    TYPES,
    AboutJob,
    BadMessage,
    ConsumerReady,
    JobDeleted,
    Message,
    Reply,
    SubmitJob,
    Unusable,
    trace_of,
    type_of,
)

D = TypeVar("D")
SEAM = ', "data": '  # between the head of an envelope and its data


def encode(message: Message, *, at: datetime | None = None) -> bytes:
    """One CloudEvents envelope; `data` is the job, or what else the message is about, without NaN."""
    subject, version, data, more = _parts(message)
    head = {
        "specversion": "1.0",
        "id": f"{subject}.{version}",
        "source": "/rowmill",
        "type": type_of(message),
        "subject": subject,
        "time": (at or datetime.now(UTC)).isoformat(),
        "datacontenttype": "application/json",
    }
    given = {name: value for name, value in {**more, "traceparent": trace_of(message)}.items() if value is not None}
    body = data.text if isinstance(data, Job) else data.model_dump_json()
    return f"{json.dumps(head | given)[:-1]}{SEAM}{body}}}".encode()


def _parts(message: Message) -> tuple[str, str, Value, dict[str, str | None]]:
    """Subject, what tells this message from others about it, data, and attributes of its own."""
    if isinstance(message, AboutJob):
        deleted = ".deleted" if isinstance(message, JobDeleted) else ""
        return message.job.id, f"{message.job.version}{deleted}", message.job, {}
    match message:
        case ConsumerReady(consumer=consumer):
            return consumer, "0", message, {}
        case SubmitJob(message_id=name) | Unusable(submission=SubmitJob(message_id=name)):
            return name or "-", "0", message, {}
        case Reply(data=data):
            more = {"replyto": message.to, "correlationid": message.correlation_id}
            return message.subject, f"reply.{message.what}", data, more
        case other:
            assert_never(other)


class Envelope(Value):
    """What is read of a CloudEvent, first without its data."""

    specversion: Literal["1.0"]
    type: str
    subject: str = ""
    replyto: str | None = None
    correlationid: str | None = None


class Data(Value, Generic[D]):
    """The data of a CloudEvent, straight from bytes to its type: half the time of a way through dictionaries."""

    data: D


JOB, PROBLEM = Data[Job], Data[Problem]  # held here: a type that nobody holds is made anew each time
WHOLE: dict[type[Message], type[Data[Any]]] = {  # messages that are their own data; that of all others is the job
    ConsumerReady: Data[ConsumerReady],
    SubmitJob: Data[SubmitJob],
    Unusable: Data[Unusable],
}


def decode(data: bytes) -> Message:
    """The message in these bytes, or BadMessage with the reason."""
    try:
        # Not json.loads: it takes lone surrogates, which cannot be sent on, and any depth until the stack ends.
        return _decode_at_seam(data) or _decode(Envelope.model_validate_json(data), data)
    except (KeyError, ValueError) as exc:
        raise BadMessage(f"not a message of ours: {exc}") from None


def _decode_at_seam(data: bytes) -> Message | None:
    """A message about a job that is spelled as by `encode`; None for any other.

    Where both sides of a seam are JSON, the whole is too. So the job need not be skipped to read the head, nor be
    spelled again by who stores it.
    """
    head, _, rest = data.decode().partition(SEAM)
    try:
        envelope = Envelope.model_validate_json(f"{head}}}")
        about = TYPES[envelope.type].model_construct(job=Job.read(rest.removesuffix("}")))
    except (KeyError, ValueError):
        return None
    return about if envelope.replyto is None and isinstance(about, AboutJob) else None


def _decode(envelope: Envelope, data: bytes) -> Message:
    if envelope.replyto is not None:
        return _decode_reply(envelope, envelope.replyto, data)
    kind = TYPES[envelope.type]
    if whole := WHOLE.get(kind):
        message: Message = whole.model_validate_json(data).data
        return message
    return kind.model_construct(job=JOB.model_validate_json(data).data)


def _decode_reply(envelope: Envelope, to: str, data: bytes) -> Reply:
    what = envelope.type.removeprefix("rowmill.job.").removesuffix(".v1")
    said: Job | Problem = (PROBLEM if what == "refused" else JOB).model_validate_json(data).data
    return Reply(to=to, correlation_id=envelope.correlationid, what=what, subject=envelope.subject, data=said)

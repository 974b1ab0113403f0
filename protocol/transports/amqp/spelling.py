"""How messages look on AMQP: bodies, properties and headers, both ways. Sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from aiormq import spec
from pamqp import encode
from pydantic import JsonValue

from protocol import envelopes, messages, tracing
from protocol.job import ID, Job
from protocol.kinds import NAME
from protocol.messages import STREAM_OF, BadMessage, Message, Reply, Stream, SubmitJob, Unusable

OURS = "application/cloudevents+json"
SUBMIT = "job.submit"  # the routing key under which other services ask for a job
REASON = "x-rowmill-reason"
REASON_LENGTH = 1000
PERSISTENT = 2
HEADERS_KEPT = 32 * 2**10  # bytes: a frame with larger headers would end the connection
DEEPEST = 32  # headers within headers


@dataclass(frozen=True)
class Spelled:
    """Ready to be published once: what has no message id gets one then, and a channel must not see the same twice."""

    body: bytes
    properties: spec.Basic.Properties


def spell(message: Message, envelope: bytes | None = None) -> Spelled:
    if isinstance(message, Unusable):
        asked = message.submission
        return _dead(asked.body, asked.headers, asked.content_type, message.reason)
    trace = messages.trace_of(message)
    properties = spec.Basic.Properties(
        content_type=OURS,
        headers={"traceparent": trace} if trace else None,
        correlation_id=message.correlation_id if isinstance(message, Reply) else None,
        delivery_mode=PERSISTENT,
        message_type=messages.type_of(message),
    )
    return Spelled(envelope or envelopes.encode(message), properties)


def read(raw: AbstractIncomingMessage, stream: Stream[Any]) -> Message:
    """The message in *raw*, or BadMessage with the reason."""
    if raw.routing_key == SUBMIT:
        return _read_submission(raw)
    try:
        message = envelopes.decode(raw.body)
    except BadMessage as exc:
        where = f"{raw.routing_key} is for Rowmill's own messages (others submit under {SUBMIT})"
        raise BadMessage(f"{where}: {exc}") from None
    if STREAM_OF[type(message)] is not stream:
        raise BadMessage(f"not a message of ours: {messages.type_of(message)} does not belong here")
    if (job := messages.job_of(message)) and not _is_ours(job):
        raise BadMessage("not a message of ours: no job is called that")
    return message


def _is_ours(job: Job) -> bool:
    """Whether all that becomes part of files' keys, routing keys and headers is what it is in every job."""
    return bool(ID.fullmatch(job.id) and NAME.fullmatch(job.kind) and job.traceparent == tracing.read(job.traceparent))


def _read_submission(raw: AbstractIncomingMessage) -> SubmitJob:
    if not _is_shallow(raw.headers):
        raise BadMessage(f"headers lie within more than {DEEPEST} others")
    return SubmitJob(
        body=raw.body,
        content_type=raw.content_type or "",
        headers={name: _plain(value) for name, value in (raw.headers or {}).items()},
        message_id=raw.message_id,
        reply_to=raw.reply_to,
        correlation_id=None if raw.correlation_id is None else str(raw.correlation_id),
        sender=raw.user_id,
    )


def _is_shallow(value: Any, within: int = DEEPEST) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return within >= 0 and all(_is_shallow(one, within - 1) for one in inner)


def _plain(value: Any) -> JsonValue:
    """A header's value as JSON has it."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes() | bytearray():
            return bytes(value).decode(errors="replace")
        case datetime():
            return value.isoformat()
        case list():
            return [_plain(one) for one in value]
        case dict():
            return {str(name): _plain(one) for name, one in value.items()}
        case _:
            return str(value)


def dead(raw: AbstractIncomingMessage, reason: str) -> Spelled:
    """*raw* as it came, with the reason why nobody can use it."""
    return _dead(raw.body, raw.headers or {}, raw.content_type, reason)


def _dead(body: bytes, headers: Mapping[str, Any], content_type: str | None, reason: str) -> Spelled:
    """Without the headers where those cannot be sent on."""
    kept = dict(headers) if _is_sendable(headers) else {}
    told = {**kept, REASON: reason[:REASON_LENGTH]}
    return Spelled(body, spec.Basic.Properties(content_type=content_type, headers=told, delivery_mode=PERSISTENT))


def _is_sendable(headers: Mapping[str, Any]) -> bool:
    """Not where they are too large, or of what the library reads but cannot write, such as a text in Latin-1."""
    try:
        return _is_shallow(headers) and len(encode.field_table(dict(headers))) < HEADERS_KEPT
    except Exception:  # noqa: BLE001 - it has many errors for that
        return False

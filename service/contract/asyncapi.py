"""The contract of messages as AsyncAPI 3.0: names from the topology, shapes from the models that the code itself uses.

Seen from Rowmill: what it receives others publish, what it sends others hear.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from protocol import submission
from protocol.job import Job, Priority, Problem, State
from protocol.messages import type_names
from protocol.recipients import MOST_EMAILS, MOST_WEBHOOKS
from service.contract.call import TEXT, Schema, ref
from service.contract.openapi import service_version

OURS = "application/cloudevents+json"
DESCRIPTION = (
    "How other services submit jobs and follow them over AMQP 0-9-1 (RabbitMQ). Messages are persistent; publish with "
    "confirms and `mandatory`. What cannot become a job is answered and set aside in the queue `rowmill.dead.v1`."
)
KEEP = {
    "message_id": "Makes it idempotent: the same message_id is the same job, however often it comes.",
    "reply_to": "A queue of yours for the answers.",
    "correlation_id": "Comes back with each answer.",
}
WEBHOOK: Schema = {
    "type": "array",
    "items": TEXT,
    "maxItems": MOST_WEBHOOKS,
    "description": "Called when it has ended.",
}
EMAIL: Schema = {
    "type": "array",
    "items": TEXT,
    "maxItems": MOST_EMAILS,
    "description": "Who gets a mail when it has ended.",
}
KIND: Schema = {**TEXT, "default": submission.DEFAULT_KIND, "description": "What to do with the table."}
READING = "How to read the table, where looking gets it wrong."
PRIORITY: Schema = {**TEXT, "enum": [*Priority], "default": Priority.NORMAL, "description": "How urgent it is."}
NAME: Schema = {**TEXT, "description": "What the table is called."}
TRACE: Schema = {**TEXT, "description": "W3C Trace Context; it comes back with each event and answer."}
SOURCE: Schema = {
    "description": "The table itself, or where it lies: under one of the places that the operator allows. None where "
    "the kind's parameters stand in for one.",
    "oneOf": [
        {"type": "object", "properties": {"text": TEXT, "name": NAME}, "required": ["text"]},
        {"type": "object", "properties": {"url": {**TEXT, "format": "uri"}, "name": NAME}, "required": ["url"]},
    ],
}


def document() -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Rowmill", "version": service_version(), "description": DESCRIPTION},
        "defaultContentType": OURS,
        "channels": _channels(),
        "operations": _operations(),
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _channels() -> dict[str, Any]:
    key = {"what": {"description": "The state moved to, or progress.", "enum": [*State, "progress"]}}
    return {
        "submissions": _channel("job.submit", "rowmill", "SubmitJson", "SubmitTable"),
        "events": _channel("job.{what}.{kind}", "rowmill.events", "JobEvent")
        | {"parameters": {**key, "kind": {"description": "The job's kind."}}},
        "replies": {"address": None, "messages": _of("Accepted", "Refused", "Ended")},
    }


def _channel(address: str, exchange: str, *messages: str) -> dict[str, Any]:
    place = {"name": exchange, "type": "topic", "durable": True, "autoDelete": False}
    amqp = {"is": "routingKey", "exchange": place, "bindingVersion": "0.3.0"}
    return {"address": address, "messages": _of(*messages), "bindings": {"amqp": amqp}}


def _of(*messages: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _operations() -> dict[str, Any]:
    answered = {
        "channel": {"$ref": "#/channels/replies"},
        "address": {"location": "$message.header#/reply_to", "description": "The property reply_to."},
        "messages": _in("replies", "Accepted", "Refused", "Ended"),
    }
    submit = _operation(
        "receive", "submissions", "Submit a job", "A table with what to do.", "SubmitJson", "SubmitTable"
    )
    return {
        "submit": submit | {"reply": answered},
        "follow": _operation("send", "events", "Follow jobs", "Each change of any job, in any order.", "JobEvent"),
        "answer": _operation(
            "send", "replies", "Get answers", "To who submitted with reply_to.", "Accepted", "Refused", "Ended"
        ),
    }


def _operation(action: str, channel: str, title: str, summary: str, *messages: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "title": title,
        "summary": summary,
        "messages": _in(channel, *messages),
    }


def _in(channel: str, *messages: str) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages]


def _messages() -> dict[str, Any]:
    changes = type_names(State, "progress")
    ends = type_names(state for state in State if state in {State.SUCCEEDED, State.FAILED, State.CANCELLED})
    return {
        "SubmitJson": _submission("As JSON", "application/json", "The job that is wanted.", payload=_asked()),
        "SubmitTable": _submission(
            "As a bare table", "text/csv", "8 MiB at most; the rest is said in headers.", headers=_said()
        ),
        "JobEvent": _event("A job has changed", "Carries the whole job: keep the newest version.", changes, "Job"),
        "Accepted": _event("Accepted", "It will be run.", type_names(["accepted"]), "Job"),
        "Refused": _event("Refused", "Everything that is wrong.", type_names(["refused"]), "Problem"),
        "Ended": _event("Ended", "How it came out.", ends, "Job"),
    }


def _submission(
    title: str, content_type: str, summary: str, *, payload: Schema | None = None, headers: Schema | None = None
) -> dict[str, Any]:
    kept = ", ".join(f"`{name}`: {says}" for name, says in KEEP.items())
    body: dict[str, Any] = {"payload": payload or {"type": "string", "maxLength": 8 * 2**20}}
    more = {"headers": headers} if headers else {}
    return {"title": title, "contentType": content_type, "summary": summary, "description": kept, **body, **more}


def _asked() -> Schema:
    params: Schema = {"type": "object", "description": "The kind's parameters."}
    reading = {**ref("Reading"), "description": READING}
    who = {"email": EMAIL, "webhook": WEBHOOK, "priority": PRIORITY, "source": SOURCE}
    fields = {"kind": KIND, "params": params, "reading": reading, **who}
    return {"type": "object", "properties": fields}


def _said() -> Schema:
    params: Schema = {**TEXT, "contentMediaType": "application/json", "description": "The kind's parameters."}
    reading = {**params, "contentSchema": ref("Reading"), "description": READING}
    fields = {
        "kind": KIND,
        "params": params,
        "reading": reading,
        "email": _or_text(EMAIL, "commas"),
        "webhook": _or_text(WEBHOOK, "blanks"),
        "priority": PRIORITY,
        "filename": NAME,
        "traceparent": TRACE,
    }
    return {"type": "object", "properties": fields}


def _or_text(several: Schema, between: str) -> Schema:
    """What a header may hold of *several*: some clients can send texts only."""
    says = f"{several['description']} A list, or a text with {between} between them."
    return {**several, "type": ["array", "string"], "description": says}


def _event(title: str, summary: str, types: list[str], data: str) -> dict[str, Any]:
    fields = {
        "specversion": {"const": "1.0"},
        "id": {**TEXT, "description": "The subject and its version: the same event has the same id."},
        "source": TEXT,
        "type": {"enum": types},
        "subject": {**TEXT, "description": "The job's id; of a refused one its message_id."},
        "time": {**TEXT, "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "traceparent": TRACE,
        "data": ref(data),
    }
    needed = ["specversion", "id", "source", "type", "subject", "time", "data"]
    payload = {"type": "object", "properties": fields, "required": needed}
    return {"title": title, "contentType": OURS, "summary": summary, "payload": payload}


def _schemas() -> dict[str, Schema]:
    models = [(model, "serialization") for model in (Job, Problem)]
    _, made = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    return dict(sorted(made["$defs"].items()))

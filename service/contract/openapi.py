"""The contract as OpenAPI 3.1: the calls come from `calls`, the shapes from the models that the code itself uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from typing import Any

from pydantic.json_schema import models_json_schema

from protocol.access import KeyList, NewKey
from protocol.intake.preview import Preview
from protocol.job import Job, LogEntry, Problem
from protocol.kinds import KindInfo
from service.contract.call import Need
from service.contract.calls import CALLS, TEXT, Call, Parameter, Schema, ref
from service.door.access import PLACES, Ticket
from service.jobs.bulk import Bulk
from service.problems import MEDIA_TYPE, PROBLEMS
from service.retention import Pruning
from service.tus.endpoints import UploadState

ALWAYS = (
    *("unauthorized", "forbidden", "foreign_origin", "stale_page", "expectation_failed", "misdirected"),
    *("too_many_requests", "too_many_failures", "internal"),
)
SCHEMES: dict[str, Schema] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key, where the service has any."},
    "ticket": {"type": "apiKey", "in": "query", "name": "ticket", "description": "Good once, from `POST /v1/tickets`."},
    "link": {"type": "apiKey", "in": "query", "name": "link", "description": "From a mail: opens its job alone."},
}
MODELS = (Job, Preview, LogEntry, KindInfo, Problem, Pruning, KeyList, NewKey, Ticket, UploadState, Bulk)
EXTRA: dict[str, Schema] = {
    "Kinds": {
        "type": "object",
        "properties": {"kinds": {"type": "array", "items": ref("KindInfo")}},
        "required": ["kinds"],
    },
    "Jobs": {
        "type": "object",
        "properties": {"jobs": {"type": "array", "items": ref("Job")}, "next": {"type": ["string", "null"]}},
        "required": ["jobs", "next"],
    },
    "Records": {
        "type": "object",
        "properties": {
            "table": TEXT,
            "columns": {"type": "array", "items": TEXT},
            "records": {"type": "array", "items": {"type": "object"}},
            "next": {"type": ["string", "null"]},
        },
        "required": ["table", "columns", "records", "next"],
    },
    "JobEnded": {
        "type": "object",
        "description": "A CloudEvent.",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": TEXT,
            "source": TEXT,
            "type": {"enum": [f"rowmill.job.{state}.v1" for state in ("succeeded", "failed", "cancelled")]},
            "subject": TEXT,
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "data": ref("Job"),
        },
        "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
    },
    "Rejects": {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": TEXT},
            "rows": {"type": "array", "items": {"type": "array", "items": TEXT}},
            "next": {"type": ["string", "null"]},
        },
        "required": ["columns", "rows", "next"],
    },
    "Log": {
        "type": "object",
        "properties": {"log": {"type": "array", "items": ref("LogEntry")}},
        "required": ["log"],
    },
    "Readiness": {
        "type": "object",
        "properties": {"status": TEXT, "parts": {"type": "object", "additionalProperties": TEXT}},
        "required": ["status", "parts"],
    },
}


def document() -> dict[str, Any]:
    by_path: dict[str, dict[str, Any]] = {}
    for call in CALLS:
        by_path.setdefault(call.path, {})[call.method] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rowmill",
            "version": service_version(),
            "summary": "Hand it a table; watch it being milled.",
        },
        "tags": [{"name": name} for name in dict.fromkeys(call.group for call in CALLS)],
        "paths": by_path,
        "webhooks": {"jobEnded": {"post": _webhook()}},
        "components": {"schemas": _schemas(), "securitySchemes": SCHEMES},
    }


def _webhook() -> dict[str, Any]:
    """The call that others get, as Standard Webhooks has it."""
    says = {
        "webhook-id": "The same for each attempt of one event.",
        "webhook-timestamp": "Seconds since 1970: of this attempt.",
        "webhook-signature": "`v1,` and the Base64 of an HMAC-SHA256 over `id.timestamp.body`; several with blanks.",
    }
    headers = [Parameter(name, "header", text, TEXT, required=True) for name, text in says.items()]
    return {
        "summary": "A job has ended",
        "description": "Called until it is answered with 2xx, at last after days; 410 ends all calls to the address.",
        "parameters": [_parameter(header) for header in headers],
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref("JobEnded")}}},
        "responses": {"2XX": {"description": "It was taken."}, "410": {"description": "No more, please."}},
    }


def service_version() -> str:
    try:
        return version("rowmill")
    except PackageNotFoundError:
        return "0"


def _schemas() -> dict[str, Schema]:
    _, made = models_json_schema(
        [(model, "serialization") for model in MODELS],
        ref_template="#/components/schemas/{model}",
    )
    return dict(sorted((made["$defs"] | EXTRA).items()))


def _operation(call: Call) -> dict[str, Any]:
    operation = {
        "operationId": "_".join([call.method, *call.path.strip("/").replace("{", "").replace("}", "").split("/")]),
        "tags": [call.group],
        "summary": call.title,
        "description": call.says,
        "security": _security(call),
        "parameters": [_parameter(parameter) for parameter in call.parameters],
        "responses": _answers(call) | _problems(call.problems),
    }
    return operation | ({"requestBody": call.body} if call.body else {})


def _security(call: Call) -> list[dict[str, list[str]]]:
    """One of these. None is needed where there are no keys, hence the empty choice."""
    if call.need is Need.NOTHING:
        return []
    ticket = PLACES.fullmatch(call.path.format(id="0" * 32, name="x", table="x"))
    link = call.method == "get" and call.path.startswith("/v1/jobs/{id}")
    ways: dict[str, list[str]] = {"key": [] if call.need is Need.KEY else [call.need.value]}
    ways |= {name: [] for name, fits in (("ticket", ticket), ("link", link)) if fits}
    return [*({name: scopes} for name, scopes in ways.items()), {}]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = {"type": "array", "items": parameter.schema} if parameter.repeats else parameter.schema
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.says,
        "required": parameter.required,
        "schema": schema,
    }


def _answers(call: Call) -> dict[str, Any]:
    return {str(status): _answer(*answer) for status, answer in call.answers.items()}


def _answer(says: str, media_type: str | None, schema: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"description": says} | ({"content": {media_type: {"schema": schema or {}}}} if media_type else {})


def _problems(codes: Sequence[str]) -> dict[str, Any]:
    """The problems by status; several may share one."""
    by_status = sorted((*codes, *ALWAYS), key=lambda code: PROBLEMS[code][0])
    grouped = groupby(by_status, key=lambda code: PROBLEMS[code][0])
    return {str(status): _problem(list(same)) for status, same in grouped}


def _problem(codes: Iterable[str]) -> dict[str, Any]:
    says = " ".join(f"`/problems/{code}`: {PROBLEMS[code][1]}." for code in codes)
    return {"description": says, "content": {MEDIA_TYPE: {"schema": ref("Problem")}}}

"""The calls that take a table: submit one, and merge rows into the result of another. As data, like all calls."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.job import Priority
from protocol.recipients import MOST_EMAILS, MOST_WEBHOOKS
from service.contract.call import ID, JSON, STORING, TEXT, WAIT, Call, Need, Parameter, Schema, ref

WHO: dict[str, Schema] = {
    "email": {
        "type": "array",
        "items": {"type": "string"},
        "maxItems": MOST_EMAILS,
        "description": "One address each.",
    },
    "webhook": {
        "type": "array",
        "items": {"type": "string", "format": "uri"},
        "maxItems": MOST_WEBHOOKS,
        "description": "Addresses that are called when the job has ended (see `webhooks`).",
    },
    "priority": {"type": "string", "enum": [*Priority], "default": "normal"},
    "filename": {"type": "string", "description": "The table's name, where the form does not say it."},
}
FIELDS: dict[str, Schema] = {
    "kind": {"type": "string", "default": "profile", "description": "What to do with the table."},
    "params": {"type": "string", "contentMediaType": JSON, "description": "The kind's parameters: a JSON object."},
    "reading": {
        "type": "string",
        "contentMediaType": JSON,
        "contentSchema": ref("Reading"),
        "description": "How to read the table, where looking gets it wrong: a JSON object. "
        "The `charset` of a media type is not believed; `encoding` here is.",
    },
    **WHO,
}
READING: Schema = {
    "type": "string",
    "contentMediaType": JSON,
    "description": "How to read this file: `encoding`, `delimiter`, and of rows to append `header` and `quote`.",
}
PARAMS: Schema = {
    "type": "string",
    "contentMediaType": JSON,
    "description": "How to read this file, where looking gets it wrong: `encoding`, `delimiter`.",
}
PROBLEMS = (
    *("malformed", "bad_parameter", "no_file", "timeout", "in_progress", "too_large", "not_a_table"),
    *("unknown_coding", "invalid", "key_reused", "too_many_uploads", "queue_full", "starting", *STORING),
)
KEY = Parameter("Idempotency-Key", "header", "The same key and content again answer with the same job.", TEXT)


def _body(fields: Mapping[str, Schema], file: str, *, required: bool = True) -> Schema:
    table: Schema = {"type": "string", "format": "binary", "description": file}
    form = {"type": "object", "properties": {"file": table, **fields}} | ({"required": ["file"]} if required else {})
    return {"required": required, "content": {"multipart/form-data": {"schema": form}, "text/csv": {"schema": table}}}


def _query(fields: Mapping[str, Schema]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(name, "query", f"As the form's field {name}.", _bare(schema), repeats="items" in schema)
        for name, schema in fields.items()
    )


def _bare(schema: Schema) -> Schema:
    """Without its default, which generated clients send: a field that the form has too would be there twice."""
    return {name: value for name, value in schema.get("items", schema).items() if name != "default"}


QUERY = _query(FIELDS)
ANSWERS = {
    202: ("Accepted: the job will reach a final state.", JSON, ref("Job")),
    200: ("With `Prefer: wait=N`: the job has ended.", JSON, ref("Job")),
}
SUBMIT = Call(
    "post",
    "/v1/jobs",
    "Submit a table",
    "Send a form, or the table itself as the body with the fields in the address. The table streams to storage; "
    "a field in the address that there is not, or that is there twice, is refused before. "
    "Without a table where the kind's `stands_in` parameters are given.",
    ANSWERS,
    PROBLEMS,
    (*QUERY, KEY, WAIT),
    _body(FIELDS, "The table, as CSV or the like.", required=False),
    need=Need.SUBMIT,
)
PREVIEW = Call(
    "post",
    "/v1/preview",
    "Look at the beginning of a table",
    "What a job would decide about reading it and why, its first rows, and which needed columns it has. Takes what "
    "`POST /v1/jobs` takes, but of the table only the first 256 KiB; a shorter one is taken for all of it. Of "
    "Excel and Parquet it tells the format alone. No job is made and nothing is stored.",
    {200: ("What is known of it; `errors` are what a job would be refused for.", JSON, ref("Preview"))},
    ("malformed", "no_file", "timeout", "too_large", "not_a_table", "unknown_coding", "invalid", "busy"),
    _query(FIELDS),
    _body(FIELDS, "The first 256 KiB of the table."),
    need=Need.SUBMIT,
)
_SENT = {"params": PARAMS, "reading": READING, **WHO}


def _amendment(what: str, title: str, says: str, file: str) -> Call:
    problems = ("no_such_job", "not_mergeable", *PROBLEMS)
    parameters = (ID, *_query(_SENT), KEY, WAIT)
    path, body = f"/v1/jobs/{{id}}/{what}", _body(_SENT, file)
    return Call("post", path, title, says, ANSWERS, problems, parameters, body, need=Need.SUBMIT)


AMENDMENTS = (
    _amendment(
        "repairs",
        "Repair rejected rows",
        "Makes a new job, whose result is that of the whole repaired table; it reads no more than it must. Rows are "
        "told apart by `rejected_line`. Those that come back unchanged, or not at all, stay rejected.",
        "The job's `rejected.csv`, with rows put right: the table's columns and `rejected_line`, in any order.",
    ),
    _amendment(
        "additions",
        "Append rows",
        "Makes a new job, whose result is that of both tables as one; it reads no more than it must.",
        "More rows, with the header of the job's table.",
    ),
)

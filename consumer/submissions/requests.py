"""What another service's message asks for: its two spellings read into one. Pure; believes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from protocol import strict, submission
from protocol.job import Fault, Problem
from protocol.messages import SubmitJob
from protocol.submission import Fields

INLINE = 8 * 2**20  # bytes that a message may hold
HEADER_FIELDS = ("kind", "params", "reading", "email", "webhook", "filename", "priority")
LISTS = {"email": ",", "webhook": None}  # fields of several values, and what is between them in a text: blanks, if none
PROBLEMS: Mapping[str, tuple[int, str]] = {
    "malformed": (400, "The message is malformed"),
    "too_large": (413, "The table is too large"),
    "not_a_table": (415, "That is not a table"),
    "invalid": (422, "The job cannot be accepted as it is"),
    "key_reused": (422, "The message_id belongs to another job"),
    "deleted": (410, "The job was deleted"),
    "internal": (500, "Something went wrong in Rowmill"),
    "source_refused": (422, "The source cannot be had"),
}


class Refusal(Exception):
    """It cannot become a job; the problem says why, with every fault."""

    def __init__(self, code: str, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        status, title = PROBLEMS[code]
        self.problem = Problem(
            type=f"/problems/{code}", title=title, status=status, detail=detail, errors=tuple(faults)
        )


def refuse(faults: Sequence[Fault], code: str = "invalid") -> Refusal:
    return Refusal(code, " ".join(fault.detail for fault in faults), faults)


@dataclass(frozen=True)
class Inline:
    """The table came along."""

    data: bytes


@dataclass(frozen=True)
class Remote:
    """The table lies somewhere."""

    url: str


@dataclass(frozen=True)
class Request:
    fields: Fields
    source: Inline | Remote | None  # None: parameters may stand in for a table
    name: str  # of the file, unless a field names it


def read(message: SubmitJob) -> Request:
    """What is asked, or Refusal."""
    if len(message.body) > INLINE:
        raise Refusal("too_large", f"A message may hold {INLINE:,} bytes; send a larger table over HTTP or by its URL.")
    match message.content_type.partition(";")[0].strip().lower():
        case "text/csv":
            return Request(_header_fields(message.headers), Inline(message.body), submission.DEFAULT_NAME)
        case "application/json":
            return _read_json(_parse(message.body))
        case other:
            detail = f"The content_type must be application/json or text/csv, not {submission.shorten(other)}."
            raise Refusal("malformed", detail)


def job_id(message: SubmitJob, otherwise: str) -> str:
    """The id of the job: the same each time this message comes, where its sender has given it a message_id."""
    if not message.message_id:
        return otherwise
    return hashlib.sha256(json.dumps([message.sender, message.message_id]).encode()).hexdigest()[:32]


def fingerprint(message: SubmitJob) -> str:
    """What was asked: the same for the same message."""
    asked = {name: message.headers.get(name) for name in HEADER_FIELDS}
    head = json.dumps([message.content_type, asked], sort_keys=True).encode()
    return hashlib.sha256(head + message.body).hexdigest()


def _header_fields(headers: Mapping[str, JsonValue]) -> Fields:
    """The headers that say something to us; others belong to whoever the message passed by."""
    fields = Fields()
    for name in HEADER_FIELDS:
        for value in _values(name, headers.get(name)):
            fields.add(name, value)
    return fields


def _values(name: str, value: JsonValue) -> Iterator[str]:
    match value:
        case None:
            return
        case str() if name in LISTS:
            yield from value.split(LISTS[name])
        case str():
            yield value
        case list() if name in LISTS:
            yield from (one if isinstance(one, str) else json.dumps(one) for one in value)
        case _:
            yield json.dumps(value)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        return strict.parse_object(body.decode())
    except (ValueError, RecursionError) as exc:
        reason = submission.shorten(str(exc), quote=False)
        raise Refusal("malformed", f"The body is not a JSON object: {reason}.") from None


def _read_json(asked: Mapping[str, Any]) -> Request:
    fields = Fields(table="source")
    for name, value in asked.items():
        if name != "source":
            for one in _values(name, value):
                fields.add(name, one)
    source: Any = asked.get("source")
    name = source.get("name", "") if isinstance(source, dict) else ""
    match source:
        case None if "source" not in asked:
            return Request(fields, None, fields.one("kind") or submission.DEFAULT_NAME)
        case {"url": str(url), **rest} if isinstance(name, str) and rest.keys() <= {"name"}:
            return Request(fields, Remote(url), name or _last_part(url) or submission.DEFAULT_NAME)
        case {"text": str(text), **rest} if isinstance(name, str) and rest.keys() <= {"name"}:
            return Request(fields, Inline(text.encode()), name or submission.DEFAULT_NAME)
    says = 'source must be {"url"} or {"text"}, and may have a {"name"}.'
    raise refuse([Fault(code="bad_source", detail=says, pointer="/source")])


def _last_part(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]

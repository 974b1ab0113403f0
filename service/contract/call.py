"""What one call of the HTTP API is, as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.limits import Limits

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
JSON = "application/json"
STORING = ("busy", "no_space")  # the problems of calls that store something, when nothing can be stored


class Need(StrEnum):
    """What a call asks of who asks for it: nothing, any key that works, or one with a scope."""

    NOTHING = "nothing"
    KEY = "key"
    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


@dataclass(frozen=True)
class Parameter:
    name: str
    place: str  # path, query or header
    says: str
    schema: Mapping[str, Any]
    required: bool = False
    repeats: bool = False


ID = Parameter("id", "path", "The job's id.", {"type": "string", "pattern": "^[0-9a-f]{32}$"}, required=True)
WAIT = Parameter(
    "Prefer",
    "header",
    f"`wait=N`: answer when the job has ended, or after N seconds, at most {Limits.wait:.0f}.",
    TEXT,
)


@dataclass(frozen=True)
class Call:
    """One call. `answers` maps a status to what it means, its media type and its schema; problems come by code."""

    method: str
    path: str
    title: str
    says: str
    answers: Mapping[int, tuple[str, str | None, Schema | None]]
    problems: Sequence[str] = ()
    parameters: Sequence[Parameter] = ()
    body: Mapping[str, Any] | None = None
    group: str = "jobs"
    need: Need = Need.READ


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}

"""What a client asked for, judged field by field, everything that is wrong at once. The file is another matter.

The same rules for who asks over HTTP and who asks by message.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from protocol import declared
from protocol.declared import check_reading, escape, read_reading
from protocol.intake import check_columns
from protocol.intake.layout import CANDIDATES, Format, Layout
from protocol.job import Fault, Priority
from protocol.kept import How
from protocol.kinds import KindInfo
from protocol.reading import Reading
from protocol.recipients import is_address, read_emails, read_webhooks
from protocol.sentences import shorten
from protocol.strict import parse_object

__all__ = ["Fields", "Submission", "is_address", "judge", "judge_amendment", "shorten"]

SINGLE = ("kind", "params", "reading", "priority", "filename")
FIELDS = (*SINGLE, "email", "webhook")
FIELDS_OF_AMENDMENTS = tuple(name for name in FIELDS if name != "kind")
DEFAULT_KIND = "profile"
AMENDMENT = KindInfo(  # rows that are merged into a result: its kind and parameters are as they were
    name="A file of rows to merge",
    title="Rows to merge",
    params={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "encoding": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "delimiter": {"anyOf": [{"enum": list(CANDIDATES)}, {"type": "null"}]},
        },
    },
)
DEFAULT_NAME = "table.csv"
NAME_BYTES = 255


@dataclass
class Fields:
    """The raw fields, as they come in; beside them the table, in a field of its own."""

    values: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    table: str = "file"

    def add(self, name: str, value: str) -> None:
        self.values[name].append(value)

    def one(self, name: str) -> str | None:
        """The field's value; a blank one is as good as none, because forms send those."""
        return next((value.strip(" ") for value in self.values.get(name, ()) if value.strip()), None)


@dataclass(frozen=True)
class Submission:
    """What was asked. Where there are faults, the rest is as good as could be made out."""

    kind: KindInfo | None
    params: Mapping[str, Any]
    reading: Reading
    emails: tuple[str, ...]
    webhooks: tuple[str, ...]
    priority: Priority
    name: str
    faults: tuple[Fault, ...]

    def missing(self, layout: Layout | None) -> tuple[Fault, ...]:
        """What the table lacks of the columns that the kind needs."""
        if layout is None or self.kind is None or layout.format is not Format.CSV:
            return ()
        return check_columns(layout, self.kind.columns, self.params, self.reading.columns)


def judge(
    fields: Fields, name: str, kinds: Mapping[str, KindInfo], most_emails: int, hosts: Collection[str] = ()
) -> Submission:
    """What was asked for the file *name*, unless a field names it; webhooks to *hosts* need no TLS.

    Faults come in the order kind, params, reading, email, webhook, priority, filename, and then what should not be
    there.
    """
    kind, kind_faults = find_kind(fields.one("kind") or DEFAULT_KIND, kinds)
    params, params_faults = read_params(fields.one("params"), kind)
    reading, reading_faults = read_reading(fields.one("reading"))
    reading_faults += check_reading(reading, params, kind)
    told, told_faults = _read_told(fields, most_emails, hosts)
    priority, priority_faults = read_priority(fields.one("priority"))
    name, name_faults = clean_name(fields.one("filename") or name)
    asked = (*kind_faults, *params_faults, *reading_faults, *told_faults, *priority_faults)
    return Submission(kind, params, reading, *told, priority, name, (*asked, *name_faults, *find_strays(fields)))


def judge_amendment(fields: Fields, name: str, most_emails: int, how: How, hosts: Collection[str] = ()) -> Submission:
    """The same for rows that are to be merged into a result: of the parameters there are those about reading."""
    params, params_faults = read_params(fields.one("params"), AMENDMENT)
    allowed = declared.OF_REPAIRED_ROWS if how is How.REPAIR else declared.OF_MORE_ROWS
    reading, reading_faults = read_reading(fields.one("reading"), allowed)
    reading_faults += check_reading(reading, params, None)
    told, told_faults = _read_told(fields, most_emails, hosts)
    priority, priority_faults = read_priority(fields.one("priority"))
    name, name_faults = clean_name(fields.one("filename") or name)
    strays = find_strays(fields, FIELDS_OF_AMENDMENTS)
    faults = (*params_faults, *reading_faults, *told_faults, *priority_faults, *name_faults, *strays)
    return Submission(AMENDMENT, params, reading, *told, priority, name, faults)


Told = tuple[tuple[str, ...], tuple[str, ...]]  # addresses of people, and of programs


def _read_told(fields: Fields, most_emails: int, hosts: Collection[str]) -> tuple[Told, list[Fault]]:
    emails, email_faults = read_emails(fields.values.get("email", ()), most_emails)
    hooks, hook_faults = read_webhooks(fields.values.get("webhook", ()), hosts)
    return (emails, hooks), email_faults + hook_faults


def find_kind(name: str, kinds: Mapping[str, KindInfo]) -> tuple[KindInfo | None, list[Fault]]:
    if name in kinds:
        return kinds[name], []
    known = ", ".join(kinds)
    return None, [_fault("unknown_kind", f"There is no kind {shorten(name)}; there are {known}.", "/kind")]


def read_params(text: str | None, kind: KindInfo | None) -> tuple[dict[str, Any], list[Fault]]:
    try:
        params = parse_object(text) if text else {}
    except (ValueError, RecursionError) as exc:
        return {}, [_fault("bad_params", f"params is not a JSON object: {shorten(str(exc), quote=False)}.", "/params")]
    return params, check_params(params, kind) if kind else []


def check_params(params: Mapping[str, Any], kind: KindInfo) -> list[Fault]:
    """Every way in which *params* breaks the kind's schema, each with a pointer to its place."""
    errors = Draft202012Validator(kind.params).iter_errors(params)
    faults = [fault for error in errors for fault in _schema_faults(error, kind)]
    return sorted(faults, key=lambda fault: fault.pointer or "")


def _schema_faults(error: ValidationError, kind: KindInfo) -> list[Fault]:
    place = "".join(f"/{escape(str(part))}" for part in error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        return [
            _fault(
                "unknown_param",
                f"{kind.name} has no parameter {shorten(name)}; it has {', '.join(known) or 'none'}.",
                f"/params{place}/{escape(name)}",
            )
            for name in error.instance
            if name not in known
        ]
    sentence = f"{place.lstrip('/') or 'params'}: {shorten(_innermost(error).message, quote=False)}"
    code = "missing_param" if error.validator == "required" else "bad_param"
    return [_fault(code, sentence + ".", f"/params{place}")]


def _innermost(error: ValidationError) -> ValidationError:
    """Of an optional value's error the half that helps: not that it is no null."""
    telling = [inner for inner in error.context or () if inner.schema != {"type": "null"}]
    return best_match(telling) or error


def read_priority(text: str | None) -> tuple[Priority, list[Fault]]:
    if text is None or text in set(Priority):
        return Priority(text or Priority.NORMAL), []
    detail = f"{shorten(text)} is no priority; there are {', '.join(Priority)}."
    return Priority.NORMAL, [_fault("bad_priority", detail, "/priority")]


def clean_name(raw: str) -> tuple[str, list[Fault]]:
    """The last part of the path that *raw* may be: it is only ever shown, never used to open anything."""
    name = re.split(r"[/\\]", raw)[-1].strip()
    problem = None
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or char in BIDI for char in raw):
        problem = "has control characters in it"
    elif name in {"", ".", ".."}:
        problem = "has no name in it"
    elif len(name.encode()) > NAME_BYTES:
        problem = f"is longer than {NAME_BYTES} bytes"
    if problem is None:
        return name, []
    return DEFAULT_NAME, [_fault("bad_filename", f"The file name {shorten(raw)} {problem}.", "/filename")]


BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # they make vsc.exe look like exe.csv


def find_strays(fields: Fields, known: Sequence[str] = FIELDS) -> list[Fault]:
    there = ", ".join((fields.table, *known))
    unknown = [
        _fault("unknown_field", f"There is no field {shorten(name)}; there are {there}.", f"/{escape(name)}")
        for name in fields.values
        if name not in known
    ]
    twice = [
        _fault("field_twice", f"The field {name} is there {len(fields.values[name])} times.", f"/{name}")
        for name in SINGLE
        if len(fields.values.get(name, ())) > 1
    ]
    return unknown + twice


def _fault(code: str, detail: str, pointer: str) -> Fault:
    return Fault(code=code, detail=detail, pointer=pointer)

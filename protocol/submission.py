"""What a client asked for, judged field by field, everything that is wrong at once. The file is another matter.

The same rules for who asks over HTTP and who asks by message.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from protocol.intake.layout import CANDIDATES
from protocol.job import Fault, Priority
from protocol.kinds import KindInfo

SINGLE = ("kind", "params", "priority", "filename")
FIELDS = (*SINGLE, "email")
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
ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
ADDRESS_LENGTH, LOCAL_LENGTH = 254, 64


@dataclass
class Fields:
    """The raw fields, as they come in."""

    values: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

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
    emails: tuple[str, ...]
    priority: Priority
    name: str
    faults: tuple[Fault, ...]


def judge(fields: Fields, name: str, kinds: Mapping[str, KindInfo], most_emails: int) -> Submission:
    """What was asked for the file *name*, unless a field names it.

    Faults come in the order kind, params, email, priority, filename, and then what should not be there.
    """
    kind, kind_faults = find_kind(fields.one("kind") or DEFAULT_KIND, kinds)
    params, params_faults = read_params(fields.one("params"), kind)
    emails, email_faults = read_emails(fields.values.get("email", ()), most_emails)
    priority, priority_faults = read_priority(fields.one("priority"))
    name, name_faults = clean_name(fields.one("filename") or name)
    faults = (*kind_faults, *params_faults, *email_faults, *priority_faults, *name_faults, *find_strays(fields))
    return Submission(kind, params, emails, priority, name, faults)


def judge_amendment(fields: Fields, name: str, most_emails: int) -> Submission:
    """The same for rows that are to be merged into a result: of the parameters there are those about reading."""
    params, params_faults = read_params(fields.one("params"), AMENDMENT)
    emails, email_faults = read_emails(fields.values.get("email", ()), most_emails)
    priority, priority_faults = read_priority(fields.one("priority"))
    name, name_faults = clean_name(fields.one("filename") or name)
    strays = find_strays(fields, tuple(field for field in FIELDS if field != "kind"))
    faults = (*params_faults, *email_faults, *priority_faults, *name_faults, *strays)
    return Submission(AMENDMENT, params, emails, priority, name, faults)


def find_kind(name: str, kinds: Mapping[str, KindInfo]) -> tuple[KindInfo | None, list[Fault]]:
    if name in kinds:
        return kinds[name], []
    known = ", ".join(kinds)
    return None, [_fault("unknown_kind", f"There is no kind {shorten(name)}; there are {known}.", "/kind")]


def read_params(text: str | None, kind: KindInfo | None) -> tuple[dict[str, Any], list[Fault]]:
    try:
        params = parse_params(text or "{}")
    except (ValueError, RecursionError) as exc:
        return {}, [_fault("bad_params", f"params is not a JSON object: {shorten(str(exc), quote=False)}.", "/params")]
    return params, check_params(params, kind) if kind else []


def parse_params(text: str) -> dict[str, Any]:
    """Strict JSON: no NaN, no infinite number, no name twice, nothing that cannot be written as UTF-8."""
    params = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
    if not isinstance(params, dict):
        raise ValueError("it is something else")  # noqa: TRY004 - one kind of error for the caller
    text.encode()
    json.dumps(params, ensure_ascii=False).encode()
    return params


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def check_params(params: Mapping[str, Any], kind: KindInfo) -> list[Fault]:
    """Every way in which *params* breaks the kind's schema, each with a pointer to its place."""
    errors = Draft202012Validator(kind.params).iter_errors(params)
    faults = [fault for error in errors for fault in _schema_faults(error, kind)]
    return sorted(faults, key=lambda fault: fault.pointer or "")


def _schema_faults(error: ValidationError, kind: KindInfo) -> list[Fault]:
    place = "".join(f"/{_escape(str(part))}" for part in error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        return [
            _fault(
                "unknown_param",
                f"{kind.name} has no parameter {shorten(name)}; it has {', '.join(known) or 'none'}.",
                f"/params{place}/{_escape(name)}",
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


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def read_emails(values: Iterable[str], most: int) -> tuple[tuple[str, ...], list[Fault]]:
    given = [value.strip(" ") for value in values if value.strip(" ")]
    unique = tuple({address.casefold(): address for address in reversed(given)}.values())[::-1]
    faults = [
        _fault("bad_email", f"{shorten(address)} is not one e-mail address.", f"/email/{number}")
        for number, address in enumerate(given)
        if not is_address(address)
    ]
    if len(unique) > most:
        faults.append(_fault("too_many_emails", f"At most {most} addresses, not {len(unique)}.", "/email"))
    return unique, faults


def is_address(text: str) -> bool:
    """Exactly one plain address, such as can stand in a mail header and in an SMTP command."""
    short = len(text) <= ADDRESS_LENGTH and len(text.partition("@")[0]) <= LOCAL_LENGTH
    return short and ADDRESS.fullmatch(text) is not None


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
    unknown = [
        _fault("unknown_field", f"There is no field {shorten(name)}; there are file, {', '.join(known)}.", f"/{name}")
        for name in fields.values
        if name not in known
    ]
    twice = [
        _fault("field_twice", f"The field {name} is there {len(fields.values[name])} times.", f"/{name}")
        for name in SINGLE
        if len(fields.values.get(name, ())) > 1
    ]
    return unknown + twice


def shorten(text: str, length: int = 80, *, quote: bool = True) -> str:
    """*text* for a sentence: without line breaks or other surprises, and not too long."""
    plain = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    plain = plain if len(plain) <= length else plain[: length - 1] + "…"
    return f"“{plain}”" if quote else plain.rstrip(".")


def _fault(code: str, detail: str, pointer: str) -> Fault:
    return Fault(code=code, detail=detail, pointer=pointer)

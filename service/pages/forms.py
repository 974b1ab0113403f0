"""A kind's form, made from the JSON Schema of its parameters. Pure; refuses to know what any kind is for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from protocol.job import Value
from protocol.kinds import KindInfo
from service.pages.wording import number, spelled

READING = frozenset({"encoding", "delimiter", "decimal"})  # what every kind asks about reading the file

CHECKED = frozenset(
    {"type", "enum", "pattern", "items", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    | {"minLength", "maxLength", "minItems", "maxItems"}
)

Control = Literal["text", "number", "choice", "switch", "lines"]
Schema = Mapping[str, Any]


class Choice(Value):
    value: str
    label: str


class Field(Value):
    """One control. `value` is what it shows at first; `type` is the JSON type that an answer is turned into."""

    name: str
    label: str
    help: str = ""
    control: Control = "text"
    type: str = "string"
    value: str = ""
    choices: tuple[Choice, ...] = ()
    limits: str = ""
    optional: bool = False
    column: bool = False  # names a column of the table
    rules: str = ""  # JSON: what of the schema the page checks while the form is filled in


class Form(Value):
    """What to ask for one kind: its own questions, and those about reading the file."""

    kind: KindInfo
    own: tuple[Field, ...]
    reading: tuple[Field, ...]


def form_of(kind: KindInfo) -> Form:
    """The form of this kind, in the order of its schema."""
    columns = {column.param for column in kind.columns if column.param}
    fields = [
        _field(name, schema, kind.params, column=name in columns)
        for name, schema in kind.params.get("properties", {}).items()
    ]
    return Form(
        kind=kind,
        own=tuple(field for field in fields if field.name not in READING),
        reading=tuple(field for field in fields if field.name in READING),
    )


def _field(name: str, raw: Schema, whole: Schema, *, column: bool) -> Field:
    schema, optional = _resolved(raw, whole)
    type_ = str(schema.get("type", "string"))
    return Field(
        name=name,
        label=str(schema.get("title") or name),
        help=str(schema.get("description", "")),
        control=_control(schema, type_),
        type=type_,
        value=_shown(schema.get("default")),
        choices=tuple(Choice(value=_shown(one), label=spelled(_shown(one))) for one in _options(schema)),
        limits=_limits(schema),
        optional=optional,
        column=column,
        rules=_rules(schema, required=name in whole.get("required", ())),
    )


def _rules(schema: Schema, *, required: bool) -> str:
    rules = {word: rule for word, rule in schema.items() if word in CHECKED}
    return json.dumps(rules | ({"required": True} if required else {}))


def _resolved(raw: Schema, whole: Schema) -> tuple[dict[str, Any], bool]:
    """Follow `$ref` and "this or null"; say whether null is allowed."""
    schema = dict(raw)
    branches = schema.pop("anyOf", [])
    kept = [branch for branch in branches if branch.get("type") != "null"]
    if kept:
        schema = {**kept[0], **schema}
    if "$ref" in schema:
        schema = {**whole.get("$defs", {}).get(str(schema.pop("$ref")).rsplit("/", 1)[-1], {}), **schema}
    return schema, len(kept) < len(branches)


def _control(schema: Schema, type_: str) -> Control:
    if _options(schema):
        return "choice"
    controls: dict[str, Control] = {"number": "number", "integer": "number", "boolean": "switch", "array": "lines"}
    return controls.get(type_, "text")


def _options(schema: Schema) -> list[Any]:
    return list(schema.get("enum", [schema["const"]] if "const" in schema else []))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def _limits(schema: Schema) -> str:
    low = _bound(schema, "minimum", "from {}", "exclusiveMinimum", "more than {}")
    high = _bound(schema, "maximum", "up to {}", "exclusiveMaximum", "less than {}")
    return ", ".join(part for part in (low, high) if part)


def _bound(schema: Schema, closed: str, inside: str, opened: str, beyond: str) -> str:
    if closed in schema:
        return inside.format(number(schema[closed]))
    return beyond.format(number(schema[opened])) if opened in schema else ""

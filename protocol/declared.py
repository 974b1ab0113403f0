"""What is wrong with the declaration of how a table is to be read: everything at once, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from protocol.intake.decoding import codec_name
from protocol.intake.layout import BadTable
from protocol.job import Fault
from protocol.kinds import KindInfo
from protocol.reading import Reading
from protocol.strict import parse_object

ALL = tuple(Reading.model_fields)
OF_MORE_ROWS = ("encoding", "delimiter", "header", "quote")  # the columns are as they were
OF_REPAIRED_ROWS = ("encoding", "delimiter")  # of a file that we wrote
SAYS = {
    "encoding": "it names a text encoding",
    "delimiter": 'it is ",", ";", a tab or "|"',
    "header": "it is true or false",
    "quote": '''it is '"', "'" or "none"''',
    "columns": "it maps a needed column's name to the name that it has in the file, both text",
}


def read_reading(text: str | None, allowed: Iterable[str] = ALL) -> tuple[Reading, list[Fault]]:
    """The declaration in this JSON, as far as it can be made out, and what is wrong with it."""
    if not text:
        return Reading(), []
    try:
        given = parse_object(text)
    except (ValueError, RecursionError) as exc:
        detail = f"reading is not a JSON object: {str(exc)[:200].rstrip('.')}."
        return Reading(), [Fault(code="bad_reading", detail=detail, pointer="/reading")]
    faults = [*_strangers(given, tuple(allowed)), *_wrong(given)]
    bad = {str(fault.pointer).split("/")[2] for fault in faults}
    return Reading.model_validate({name: value for name, value in given.items() if name not in bad}), faults


def _strangers(given: Mapping[str, Any], allowed: tuple[str, ...]) -> Iterator[Fault]:
    for name in given:
        if name not in allowed:
            detail = f"reading has no {name[:80]!r} here; it has {', '.join(allowed)}."
            yield Fault(code="unknown_reading", detail=detail, pointer=f"/reading/{escape(name)}")


def _wrong(given: Mapping[str, Any]) -> Iterator[Fault]:
    try:
        Reading.model_validate(given, strict=True)
    except ValidationError as exc:
        for name in dict.fromkeys(str(error["loc"][0]) for error in exc.errors()):
            yield Fault(code="bad_reading", detail=f"{name}: {SAYS[name]}.", pointer=f"/reading/{name}")
    try:
        codec_name(encoding if isinstance(encoding := given.get("encoding"), str) else "utf-8")
    except BadTable as bad:
        yield bad.faults[0].model_copy(update={"pointer": "/reading/encoding"})


def check_reading(reading: Reading, params: Mapping[str, Any], kind: KindInfo | None) -> Iterator[Fault]:
    """What does not go together with the kind and its parameters."""
    for name in ("encoding", "delimiter"):
        other, mine = params.get(name), getattr(reading, name)
        if other is not None and mine is not None and other != mine:
            detail = f"The {name} is declared twice, and not alike: in reading and in params."
            yield Fault(code="declared_twice", detail=detail, pointer=f"/reading/{name}")
    needed = [column.name_for(dict(params)) for column in kind.columns] if kind else []
    for name in reading.columns if kind else ():
        if name not in needed:
            says = f"it needs {', '.join(needed)}" if needed else "it takes the columns as they are"
            detail = f"The kind {kind.name if kind else ''} needs no column {name[:80]!r}; {says}."
            yield Fault(code="unknown_column", detail=detail, pointer=f"/reading/columns/{escape(name)}", column=name)


def escape(part: str) -> str:
    """As a part of a JSON pointer. Half a character, of a name that is not UTF-8, could not be sent."""
    return part.replace("~", "~0").replace("/", "~1").encode(errors="replace").decode()

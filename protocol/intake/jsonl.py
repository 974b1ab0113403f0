"""JSON Lines: an object a line. Its columns are all keys, in the order in which they come; numbers stay as written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from protocol.intake import heading, scanning
from protocol.intake.decoding import Decoder, Undecodable, nul_byte
from protocol.intake.layout import MAX_COLUMNS, MAX_HEADER, BadTable
from protocol.intake.repaired import Row, as_text
from protocol.job import Fault

LONGEST = 16 * 2**20  # characters of a line
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _Written(str):
    """A part of JSON that stands as it was written: a number, or what holds others together."""

    __slots__ = ()


def _none(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_int=_Written, parse_float=_Written, parse_constant=_none)


def columns(blocks: Iterable[bytes], declared: str | None = None) -> tuple[str, ...]:
    """The keys of all objects."""
    names, size = dict[str, None](), 0
    for _, _, found in _objects(blocks, declared):
        if found is not None and not found.keys() <= names.keys():
            size += len("".join(found.keys() - names.keys()).encode())
            if size > MAX_HEADER:
                raise BadTable(422, (heading.too_long(),))
            names.update(dict.fromkeys(found))
            if len(names) > MAX_COLUMNS:
                raise _bad("too_many_columns", f"The objects have more than {MAX_COLUMNS:,} different keys.")
    if not names:
        raise _bad("no_objects", "No line of the file is a JSON object with anything in it.")
    return tuple(names)


def rows(blocks: Iterable[bytes], names: tuple[str, ...], declared: str | None = None) -> Iterator[Row]:
    """A row for each line that is not blank; one that is no object has too few cells, and so is rejected."""
    for line, text, found in _objects(blocks, declared):
        if found is None:
            yield line, [text.rstrip("\r\n")] if len(names) > 1 else [text.rstrip("\r\n"), ""]
        else:
            cells = map(found.get, names)
            yield line, [cell if isinstance(cell, str) else _cell(cell) for cell in cells]


def decode(blocks: Iterable[bytes], declared: str | None, *, whole: bool = True) -> Iterator[bytes]:
    """All of it as UTF-8, or BadTable; unless it is the *whole*, its last character may be cut off."""
    decoder, ended = Decoder(declared), 0
    try:
        for block in chain(blocks, (b"",)):
            utf8 = decoder.feed(block, final=whole and not block)
            ended += scanning.line_ends(utf8)
            yield utf8
    except Undecodable as exc:
        raise BadTable(422, (exc.fault(1 + ended + scanning.line_ends(exc.valid)),)) from None


def _objects(blocks: Iterable[bytes], declared: str | None) -> Iterator[tuple[int, str, dict[str, Any] | None]]:
    source, line = as_text(decode(blocks, declared)), 0
    while text := source.readline(LONGEST):
        line += 1
        if "\0" in text:
            raise BadTable(415, (nul_byte(line),))
        if len(text) == LONGEST:
            raise _bad("line_too_long", f"Line {line} is longer than {LONGEST:,} characters.", line)
        if text.strip():
            yield line, text, _parse(text)


def _parse(text: str) -> dict[str, Any] | None:
    try:
        found = _DECODER.decode(text)
        if "\\u" in text:  # half of a surrogate pair can be escaped, but is no text, and nor is NUL
            if _NUL.search(text):
                return None
            if _SURROGATE.search(text):
                _spelled(found).encode()
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            return _spelled(value)


def _spelled(value: Any) -> str:
    """Something nested, as JSON again; deeper than functions may call themselves, so none does."""
    left, spelled = [value], list[str]()
    while left:
        match left.pop():
            case _Written() as part:
                spelled.append(part)
            case dict() as found:
                names = (f"{json.dumps(name, ensure_ascii=False)}: " for name in found)
                left += reversed(_within("{", zip(names, found.values(), strict=True), "}"))
            case list() as found:
                left += reversed(_within("[", (("", one) for one in found), "]"))
            case plain:
                spelled.append(json.dumps(plain, ensure_ascii=False))
    return "".join(spelled)


def _within(begin: str, values: Iterable[tuple[str, Any]], end: str) -> list[Any]:
    """The parts of an object or a list: each value behind what comes before it."""
    parts = [part for before, value in values for part in (_Written(f", {before}"), value)]
    if parts:
        parts[0] = _Written(parts[0].removeprefix(", "))
    return [_Written(begin), *parts, _Written(end)]


def _bad(code: str, detail: str, line: int | None = None) -> BadTable:
    return BadTable(422, (Fault(code=code, detail=detail, line=line),))

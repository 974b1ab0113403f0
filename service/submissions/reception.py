"""Reads a submission off the wire: the fields and the file, in whatever order they come, as a form or as the body."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import ValidationError

from protocol import submission
from protocol.background import PART
from protocol.declared import read_reading
from protocol.intake import ReadOptions
from protocol.intake.layout import CANDIDATES
from protocol.kinds import KindInfo
from protocol.reading import Reading
from protocol.submission import Fields
from service.gathering import Gathering
from service.limits import Limits
from service.problems import Refused, refuse_faults
from service.submissions.codings import decode
from service.submissions.form import Part, parts
from service.submissions.patience import Patience
from service.submissions.uploads import Upload

FORM = "multipart/form-data"
NO_TABLES = {
    "application/x-www-form-urlencoded": "no_file",
    "application/json": "not_a_table",
    "multipart/mixed": "not_a_table",
    "multipart/related": "not_a_table",
}
NAMED = re.compile(r"[^\s/]+/[^\s/]+")
UNNAMED = "application/octet-stream"  # what a client says that says nothing
BROKEN = (ValueError, RuntimeError, AssertionError, LookupError, Warning, HttpProcessingError, web.RequestPayloadError)


@dataclass
class Known(Fields):
    """The fields so far, and the kinds that there are: together they say how the table is to be read."""

    kinds: Mapping[str, KindInfo] = field(default_factory=dict)

    def options(self) -> ReadOptions:
        kind = self.kinds.get(self.one("kind") or submission.DEFAULT_KIND)
        params, _ = submission.read_params(self.one("params"), None)
        reading, _ = read_reading(self.one("reading"))
        return options_of(params, kind, reading)


class Store(Protocol):
    """Where the file goes; the options are None while nobody knows them."""

    async def __call__(self, blocks: AsyncIterator[bytes], name: str, options: ReadOptions | None) -> Upload: ...


@dataclass(frozen=True)
class Received:
    fields: Fields
    upload: Upload | None


async def receive(request: web.Request, store: Store, limits: Limits, kinds: Mapping[str, KindInfo]) -> Received:
    """The whole request. The address's query holds fields as well as the form does."""
    fields = in_address(request, kinds)
    patience = Patience(limits, request.content)
    kind = media_type(request)
    if kind == FORM:
        return await _receive_form(request, fields, store, patience, limits)
    if kind in NO_TABLES:
        raise Refused(NO_TABLES[kind], f"Send {FORM}, or the table as the body with its media type.")
    return Received(fields, await _receive_body(request, fields, store, patience))


def in_address(request: web.Request, kinds: Mapping[str, KindInfo]) -> Known:
    """The fields that are known before the body."""
    fields = Known(kinds=kinds)
    for name, value in request.query.items():
        if name != "csrf":  # of a form that is sent without scripts
            fields.add(name, value)
    return fields


def media_type(request: web.Request) -> str:
    """Of the body. The library reads the header as one of a mail, for a twentieth of what a small job costs here."""
    named = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return named if NAMED.fullmatch(named) else UNNAMED


async def _receive_body(request: web.Request, fields: Known, store: Store, patience: Patience) -> Upload | None:
    if not request.can_read_body and media_type(request) == UNNAMED and fields.one("filename") is None:
        return None
    name = check_name(fields.one("filename") or submission.DEFAULT_NAME)
    return await store(read_body(request, patience), name, fields.options())


def read_body(request: web.Request, patience: Patience) -> AsyncIterator[bytes]:
    """The body, decoded, at most two parts at a time. One that is long is gathered first."""
    return decode(request.headers, _read(request, patience))


async def _read(request: web.Request, patience: Patience) -> AsyncIterator[bytes]:
    if isinstance(request.protocol, Gathering):
        request.protocol.gather(request)
    try:
        while block := await patience.wait(request.content.read(2 * PART)):
            yield block
    except BROKEN as exc:
        raise Refused("malformed", "The body is not encoded as its headers say.") from exc


async def _receive_form(
    request: web.Request, fields: Known, store: Store, patience: Patience, limits: Limits
) -> Received:
    upload: Upload | None = None
    blocks = read_body(request, patience)
    async for part in parts(request.headers["Content-Type"], blocks, limits.fields):
        if part.name == "file" and upload is None:
            upload = await _receive_file(part, fields, store)
        elif part.name == "file":
            raise Refused("malformed", "One file at a time: the field file is there twice.")
        else:
            fields.add(part.name, await _read_field(part, limits.field))
    return Received(fields, upload)


async def _receive_file(part: Part, fields: Known, store: Store) -> Upload | None:
    pieces = part.pieces()
    first = await anext(pieces, b"") if part.filename == "" else b""
    if part.filename == "" and not first:  # what a browser sends where no file was chosen
        return None
    name = check_name(fields.one("filename") or part.filename or submission.DEFAULT_NAME)
    told = {"kind", "params", "reading"} <= fields.values.keys()
    return await store(_file(first, pieces), name, fields.options() if told else None)


async def _file(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in pieces:
        yield piece


async def _read_field(part: Part, most: int) -> str:
    value = bytearray()
    async for piece in part.pieces():
        value += piece
        if len(value) > most:
            raise Refused("malformed", f"The field {submission.shorten(part.name)} is longer than {most:,} bytes.")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Refused("malformed", f"The field {submission.shorten(part.name)} is not UTF-8.") from None


def check_name(raw: str) -> str:
    """A file whose name is refused is not even stored."""
    name, faults = submission.clean_name(raw)
    if faults:
        raise refuse_faults(faults)
    return name


def options_of(params: Mapping[str, Any], kind: KindInfo | None, reading: Reading) -> ReadOptions:
    """How to read the table, as far as these say; what is wrong with them is told with everything else."""
    try:
        return ReadOptions.of(_possible(params), kind, reading)
    except ValidationError:
        return ReadOptions.of({}, kind, reading)


def _possible(params: Mapping[str, Any]) -> dict[str, Any]:
    """Without a delimiter that can be none: reading by it would only add faults that are not the table's."""
    return {name: value for name, value in params.items() if name != "delimiter" or value in CANDIDATES}

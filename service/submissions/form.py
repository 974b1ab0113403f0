"""Reads a form off the wire, part after part, each piece of one as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import lru_cache
from typing import TypeAlias

from aiohttp import content_disposition_filename, parse_content_disposition
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from service.problems import Refused

LINE, LINES = 8190, 64  # the longest header of a part in bytes, and how many it may have
BOUNDARY = 70  # characters (RFC 2046, 5.1.1)
TAIL = BOUNDARY + len("\r\n--")
AS_SENT = "latin-1"  # each byte a character, so that any can be decoded as it is meant


Event: TypeAlias = MultipartSegment | bytes | None


async def parts(media_type: str, blocks: AsyncIterator[bytes], most: int) -> AsyncIterator[Part]:
    """The parts of a form of this *media_type*, *most* at most, each to be read to its end before the next."""
    number, events = 0, _events(media_type, blocks)
    async for event in events:
        if isinstance(event, MultipartSegment):
            number += 1
            if number > most:
                raise Refused("malformed", f"A form may have {most} fields.")
            yield Part(event, events)


class Part:
    """A field or a file: what it is called, and its bytes, once."""

    def __init__(self, segment: MultipartSegment, events: AsyncIterator[Event]) -> None:
        if (segment.content_type or "").startswith("multipart/"):
            raise Refused("malformed", "A form inside a form is not understood.")
        self._events = events
        try:
            self.name, self.filename = _names(segment.header("Content-Disposition"))
        except ValueError as exc:  # in which UnicodeError is
            raise Refused("malformed", "What a part of the form is called cannot be understood.") from exc

    async def pieces(self) -> AsyncIterator[bytes]:
        async for event in self._events:
            if not isinstance(event, bytes):  # the end of the part
                return
            yield event


async def _events(media_type: str, blocks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """The head of a part, its pieces, and None where it ends; as often as there are parts."""
    try:
        with PushMultipartParser(
            _boundary(media_type), header_charset=AS_SENT, max_header_size=LINE, max_header_count=LINES
        ) as parser:
            inside = False
            async for block in blocks:
                if inside and b"\r" not in block:  # no boundary begins here: one is not found as fast as a byte
                    yield block
                    continue
                inside = False
                for event in parser.parse(block):
                    inside = isinstance(event, bytes) and b"\r" not in block[-TAIL:]  # the parser keeps nothing back
                    yield event
    except (MultipartError, UnicodeError) as exc:
        raise Refused("malformed", "The form is broken or ends too early.") from exc


def _boundary(media_type: str) -> str:
    boundary = parse_options_header(media_type)[1].get("boundary", "")
    if len(boundary) > BOUNDARY:
        raise Refused("malformed", f"The boundary of the form has more than {BOUNDARY} characters.")
    return str(boundary)


@lru_cache(maxsize=64)
def _names(disposition: str) -> tuple[str, str | None]:
    """What a part's field and file are called. Reading that takes the library as long as the rest of a part."""
    _, told = parse_content_disposition(disposition.encode(AS_SENT).decode(errors="surrogateescape"))
    return content_disposition_filename(told, "name") or "", content_disposition_filename(told, "filename")

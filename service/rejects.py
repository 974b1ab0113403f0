"""The rows that a job left out, page by page: found in its `rejected.csv` as far as one request may look."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiMapping

from protocol.intake import scanning
from protocol.job import Job
from protocol.kept import REJECTED, REJECTED_CSV
from service import artefacts
from service.api import answer_json, find
from service.listing import LETTERS, bad_parameter, check_known, headers_of_page, parse_limit
from service.pages import PAGES
from service.problems import Refused
from service.wiring import SERVICE, Service

MOST, USUAL = 200, 50
PIECE = 1024 * 1024  # bytes that are looked at at a time; a row has less
PIECES = 8  # a request goes no further
KNOWN = ("q", "reason", "after", "limit", "cursor")
NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
ROW = scanning.whole_row(b",", blanks=False)


@dataclass(frozen=True)
class Wanted:
    """Which rows: those that hold the words *q*, left out for *reason*, from byte *at* on."""

    q: str = ""
    reason: str = ""
    after: int = 0  # the line that they come behind
    at: int = 0
    limit: int = USUAL

    def fits(self, row: bytes) -> bool:
        return not self.q or self.q in row.decode(errors="replace").casefold()

    def takes(self, cells: Sequence[str]) -> bool:
        line, reason = cells[-len(REJECTED) :]
        behind = not self.after or (NUMBER.fullmatch(line) is not None and int(line) > self.after)
        return behind and (not self.reason or self.reason == reason)


@dataclass(frozen=True)
class Page:
    """Some of them, each as its line, the reason and the cells; `next` is the byte to go on from."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    next: int | None


def parse(params: MultiMapping[str]) -> Wanted:
    cursor, q, reason = params.get("cursor", "0"), params.get("q", ""), params.get("reason", "")
    if not NUMBER.fullmatch(cursor):
        raise bad_parameter("cursor", "take it from the page before, as it is")
    for name, text in (("q", q), ("reason", reason)):
        if len(text) > LETTERS:
            raise bad_parameter(name, f"it may have {LETTERS} characters")
    if not NUMBER.fullmatch(after := params.get("after", "0")):
        raise bad_parameter("after", "it must be the number of a line")
    limit = parse_limit(params, most=MOST, usual=USUAL)
    return Wanted(q.strip().casefold(), reason.strip(), int(after), int(cursor), limit)


async def read(service: Service, job: Job, wanted: Wanted) -> Page:
    """The page; Refused where the job has no such file, or no more."""
    artefact = artefacts.pick(job, REJECTED_CSV)
    artefacts.check_kept(job)
    key, size = job.artefact_key(artefact.name), artefact.size
    head = ROW.match(await _bytes(service, key, 0, PIECE))
    columns = _cells(head[0]) if head else ()
    at = max(wanted.at, head.end() if head else size)
    rows: list[tuple[str, ...]] = []
    stop = min(size, at + PIECES * PIECE)
    while at < stop and len(rows) < wanted.limit:
        data = await _bytes(service, key, at, min(size, at + PIECE))
        found, taken = await asyncio.to_thread(_pick, data, wanted, wanted.limit - len(rows))
        rows, at = rows + found, at + (taken or len(data))
    return Page(_first(columns), tuple(map(_first, rows)), at if at < size else None)


async def _bytes(service: Service, key: str, start: int, stop: int) -> bytes:
    return b"".join([piece async for piece in service.files.get(key, start, stop)])


def _pick(data: bytes, wanted: Wanted, most: int) -> tuple[list[tuple[str, ...]], int]:
    """The first rows that fit, at *most* so many, and how far in *data* they reach; the last row may be cut."""
    rows: list[tuple[str, ...]] = []
    at = 0
    while len(rows) < most and (found := ROW.match(data, at)) and found.end() > at:
        at = found.end()
        if wanted.fits(found[0]):
            cells = _cells(found[0])
            if len(cells) >= len(REJECTED) and wanted.takes(cells):
                rows.append(cells)
    return rows, at


def _cells(row: bytes) -> tuple[str, ...]:
    return tuple(cell.decode(errors="replace") for cell in scanning.cells(row, ",", blanks=False))


def _first(cells: Sequence[str]) -> tuple[str, ...]:
    """Line and reason, which are last in the file, before the row itself."""
    return (*cells[-len(REJECTED) :], *cells[: -len(REJECTED)])


async def list_rejects(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    check_known(request.query, KNOWN)
    job = (await find(service, request)).job()
    page = await read(service, job, parse(request.query))
    following = next_address(request.path, page, request.query)
    body = {"columns": page.columns, "rows": page.rows, "next": following}
    return answer_json(json.dumps(body), headers=headers_of_page(following))


async def show_rejects(request: web.Request) -> web.Response:
    """The same as a page; the job's page takes over what it needs of it."""
    pages, service = request.app[PAGES], request.app[SERVICE]
    try:
        job = (await find(service, request)).job()
        wanted = parse(request.query)
        page = await read(service, job, wanted)
    except Refused as refused:
        return pages.refuse(request, refused.problem)
    return pages.answer(
        request,
        "rejects.html",
        job=job,
        page=page,
        q=request.query.get("q", ""),
        reason=wanted.reason,
        first=not (wanted.at or wanted.after),
        next=next_address(request.path, page, request.query),
    )


def next_address(path: str, page: Page, params: MultiMapping[str]) -> str | None:
    if page.next is None:
        return None
    kept = [(name, value) for name, value in params.items() if name in KNOWN and name != "cursor"]
    return f"{path}?{urlencode([*kept, ('cursor', page.next)])}"

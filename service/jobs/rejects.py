"""The rows that a job left out, page by page: in its `rejected.csv`, or in the pieces of it that there are so far.

It looks as far as one request may.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from protocol.files import FileMissing
from protocol.intake import scanning
from protocol.job import Job
from protocol.kept import REJECTED, REJECTED_CSV
from protocol.rejects import folder, header
from service.jobs import artefacts
from service.wiring import Service

USUAL = 50  # rows of a page
PIECE = 1024 * 1024  # bytes that are looked at at a time; a row has less
PIECES = 8  # a request goes no further
FILES = 64  # nor into more files
KNOWN = ("q", "reason", "after", "limit", "cursor", "link")  # whose link opens one page opens the next
NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
CHUNK = re.compile(r"[0-9]{8,9}", re.ASCII)
ROW = scanning.whole_row(b",", blanks=False)


@dataclass(frozen=True)
class Place:
    """A byte, in the piece of this chunk while the job runs. A place of that time means nothing after its end."""

    chunk: int | None = None
    at: int = 0

    def __str__(self) -> str:
        return str(self.at) if self.chunk is None else f"{self.chunk}.{self.at}"


@dataclass(frozen=True)
class Wanted:
    """Which rows: those that hold the words *q*, left out for *reason*, from *place* on."""

    q: str = ""
    reason: str = ""
    after: int = 0  # the line that they come behind
    place: Place = field(default_factory=Place)
    limit: int = USUAL

    @property
    def first(self) -> bool:
        return not (self.place.chunk or self.place.at or self.after)

    def fits(self, row: bytes) -> bool:
        return not self.q or self.q in row.decode(errors="replace").casefold()

    def takes(self, cells: Sequence[str]) -> bool:
        line, reason = cells[-len(REJECTED) :]
        behind = not self.after or (NUMBER.fullmatch(line) is not None and int(line) > self.after)
        return behind and (not self.reason or self.reason == reason)


@dataclass(frozen=True)
class Page:
    """Some of them, each as its line, the reason and the cells; `next` is where to go on."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    next: Place | None

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(sorted({reason for _, reason, *_ in self.rows}))

    def address(self, path: str, query: Mapping[str, str]) -> str | None:
        """Where the next page is. It names the last line too, since the job may end meanwhile."""
        if self.next is None:
            return None
        kept = {name: query[name] for name in KNOWN if name in query}
        behind = {"after": self.rows[-1][0]} if self.rows and self.next.chunk is not None else {}
        return f"{path}?{urlencode(kept | behind | {'cursor': str(self.next)})}"


@dataclass(frozen=True)
class Piece:
    """A file of rows, which begin at *begin*."""

    key: str
    chunk: int | None
    begin: int = 0


async def read(service: Service, job: Job, wanted: Wanted) -> Page:
    """The page; Refused where the job has no such file, or no more."""
    columns, pieces = await (_joined(service, job) if job.final else _so_far(service, job))
    rows: list[tuple[str, ...]] = []
    left = PIECES * PIECE
    for piece in pieces:
        if piece.chunk is not None and piece.chunk < (wanted.place.chunk or 0):
            continue
        at = max(piece.begin, wanted.place.at if piece.chunk == wanted.place.chunk else 0)
        size = await _size(service, piece.key)
        while at < size:
            if left <= 0 or len(rows) == wanted.limit:
                return Page(columns, tuple(rows), Place(piece.chunk, at))
            data = await _bytes(service, piece.key, at, min(size, at + PIECE))
            found, taken = await asyncio.to_thread(_pick, data, wanted, wanted.limit - len(rows))
            rows, at = rows + found, at + (taken or len(data) or size)
            left -= max(len(data), PIECES * PIECE // FILES)
    return Page(columns, tuple(rows), None)


async def _joined(service: Service, job: Job) -> tuple[tuple[str, ...], list[Piece]]:
    """The columns, and the one file in which all rows are."""
    artefact = artefacts.pick(job, REJECTED_CSV)
    artefacts.check_kept(job)
    key = job.artefact_key(artefact.name)
    columns, begin = await _head(service, key)
    return columns, [Piece(key, None, begin)]


async def _so_far(service: Service, job: Job) -> tuple[tuple[str, ...], list[Piece]]:
    """The columns, and in file order the pieces of the chunks that are done."""
    columns, _ = await _head(service, header(job.result_prefix))
    if not columns:
        artefacts.pick(job, REJECTED_CSV)
    keys = {key.rpartition("/")[2]: key for key in await service.files.keys(folder(job.result_prefix))}
    chunks = sorted((int(name), key) for name, key in keys.items() if CHUNK.fullmatch(name))
    return columns, [Piece(key, chunk) for chunk, key in chunks]


async def _head(service: Service, key: str) -> tuple[tuple[str, ...], int]:
    """The columns that the first row names, and where the next begins."""
    head = ROW.match(await _bytes(service, key, 0, PIECE))
    return (_first(_cells(head[0])), head.end()) if head else ((), 0)


async def _size(service: Service, key: str) -> int:
    try:
        return await service.files.size(key)
    except FileMissing:  # the job has ended just now
        return 0


async def _bytes(service: Service, key: str, start: int, stop: int) -> bytes:
    try:
        return b"".join([piece async for piece in service.files.get(key, start, stop)])
    except FileMissing:
        return b""


def _pick(data: bytes, wanted: Wanted, most: int) -> tuple[list[tuple[str, ...]], int]:
    """The first rows that fit, at *most* so many, and how far in *data* they reach; the last row may be cut."""
    rows: list[tuple[str, ...]] = []
    at = 0
    while len(rows) < most and (found := ROW.match(data, at)) and found.end() > at:
        at = found.end()
        if wanted.fits(found[0]):
            cells = _cells(found[0])
            if len(cells) >= len(REJECTED) and wanted.takes(cells):
                rows.append(_first(cells))
    return rows, at


def _cells(row: bytes) -> tuple[str, ...]:
    return tuple(cell.decode(errors="replace") for cell in scanning.cells(row, ",", blanks=False))


def _first(cells: Sequence[str]) -> tuple[str, ...]:
    """Line and reason, which are last in the file, before the row itself."""
    return (*cells[-len(REJECTED) :], *cells[: -len(REJECTED)])

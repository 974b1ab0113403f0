"""Downloads of what a job made: whole, in part, or made safe for a spreadsheet."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from protocol.files import FileMissing
from protocol.job import Artefact, Job
from service.jobs import spreadsheet
from service.jobs.api import find, matches
from service.jobs.sending import send_all
from service.problems import Refused
from service.wiring import SERVICE, Service

log = logging.getLogger(__name__)
RANGE = re.compile(r"bytes=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII)
UNSAFE = re.compile(r"[^A-Za-z0-9._ -]")
TABLE = "text/csv"
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"


@dataclass(frozen=True)
class Part:
    """The bytes from *start* up to *stop* of a file with *size* of them."""

    start: int
    stop: int
    size: int


async def download(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    job = (await find(service, request)).job()
    artefact = pick(job, request.match_info["name"])
    check_kept(job)
    escaped = wants_spreadsheet(request, artefact)
    key = job.artefact_key(artefact.name)
    size = await _measure(service, key)
    headers = describe(job, artefact, escaped=escaped)
    if matches(request.headers.get("If-None-Match"), headers["ETag"]):
        return web.Response(status=304, headers=headers)
    if escaped:
        return await _send(request, service, headers, spreadsheet.escape(service.files.get(key)))
    part = choose_part(request, size, headers["ETag"])
    pieces = service.files.get(key, part.start, part.stop)
    return await _send(request, service, headers, pieces, part)


def pick(job: Job, name: str) -> Artefact:
    """Only what the job lists exists: a name is never a path."""
    for artefact in job.artefacts:
        if artefact.name == name:
            return artefact
    known = ", ".join(artefact.name for artefact in job.artefacts) or "none yet"
    raise Refused("no_such_artefact", f"The job has no such artefact; it has {known}.")


def check_kept(job: Job) -> None:
    if job.pruned_at:
        day = job.pruned_at.date().isoformat()
        raise Refused("gone", f"The files of this job were removed on {day}, when their time was up; its record stays.")


def wants_spreadsheet(request: web.Request, artefact: Artefact) -> bool:
    if "for" not in request.query:
        return False
    if request.query["for"] != "spreadsheet" or artefact.media_type.partition(";")[0] != TABLE:
        raise Refused("bad_parameter", "The parameter 'for' is wrong: there is for=spreadsheet, for tables.")
    return True


async def _measure(service: Service, key: str) -> int:
    try:
        return await service.files.size(key)
    except FileMissing:
        raise Refused("no_such_artefact", "The file of this artefact is gone.") from None


def describe(job: Job, artefact: Artefact, *, escaped: bool) -> dict[str, str]:
    """The headers of the file; the escaped one is another file with a tag of its own."""
    headers = {
        "Content-Type": artefact.media_type,
        "Content-Disposition": disposition(file_name(job, artefact)),
        "ETag": f'"{artefact.sha256}{"-spreadsheet" if escaped else ""}"',
        "Accept-Ranges": "none" if escaped else "bytes",
        "Cache-Control": "private, no-cache",
    }
    if artefact.media_type.startswith("image/"):
        headers["Content-Security-Policy"] = PICTURE_POLICY
    return headers


def file_name(job: Job, artefact: Artefact) -> str:
    """`sales-anomalies-{id}.csv`: it says what it is wherever it ends up."""
    stem = job.table_name.rpartition(".")[0] or job.table_name
    name, dot, suffix = artefact.name.partition(".")
    return f"{stem[:100]}-{name}-{job.id}{dot}{suffix}"


def disposition(name: str) -> str:
    """RFC 6266: a plain name for old readers, the real one for the others."""
    plain = UNSAFE.sub("_", name)
    return f'attachment; filename="{plain}"' + ("" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}")


def choose_part(request: web.Request, size: int, tag: str) -> Part:
    """What of the file is asked for. An If-Range that does not hold, or a range that is none, asks for all of it."""
    whole = Part(0, size, size)
    asked = RANGE.fullmatch(request.headers.get("Range", "")) if request.method == "GET" else None
    if asked is None or not (asked[1] or asked[2]) or request.headers.get("If-Range", tag) != tag:
        return whole
    if not asked[1]:
        part = Part(max(0, size - int(asked[2])), size, size)
    elif asked[2] and int(asked[2]) < int(asked[1]):
        return whole
    else:
        part = Part(int(asked[1]), min(size, int(asked[2]) + 1) if asked[2] else size, size)
    if part.start >= part.stop:
        detail = f"The file has {size} bytes."
        raise Refused("unsatisfiable_range", detail, headers={"Content-Range": f"bytes */{size}"})
    return part


async def _send(
    request: web.Request,
    service: Service,
    headers: Mapping[str, str],
    pieces: AsyncIterator[bytes],
    part: Part | None = None,
) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    if part:
        _measure_out(response, part)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    try:
        await send_all(request, pieces, response.write, service.limits.read)
    except FileMissing:
        log.info("cut off a download: its file was removed", extra={"path": request.path})
        raise Refused("gone", "The file was removed while it was sent.") from None
    return response


def _measure_out(response: web.StreamResponse, part: Part) -> None:
    response.content_length = part.stop - part.start
    if part.stop - part.start < part.size:
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{part.size}"

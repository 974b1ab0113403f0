"""The calls and the page that show which rows a job left out."""

from __future__ import annotations

import json
import re

from aiohttp import web
from multidict import MultiMapping

from service.jobs import rejects
from service.jobs.api import answer_json, find
from service.jobs.listing import LETTERS, bad_parameter, check_known, headers_of_page, parse_limit
from service.jobs.rejects import USUAL, Place, Wanted
from service.pages.views import PAGES
from service.pages.wording import reject_reasons
from service.problems import Refused
from service.wiring import SERVICE

MOST = 200
CURSOR = re.compile(r"(?:([0-9]{1,9})\.)?([0-9]{1,18})", re.ASCII)


def parse(params: MultiMapping[str]) -> Wanted:
    place, q, reason = CURSOR.fullmatch(params.get("cursor", "0")), params.get("q", ""), params.get("reason", "")
    if not place:
        raise bad_parameter("cursor", "take it from the page before, as it is")
    for name, text in (("q", q), ("reason", reason)):
        if len(text) > LETTERS:
            raise bad_parameter(name, f"it may have {LETTERS} characters")
    if not rejects.NUMBER.fullmatch(after := params.get("after", "0")):
        raise bad_parameter("after", "it must be the number of a line")
    limit = parse_limit(params, most=MOST, usual=USUAL)
    at = Place(int(place[1]) if place[1] else None, int(place[2]))
    return Wanted(q.strip().casefold(), reason.strip(), int(after), at, limit)


async def list_rejects(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    check_known(request.query, rejects.KNOWN)
    job = (await find(service, request)).job()
    page = await rejects.read(service, job, parse(request.query))
    following = page.address(request.path, request.query)
    body = {"columns": page.columns, "rows": page.rows, "next": following}
    return answer_json(json.dumps(body), headers=headers_of_page(following))


async def show_rejects(request: web.Request) -> web.Response:
    """The same as a page; the job's page takes over what it needs of it."""
    pages, service = request.app[PAGES], request.app[SERVICE]
    try:
        job = (await find(service, request)).job()
        wanted = parse(request.query)
        page = await rejects.read(service, job, wanted)
    except Refused as refused:
        return pages.refuse(request, refused.problem)
    return pages.answer(
        request,
        "rejects.html",
        job=job,
        page=page,
        q=request.query.get("q", ""),
        reason=wanted.reason,
        reasons=sorted({*reject_reasons(job), *page.reasons, wanted.reason} - {""}),
        first=wanted.first,
        next=page.address(request.path, request.query),
    )

"""The records over HTTP and as a page: the tables that kinds say they load."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiMapping

from protocol.records import KEY, RecordTable, Unavailable, Unfit
from service.jobs.api import answer_json
from service.jobs.listing import bad_parameter, check_known, headers_of_page, parse_limit
from service.jobs.reading import Page
from service.pages.views import PAGES
from service.problems import Refused
from service.wiring import SERVICE, Service

MOST, USUAL, ON_PAGE = 1000, 100, 50
KNOWN = ("limit", "cursor")
CURSOR = re.compile(r"[0-9]{1,18}", re.ASCII)


async def list_records(request: web.Request) -> web.Response:
    check_known(request.query, KNOWN)
    limit = parse_limit(request.query, most=MOST, usual=USUAL)
    page = await read_page(request, limit)
    following = following_url(request.path, page, request.query)
    columns = [KEY, *page.table.names]
    body = {"table": page.table.name, "columns": columns, "records": page.rows, "next": following}
    return answer_json(json.dumps(body, allow_nan=False, default=str), headers=headers_of_page(following))


async def read_page(request: web.Request, limit: int) -> Page:
    """The page that is asked for, or a refusal."""
    service = request.app[SERVICE]
    table = find_table(service, request.match_info["table"])
    cursor = request.query.get("cursor", "0")
    if not CURSOR.fullmatch(cursor):
        raise bad_parameter("cursor", "take it from the page before, as it is")
    try:
        return await service.records.page(table, int(cursor), limit)
    except (Unavailable, Unfit) as exc:
        raise Refused("records_unavailable", str(exc), headers={"Retry-After": "5"}) from exc


def find_table(service: Service, name: str) -> RecordTable:
    """Only what a kind declares can be looked at."""
    for kind in service.offers.kinds().values():
        if kind.table and kind.table.name == name:
            return kind.table
    raise Refused("no_such_table", "No kind loads a table of this name.")


def following_url(path: str, page: Page, params: MultiMapping[str]) -> str | None:
    if page.following is None:
        return None
    kept = [(name, value) for name, value in params.items() if name == "limit"]
    return f"{path}?{urlencode([*kept, ('cursor', page.following)])}"


async def show_records(request: web.Request) -> web.Response:
    pages, service = request.app[PAGES], request.app[SERVICE]
    try:
        page = await read_page(request, ON_PAGE)
    except Refused as refused:
        return pages.refuse(request, refused.problem)
    return pages.answer(
        request,
        "records.html",
        page=page,
        columns=[KEY, *page.table.names],
        rows=[list(row.values()) for row in page.rows],
        loaders=[
            kind.title for kind in service.offers.kinds().values() if kind.table and kind.table.name == page.table.name
        ],
        first="cursor" not in request.query,
        next=following_url(request.path, page, request.query),
    )

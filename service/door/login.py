"""Logging in to the page with a key, and out."""

from __future__ import annotations

import logging
from urllib.parse import parse_qsl

from aiohttp import web

from service.door.bodies import read_small
from service.door.caller import Caller
from service.door.recognition import by_key
from service.door.sessions import hand_over, session_of, take_back
from service.pages.views import PAGES
from service.problems import Refused
from service.wiring import SERVICE

log = logging.getLogger(__name__)


async def show_login(request: web.Request) -> web.Response:
    return _show(request, next_of(request.query.get("next", "")))


async def log_in(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    fields = dict(parse_qsl((await read_small(request)).decode(errors="replace")))
    following = next_of(fields.get("next", ""))
    try:
        caller = await by_key(service, fields.get("key", "").strip(), request.remote or "")
    except Refused as refused:
        return _show(request, following, refused)
    if caller is None or caller.key is None or not caller.may("read"):
        log.warning("login refused", extra={"action": "login", "key": caller.name if caller else None})
        return _show(request, following, Refused("unauthorized", _why(caller)))
    leave = web.HTTPSeeOther(following)
    secure = request.headers.get("Origin", service.settings.public_url).startswith("https://")
    hand_over(leave, await service.sessions.open(caller.key), secure=secure)
    log.info("logged in", extra={"action": "login", "key": caller.name})
    raise leave


async def log_out(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    if token := session_of(request):
        await service.sessions.close(token)
        service.hub.interrupt(service.sessions.csrf(token))
    leave = web.HTTPSeeOther("/login")
    take_back(leave)
    raise leave


def next_of(text: str) -> str:
    """Where to go then: a place of ours, or the first page."""
    ours = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isascii() and text.isprintable()
    return text if ours and not text.startswith(("/login", "/logout")) else "/"


def _why(caller: Caller | None) -> str:
    if caller and caller.key:
        return "This key may not read; the page needs one that may."
    return "This is no key that works."


def _show(request: web.Request, following: str, refused: Refused | None = None) -> web.Response:
    status, detail = (refused.problem.status, refused.problem.detail) if refused else (200, None)
    page = request.app[PAGES].answer(request, "login.html", status, following=following, problem=detail)
    page.headers.update(refused.headers if refused else {})
    return page


ROUTES = (
    web.get("/login", show_login),
    web.post("/login", log_in),
    web.post("/logout", log_out),
)

"""Who may speak to the service, and what browsers may do with its answers.

A page of another site must not read or change anything here, not even through a name of its own that it points at
this address (DNS rebinding).
"""

from __future__ import annotations

import hmac
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from protocol.config import Settings, is_loopback
from service.contract.call import Need
from service.contract.calls import CALLS
from service.door.caller import CALLER, NOBODY, Caller
from service.door.quotas import ALLOWANCE
from service.door.recognition import SAFE, identify
from service.expectations import check_expectation
from service.problems import Refused
from service.tus import headers
from service.wiring import SERVICE

OF_PAGES = {
    ("get", "/"): Need.READ,
    ("get", "/jobs/{id}"): Need.READ,
    ("get", "/jobs/{id}/rejects"): Need.READ,
    ("get", "/records/{table}"): Need.ADMIN,  # everybody's rows
    ("post", "/jobs"): Need.SUBMIT,
    ("post", "/jobs/{id}/{what}"): Need.SUBMIT,
    ("get", "/login"): Need.NOTHING,
    ("post", "/login"): Need.NOTHING,
    ("post", "/logout"): Need.KEY,
}
NEEDS = {(call.method, call.path): call.need for call in CALLS} | OF_PAGES
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
ANEW = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0"><title>Rowmill</title>'
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn away what no friend would send; handlers find under CALLER who asks."""
    service = request.app[SERVICE]
    check_host(request, service.settings)
    check_origin(request, service.settings)
    check_expectation(request)
    need = need_of(request)
    if need is Need.NOTHING:
        request[CALLER] = NOBODY
        return await handler(request)
    caller = await identify(service, request)
    if caller is None and wants_page(request):
        return show_the_door(request)
    if caller:
        service.quotas.meter(request, caller)
    check_caller(request, caller, need)
    return await handler(request)


def need_of(request: web.Request) -> Need:
    """What the call asks of a key; what there is not, that it is one, and what nobody has judged, everything."""
    resource = request.match_info.route.resource
    if resource and resource.canonical.startswith("/static/"):
        return Need.NOTHING
    method = {"HEAD": "get"}.get(request.method, request.method.lower())
    return NEEDS.get((method, resource.canonical), Need.ADMIN) if resource else Need.KEY


def check_caller(request: web.Request, caller: Caller | None, need: Need) -> None:
    if caller is None:
        challenge = {"WWW-Authenticate": 'Bearer realm="rowmill"'}
        detail = "Log in again, or send an API key as a bearer token."
        raise Refused("unauthorized", detail, headers=challenge)
    if need is not Need.KEY and not caller.may(need):
        challenge = {"WWW-Authenticate": f'Bearer realm="rowmill", error="insufficient_scope", scope="{need}"'}
        raise Refused("forbidden", f"This key may not do that; it takes the scope {need}.", headers=challenge)
    if caller.csrf and request.method not in SAFE:
        check_token(request, caller.csrf)
    request[CALLER] = caller


def check_token(request: web.Request, right: str) -> None:
    """A session's cookie comes along by itself, whoever wrote the page: a change takes more than that."""
    given = request.headers.get("X-CSRF-Token") or request.query.get("csrf", "")
    if not hmac.compare_digest(given.encode(errors="replace"), right.encode()):
        raise Refused("stale_page", "This page is no longer good for that; load it again.")


def wants_page(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "") and request.method in {"GET", "POST"}


def show_the_door(request: web.Request) -> web.Response:
    """Where to log in. A link from elsewhere comes without the session that there may be, so it is followed anew."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return web.Response(text=ANEW, content_type="text/html", headers={"Cache-Control": "no-store"})
    following = request.path_qs if request.method == "GET" else "/"
    raise web.HTTPSeeOther(f"/login?next={quote(following, safe='')}")


def check_host(request: web.Request, settings: Settings) -> None:
    """A foreign name is refused, except where keys protect a public address that may have many names."""
    host = request.headers.get("Host")
    if host is None or not is_loopback(settings.host):
        return
    name = hostname(f"//{host}")
    if name not in {settings.host.lower(), hostname(settings.public_url)} and not is_local(name):
        raise Refused("misdirected", "This service does not go by that name; set ROWMILL_PUBLIC_URL if it should.")


def hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def is_local(name: str | None) -> bool:
    return name is not None and (is_loopback(name) or name.endswith(".localhost"))


def check_origin(request: web.Request, settings: Settings) -> None:
    """A browser says on whose behalf it asks; only our own pages may change things or listen."""
    origin = request.headers.get("Origin")
    listens = request.headers.get("Upgrade", "").lower() == "websocket"
    if origin is None or (request.method in SAFE and not listens):
        return
    ours = {f"{scheme}://{request.headers.get('Host')}" for scheme in ("http", "https")}
    if origin not in ours | {origin_of(settings.public_url)}:
        raise Refused("foreign_origin", "Only pages of this service may do that.")


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def harden_answer(request: web.Request, response: web.StreamResponse) -> None:
    harden(response)
    if request.path.startswith("/v1/uploads"):  # the protocol wants it on every answer
        response.headers["Tus-Resumable"] = headers.VERSION
    if allowance := request.get(ALLOWANCE):
        response.headers.update(allowance.headers())


def harden(response: web.StreamResponse) -> None:
    """The headers of every answer; a handler's own win."""
    policy = PAGE_POLICY if response.content_type == "text/html" else DATA_POLICY
    for name, value in {**HEADERS, "Content-Security-Policy": policy}.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "rowmill"  # and no version to look up

"""Who may speak to the service, and what browsers may do with its answers.

A page of another site must not read or change anything here, not even through a name of its own that it points at
this address (DNS rebinding).
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from protocol.config import Settings, is_loopback
from service.problems import Refused

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN = frozenset({"/livez", "/readyz"})  # probes carry no key
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def guarded(settings: Settings) -> Middleware:
    """A middleware that turns away what no friend would send."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        check_host(request, settings)
        check_origin(request, settings)
        if request.path not in OPEN:
            check_key(request, settings)
        return await handler(request)

    return guard


def check_host(request: web.Request, settings: Settings) -> None:
    """A foreign name is refused, except where keys protect a public address that may have many names."""
    host = request.headers.get("Host")
    if host is None or (settings.api_keys and not is_loopback(settings.host)):
        return
    name = hostname(f"//{host}")
    if name not in {settings.host.lower(), hostname(settings.public_url)} and not is_local(name):
        raise Refused("misdirected", "This service does not go by that name; set PUBLIC_URL if it should.")


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


def check_key(request: web.Request, settings: Settings) -> None:
    """Where keys are set, one is needed: as a bearer token, or as the password that a browser asks for."""
    if not settings.api_keys:
        return
    given = _shown_key(request.headers.get("Authorization", ""))
    if not any([hmac.compare_digest(given, key.encode()) for key in settings.api_keys]):  # noqa: C419 - all, always
        challenge = {"WWW-Authenticate": 'Basic realm="rowmill", charset="UTF-8"'}
        raise Refused("unauthorized", "Send one of the API keys as a bearer token.", headers=challenge)


def _shown_key(header: str) -> bytes:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode(errors="surrogateescape")  # as the bytes came
    try:
        return b64decode(value).partition(b":")[2] if scheme.lower() == "basic" else b""
    except ValueError:
        return b""


async def harden_answer(_request: web.Request, response: web.StreamResponse) -> None:
    harden(response)


def harden(response: web.StreamResponse) -> None:
    """The headers of every answer; a handler's own win."""
    policy = PAGE_POLICY if response.content_type == "text/html" else DATA_POLICY
    for name, value in {**HEADERS, "Content-Security-Policy": policy}.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "rowmill"  # and no version to look up

"""Finds out who asks: by a key, a ticket, a session or a link."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode
from dataclasses import replace

from aiohttp import web

from protocol.access import OPERATOR, Scope
from protocol.config import is_loopback
from protocol.signing import LINK, PROOF
from service.door.caller import ANYBODY, CALLER, NOBODY, Caller
from service.door.sessions import session_of
from service.wiring import SERVICE, Service

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LINK_COOKIE = "rowmill_link"
ADMIN = frozenset({Scope.ADMIN})


def keys_needed(service: Service) -> bool:
    """Where nobody else can come in, and nobody ever made a key, none is."""
    return bool(service.settings.api_keys or service.keys) or not is_loopback(service.settings.host)


async def identify(service: Service, request: web.Request) -> Caller | None:
    """None for whoever shows nothing that is right."""
    if not keys_needed(service):
        return ANYBODY
    if header := request.headers.get("Authorization"):
        return await by_key(service, shown_key(header), request.remote or "")
    if ticket := request.query.get("ticket"):
        caller = service.tickets.take(ticket, request.path)
        return caller if caller and works(service, caller.key) else None
    return _with_link(service, request, await _by_session(service, request))


async def by_key(service: Service, text: str, address: str) -> Caller | None:
    """Whose key this is. One that was made here cannot be guessed; at the others an *address* may not try for ever."""
    if text.startswith(f"{PROOF}.") and service.signer.holds(PROOF, PROOF, text.partition(".")[2], service.clock()):
        return Caller(OPERATOR, ADMIN)
    if key := service.keys.find(text):
        await service.keys.touch(key)
        return Caller(key.name, key.scopes, key=key.id)
    service.failures.check(address)
    given = text.encode(errors="surrogatepass")
    found = [key for key in service.settings.api_keys if hmac.compare_digest(given, key.encode())]
    if found:
        return Caller(OPERATOR, ADMIN, key=mark_of(found[0]))
    service.failures.note(address)
    return None


def works(service: Service, key_id: str | None) -> bool:
    """Whether the key that somebody was recognised by, if it was one, is still good."""
    marks = {mark_of(key) for key in service.settings.api_keys}
    return key_id is None or key_id in marks or service.keys.live(key_id) is not None


def mark_of(key: str) -> str:
    """What a session remembers of a key of the settings."""
    return f"setting {hashlib.sha256(key.encode()).hexdigest()}"


async def _by_session(service: Service, request: web.Request) -> Caller | None:
    token = session_of(request)
    key_id = await service.sessions.find(token) if token else None
    if token is None or key_id is None:
        return None
    csrf = service.sessions.csrf(token)
    if key_id in {mark_of(key) for key in service.settings.api_keys}:
        return Caller(OPERATOR, ADMIN, csrf=csrf, key=key_id)
    key = service.keys.live(key_id)
    return Caller(key.name, key.scopes, csrf=csrf, key=key_id) if key else None


def _with_link(service: Service, request: web.Request, caller: Caller | None) -> Caller | None:
    """A link that was mailed opens one job, to look at."""
    job_id, token = request.match_info.get("id"), request.query.get("link") or request.cookies.get(LINK_COOKIE)
    if not job_id or not token or request.method not in SAFE:
        return caller
    if not service.signer.holds(LINK, job_id, token, service.clock()):
        return caller
    known = caller or NOBODY
    return replace(known, job=job_id, scopes=known.scopes | {Scope.READ})


def keep_link(request: web.Request, response: web.StreamResponse) -> None:
    """What the page of a mailed link loads comes without the link: its browser keeps it, for this job alone."""
    job_id, token = request.match_info["id"], request.query.get("link")
    if token and request[CALLER].job == job_id:
        secure = "; Secure" if request.app[SERVICE].settings.public_url.startswith("https://") else ""
        for path in (f"/jobs/{job_id}", f"/v1/jobs/{job_id}"):
            response.headers.add("Set-Cookie", f"{LINK_COOKIE}={token}; Path={path}; HttpOnly; SameSite=Strict{secure}")


def shown_key(header: str) -> str:
    """As a bearer token, or as the password of a user whose name does not matter."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    try:
        return b64decode(value).partition(b":")[2].decode(errors="surrogateescape") if scheme.lower() == "basic" else ""
    except ValueError:
        return ""

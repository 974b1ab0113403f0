"""The calls about keys and tickets."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import TypeVar

from aiohttp import web
from pydantic import ValidationError

from protocol.access import NAME, KeyList, NameTaken, NewKey, NoSuchKey, Scope
from protocol.config import parse_time
from protocol.value import Value
from service.door.bodies import read_small
from service.door.caller import CALLER
from service.door.tickets import LIFE
from service.jobs.listing import parse_given
from service.problems import Refused
from service.wiring import SERVICE, Service

log = logging.getLogger(__name__)
NEVER = {"Cache-Control": "no-store"}
PLACES = re.compile(r"/v1/(stream|jobs/[0-9a-f]{32}/(stream|events|artefacts/[A-Za-z0-9_.-]{1,200}))")
Shape = TypeVar("Shape", bound=Value)


class Wanted(Value):
    """A key to be made."""

    name: str
    scopes: tuple[Scope, ...]


class Place(Value):
    """Where a ticket is to lead: a stream or an artefact."""

    path: str


class Ticket(Value):
    """`url` has the ticket in it; it opens once, until then."""

    ticket: str
    url: str
    expires_at: datetime


def answer(value: Value, status: int = 200) -> web.Response:
    text = value.model_dump_json().encode()
    return web.Response(status=status, body=text, content_type="application/json", headers=NEVER)


async def read(request: web.Request, shape: type[Shape]) -> Shape:
    """The request's body, or a refusal."""
    body = await read_small(request)
    try:
        return shape.model_validate_json(body)
    except ValidationError as exc:
        where = ".".join(map(str, exc.errors()[0]["loc"])) or "the body"
        raise Refused("malformed", f"{where}: {exc.errors()[0]['msg']}.") from None


async def list_keys(request: web.Request) -> web.Response:
    return answer(KeyList(keys=await request.app[SERVICE].keys.infos()))


async def add_key(request: web.Request) -> web.Response:
    service, wanted = request.app[SERVICE], await read(request, Wanted)
    if not NAME.fullmatch(wanted.name) or not wanted.scopes:
        raise Refused("malformed", "A key has a name of letters, digits, dots and dashes, and at least one scope.")
    first = not service.keys
    try:
        fresh = await service.keys.add(wanted.name, wanted.scopes)
    except NameTaken as exc:
        raise Refused("name_taken", str(exc)) from None
    _note(request, "made", fresh)
    if first:
        _send_away(service)
    return answer(fresh, 201)


async def rotate_key(request: web.Request) -> web.Response:
    grace = parse_given(request.query, "grace", parse_time) or 0.0
    service = request.app[SERVICE]
    try:
        fresh = await service.keys.rotate(request.match_info["name"], grace)
    except NoSuchKey as exc:
        raise Refused("no_such_key", str(exc)) from None
    _note(request, "rotated", fresh)
    _send_away(service)
    return answer(fresh, 201)


async def revoke_key(request: web.Request) -> web.Response:
    service, name = request.app[SERVICE], request.match_info["name"]
    try:
        await service.keys.revoke(name)
    except NoSuchKey as exc:
        raise Refused("no_such_key", str(exc)) from None
    log.warning("key revoked", extra={"action": "revoke", "key": name, "by": request[CALLER].name})
    _send_away(service)
    return web.Response(status=204)


def _note(request: web.Request, what: str, key: NewKey) -> None:
    extra = {"action": what, "key": key.name, "scopes": list(key.scopes), "by": request[CALLER].name}
    log.warning("key %s", what, extra=extra)


def _send_away(service: Service) -> None:
    """Whoever watches must show a key again; for those whose key still works that is a moment."""
    service.hub.interrupt()


async def give_ticket(request: web.Request) -> web.Response:
    service, place = request.app[SERVICE], await read(request, Place)
    if not PLACES.fullmatch(place.path):
        raise Refused("malformed", "A ticket leads to a stream or an artefact: path is what follows the server's name.")
    ticket = service.tickets.give(place.path, request[CALLER])
    until = datetime.fromtimestamp(service.clock() + LIFE, UTC)
    return answer(Ticket(ticket=ticket, url=f"{place.path}?ticket={ticket}", expires_at=until), 201)

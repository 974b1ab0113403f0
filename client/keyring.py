"""The keys of a server: through it while it runs, else in its database, which is then nobody's."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from client import api, exits, screen
from client.administration import Administration
from client.exits import Usage
from protocol import config, signing
from protocol.access import NAME, KeyInfo, KeyList, NewKey, Scope
from protocol.config import Settings
from protocol.databases import Taken

EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where such a server is reached


class Ring(Protocol):
    """What can be done with keys; raises KeyFault where it cannot."""

    async def infos(self) -> tuple[KeyInfo, ...]: ...
    async def add(self, name: str, scopes: Sequence[Scope]) -> NewKey: ...
    async def rotate(self, name: str, grace: float) -> NewKey:
        """*grace* in seconds."""

    async def revoke(self, name: str) -> None: ...


AtRest = Callable[[Settings], AbstractAsyncContextManager[Ring]]


@dataclass(frozen=True)
class Place:
    """Which server; without an address the one of this machine's settings."""

    server: str | None
    key_file: Path | None
    at_rest: AtRest


@asynccontextmanager
async def reach(server: str | None, key_file: Path | None) -> AsyncIterator[Administration]:
    """The server, with the key that is given; at this machine's own, reading its secret is as good as a key."""
    settings = config.load()
    address = api.address_of(server or own_address(settings))
    key = api.key_in(key_file)
    if key is None and config.is_loopback(urlsplit(address).hostname or ""):
        key = prove(settings)
    async with api.connect(address, key) as there:
        yield Administration(there)


def own_address(settings: Settings) -> str:
    if not settings.port:
        raise Usage("The settings say port 0, which may be any: say --server")
    host = EVERYWHERE.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def prove(settings: Settings) -> str | None:
    signer, until = signing.find_signer(settings), int(time.time()) + signing.LIFE_OF_PROOFS
    return f"{signing.PROOF}.{signer.token(signing.PROOF, signing.PROOF, until)}" if signer else None


@asynccontextmanager
async def open_ring(place: Place) -> AsyncIterator[Ring]:
    async with AsyncExitStack() as stack:
        if place.server is None and place.key_file is None:
            settings = config.load()
            try:
                ring = await stack.enter_async_context(place.at_rest(settings))
            except Taken:
                pass
            else:
                screen.note(f"No server runs here: this is about {settings.database_url}")
                yield ring
                return
        yield await stack.enter_async_context(reach(place.server, place.key_file))


async def add(place: Place, name: str, scopes: Sequence[str]) -> int:
    words = [word for scope in scopes for word in scope.split(",") if word]
    if not NAME.fullmatch(name):
        raise Usage(f"{name} is no name for a key: letters, digits, dots and dashes, at most 63")
    if unknown := [word for word in words if word not in set(Scope)]:
        raise Usage(f"There is no scope {unknown[0]}; there are {', '.join(Scope)}")
    if not words:
        raise Usage(f"Give a scope: {', '.join(Scope)}")
    async with open_ring(place) as ring:
        show_once(await ring.add(name, [Scope(word) for word in dict.fromkeys(words)]))
    return exits.Exit.SUCCEEDED


async def rotate(place: Place, name: str, grace: str) -> int:
    try:
        seconds = config.parse_time(grace)
    except ValueError as exc:
        raise Usage(f"{grace} is no time: it {exc}") from None
    async with open_ring(place) as ring:
        show_once(await ring.rotate(name, seconds))
    return exits.Exit.SUCCEEDED


async def revoke(place: Place, name: str) -> int:
    async with open_ring(place) as ring:
        await ring.revoke(name)
    screen.note(f"The key {name} works no more; its jobs stay.")
    return exits.Exit.SUCCEEDED


async def show(place: Place, *, as_json: bool) -> int:
    async with open_ring(place) as ring:
        keys = await ring.infos()
    if as_json:
        sys.stdout.write(KeyList(keys=keys).model_dump_json() + "\n")
    else:
        screen.table(("name", "scopes", "made", "last used", "state"), [_row(key) for key in keys])
    return exits.Exit.SUCCEEDED


def show_once(key: NewKey) -> None:
    sys.stdout.write(f"{key.key}\n")
    screen.note(f"This is the key {key.name} ({', '.join(key.scopes)}). It is not stored and cannot be shown again.")


def _row(key: KeyInfo) -> tuple[str | None, ...]:
    return key.name, ",".join(key.scopes), _day(key.created_at), _day(key.last_used_at), _state(key)


def _day(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%d %H:%M}" if at else None


def _state(key: KeyInfo) -> str:
    if not key.active:
        return "revoked"
    return f"works until {_day(key.ends_at)}" if key.ends_at else "works"

"""The calls for whoever runs a server: files that have had their time, and keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel

from client import api
from protocol.access import KeyInfo, KeyList, NewKey, Scope


class Expired(BaseModel):
    """An ended job whose files have had their time."""

    id: str
    finished_at: datetime
    bytes: int


class Pruning(BaseModel):
    """What is removed, or would be: `jobs` lists the oldest of them."""

    count: int
    bytes: int
    jobs: tuple[Expired, ...]


class Administration:
    def __init__(self, there: api.Api) -> None:
        self._api = there

    async def prune(self, **rules: str) -> Pruning:
        """Have the files removed that have had their time, by the server's rules or by these."""
        async with self._api.call("POST", "/v1/prune", params=rules) as answer:
            return api.parse(Pruning, await answer.read())

    async def infos(self) -> tuple[KeyInfo, ...]:
        """Every key of the server."""
        async with self._api.call("GET", "/v1/keys") as answer:
            return api.parse(KeyList, await answer.read()).keys

    async def add(self, name: str, scopes: Sequence[Scope]) -> NewKey:
        """Make a key."""
        async with self._api.call("POST", "/v1/keys", json={"name": name, "scopes": scopes}) as answer:
            return api.parse(NewKey, await answer.read())

    async def rotate(self, name: str, grace: float) -> NewKey:
        """A new key for *name*; the old one works for *grace* more seconds."""
        async with self._api.call("POST", f"/v1/keys/{quote(name)}/rotate", params={"grace": f"{grace:f}"}) as answer:
            return api.parse(NewKey, await answer.read())

    async def revoke(self, name: str) -> None:
        async with self._api.call("DELETE", f"/v1/keys/{quote(name)}"):
            pass

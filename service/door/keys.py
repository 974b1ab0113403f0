"""API keys: made, found, rotated and revoked. Only digests are stored, and wherever a guess fails it costs the same.

A secret has 256 random bits, so that one round of SHA-256 is all the hashing it needs.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from protocol.access import OPERATOR, KeyInfo, NameTaken, NewKey, NoSuchKey, Scope
from protocol.config import Settings
from protocol.databases import Database, Row, Transaction, open_database

MIGRATIONS = (
    """CREATE TABLE service_access (
        id      TEXT PRIMARY KEY,  -- a part of the key that is no secret
        name    TEXT NOT NULL,     -- the owner of jobs
        scopes  TEXT NOT NULL,
        digest  BLOB NOT NULL,
        created REAL NOT NULL,
        used    REAL,
        ends    REAL)              -- since when it does not work any more""",
)
INSERT = """INSERT INTO service_access (id, name, scopes, digest, created)
    VALUES (:id, :name, :scopes, :digest, :created)"""
END = "UPDATE service_access SET ends = :ends WHERE name = :name AND (ends IS NULL OR ends > :ends)"
ALL = "SELECT * FROM service_access"
PREFIX = "rowmill"
SELDOM = 60.0  # seconds between two notes of when a key was used
T = TypeVar("T")
NO_DIGEST = hashlib.sha256(b"").digest()


@dataclass(frozen=True)
class Key:
    """Times are epoch seconds."""

    id: str
    name: str
    scopes: frozenset[Scope]
    digest: bytes
    created: float
    used: float | None = None
    ends: float | None = None

    def live(self, now: float) -> bool:
        return self.ends is None or self.ends > now


class Keys:
    """All keys, in memory as they are in the database: only this process writes them.

    What is judged and what follows from it is one transaction, so two who want the same at once get it one by one.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock
        self._keys: dict[str, Key] = {}

    async def prepare(self) -> None:
        await self._database.migrate("service access", MIGRATIONS)
        self._take(await self._database.read(ALL))

    def __bool__(self) -> bool:
        """Whether there ever was a key: then one is needed, also when all are revoked."""
        return bool(self._keys)

    def usable(self) -> bool:
        return any(key.live(self._clock()) for key in self._keys.values())

    def live(self, key_id: str) -> Key | None:
        key = self._keys.get(key_id)
        return key if key and key.live(self._clock()) else None

    def find(self, text: str) -> Key | None:
        """The key that *text* is, if it works."""
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        key = self._keys.get(key_id)
        digest = hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
        right = hmac.compare_digest(digest, key.digest if key else NO_DIGEST)
        return key if key and right and prefix == PREFIX and key.live(self._clock()) else None

    async def touch(self, key: Key) -> None:
        """Note that it was used, to the minute."""
        now = self._clock()
        if now - (key.used or 0.0) < SELDOM:
            return
        self._keys[key.id] = replace(key, used=now)
        sql = "UPDATE service_access SET used = :now WHERE id = :id"
        await self._database.write(lambda tx: tx.execute(sql, now=now, id=key.id))

    async def infos(self) -> tuple[KeyInfo, ...]:
        keys = sorted(self._keys.values(), key=lambda key: (key.name, key.created))
        return tuple(self._info(key) for key in keys)

    async def add(self, name: str, scopes: Iterable[Scope]) -> NewKey:
        def unit(tx: Transaction) -> NewKey:
            if name == OPERATOR or _named(tx, name):
                raise NameTaken(name)
            return self._make(tx, name, frozenset(scopes))

        return await self._change(unit)

    async def rotate(self, name: str, grace: float) -> NewKey:
        """A new key for *name*; those it had work for *grace* more seconds."""

        def unit(tx: Transaction) -> NewKey:
            scopes = self._latest(tx, name).scopes
            tx.execute(END, name=name, ends=self._clock() + grace)
            return self._make(tx, name, scopes)

        return await self._change(unit)

    async def revoke(self, name: str) -> None:
        def unit(tx: Transaction) -> None:
            self._latest(tx, name)
            tx.execute(END, name=name, ends=self._clock())

        await self._change(unit)

    async def _change(self, unit: Callable[[Transaction], T]) -> T:
        def change(tx: Transaction) -> T:
            result = unit(tx)
            tx.on_commit(partial(self._take, tx.rows(ALL)))
            return result

        return await self._database.write(change)

    def _take(self, rows: Iterable[Row]) -> None:
        self._keys = {row["id"]: _key(row) for row in rows}

    def _latest(self, tx: Transaction, name: str) -> Key:
        """Of those that work."""
        keys = [key for key in _named(tx, name) if key.live(self._clock())]
        if not keys:
            raise NoSuchKey(name)
        return keys[-1]

    def _make(self, tx: Transaction, name: str, scopes: frozenset[Scope]) -> NewKey:
        secret, key_id = secrets.token_urlsafe(32), secrets.token_hex(6)
        key = Key(key_id, name, scopes, hashlib.sha256(secret.encode()).digest(), self._clock())
        row = {"id": key.id, "name": name, "digest": key.digest, "created": key.created}
        tx.execute(INSERT, scopes=",".join(sorted(scopes)), **row)
        return NewKey(**dict(self._info(key)), key=f"{PREFIX}_{key_id}_{secret}")

    def _info(self, key: Key) -> KeyInfo:
        return KeyInfo(
            id=key.id,
            name=key.name,
            scopes=tuple(sorted(key.scopes)),
            created_at=_moment(key.created),
            last_used_at=_moment(key.used) if key.used else None,
            ends_at=_moment(key.ends) if key.ends else None,
            active=key.live(self._clock()),
        )


@asynccontextmanager
async def at_rest(settings: Settings) -> AsyncIterator[Keys]:
    """The keys of a service that does not run, or Taken."""
    async with open_database(settings.database_url) as database:
        keys = Keys(database)
        await keys.prepare()
        yield keys


def _named(tx: Transaction, name: str) -> list[Key]:
    """The oldest first."""
    return [_key(row) for row in tx.rows(f"{ALL} WHERE name = :name ORDER BY created", name=name)]


def _key(row: Row) -> Key:
    scopes = frozenset(Scope(word) for word in row["scopes"].split(",") if word)
    return Key(**row | {"scopes": scopes})


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)

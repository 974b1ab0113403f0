"""Uploads under way, as stored: what was announced, and how much of it is here for good."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protocol.databases import Database, Row

MIGRATIONS = (
    """CREATE TABLE service_parcels (
        id       TEXT PRIMARY KEY,             -- also of the job that is made of it
        owner    TEXT,
        length   INTEGER NOT NULL,
        received INTEGER NOT NULL DEFAULT 0,   -- bytes in whole parts; the last part counts once the job is stored
        fields   TEXT NOT NULL,                -- JSON: what is asked for
        metadata TEXT NOT NULL,                -- the same as the client said it
        touched  REAL NOT NULL,
        cleared  INTEGER NOT NULL DEFAULT 0)   -- the job is made and the parts are gone""",
    "CREATE INDEX service_parcels_touched ON service_parcels (touched)",
)
# A job makes its upload a finished one, in the same transaction; it stays that when the job is deleted.
SELECT = """SELECT p.id, p.owner, p.length, p.received, p.fields, p.metadata, p.touched, j.id IS NOT NULL AS done
    FROM service_parcels p LEFT JOIN service_jobs j ON j.id = p.id"""
INSERT = """INSERT INTO service_parcels (id, owner, length, fields, metadata, touched)
    VALUES (:id, :owner, :length, :fields, :metadata, :touched)"""
RECEIVED = "UPDATE service_parcels SET received = :received, touched = :touched WHERE id = :id"
CLEARED = "UPDATE service_parcels SET cleared = 1 WHERE id = :id"
UNCLEARED = f"{SELECT} WHERE p.cleared = 0 AND j.id IS NOT NULL LIMIT 1000"
OLD = f"{SELECT} WHERE p.touched < :then LIMIT 1000"
OPEN = """SELECT COUNT(*) AS parcels FROM service_parcels p LEFT JOIN service_jobs j ON j.id = p.id
    WHERE j.id IS NULL AND (:owner IS NULL OR p.owner = :owner) AND p.touched >= :since"""


@dataclass(frozen=True)
class Parcel:
    """One upload. `fields` are those of a submission."""

    id: str
    owner: str | None
    length: int
    received: int
    fields: Mapping[str, list[str]]
    metadata: str
    touched: float
    done: bool = False

    @property
    def offset(self) -> int:
        return self.length if self.done else self.received

    @property
    def prefix(self) -> str:
        """Where its bytes grow; what a dead process left there that does not count is written over."""
        return f"parcels/{self.id}/"


class Parcels:
    def __init__(self, database: Database, *, life: float, clock: Callable[[], float] = time.time) -> None:
        self._database, self._life, self._clock = database, life, clock

    async def prepare(self) -> None:
        await self._database.migrate("service parcels", MIGRATIONS)

    async def open(self, parcel: Parcel) -> None:
        fields = json.dumps(parcel.fields)
        await self._database.write(
            lambda tx: tx.execute(
                INSERT,
                id=parcel.id,
                owner=parcel.owner,
                length=parcel.length,
                fields=fields,
                metadata=parcel.metadata,
                touched=parcel.touched,
            )
        )

    async def find(self, parcel_id: str) -> Parcel | None:
        """The upload, unless its time is up."""
        rows = await self._database.read(f"{SELECT} WHERE p.id = :id", id=parcel_id)
        found = [parcel for parcel in map(_parcel, rows) if self.expiry(parcel) > self._clock()]
        return found[0] if found else None

    def expiry(self, parcel: Parcel) -> float:
        return parcel.touched + self._life

    async def receive(self, parcel: Parcel, received: int) -> None:
        """So many bytes are here for good."""
        now = self._clock()
        await self._database.write(lambda tx: tx.execute(RECEIVED, id=parcel.id, received=received, touched=now))

    async def forget(self, parcel: Parcel) -> None:
        await self._database.write(lambda tx: tx.execute("DELETE FROM service_parcels WHERE id = :id", id=parcel.id))

    async def note_cleared(self, parcel: Parcel) -> None:
        await self._database.write(lambda tx: tx.execute(CLEARED, id=parcel.id))

    async def count(self, owner: str | None, *, within: float) -> int:
        """The unfinished ones of *owner*, or of everybody, of which something came in the last *within* seconds."""
        since = self._clock() - within
        return int((await self._database.read(OPEN, owner=owner, since=since))[0]["parcels"])

    async def old(self) -> list[Parcel]:
        """Some of those whose time is up."""
        return list(map(_parcel, await self._database.read(OLD, then=self._clock() - self._life)))

    async def uncleared(self) -> list[Parcel]:
        """Some of those that are jobs, and whose parts nobody has removed."""
        return list(map(_parcel, await self._database.read(UNCLEARED)))


def _parcel(row: Row) -> Parcel:
    return Parcel(**{**row, "fields": json.loads(row["fields"]), "done": bool(row["done"])})

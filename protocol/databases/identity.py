"""What tells a database from every other: an id, made once and kept in it."""

from __future__ import annotations

import uuid

from protocol.databases import Database, Transaction

MIGRATIONS = ("CREATE TABLE identity (id TEXT NOT NULL)",)


async def identify(database: Database) -> str:
    await database.migrate("identity", MIGRATIONS)
    return await database.write(_find_or_make)


def _find_or_make(tx: Transaction) -> str:
    if not (rows := tx.rows("SELECT id FROM identity")):
        tx.execute("INSERT INTO identity (id) VALUES (:id)", id=uuid.uuid4().hex)
        rows = tx.rows("SELECT id FROM identity")
    return str(rows[0]["id"])

"""Which jobs a list shows, as a value and as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from protocol.databases import Row

NEWEST = "SELECT id, created, body FROM service_jobs"


@dataclass(frozen=True)
class Query:
    """Which jobs, newest first; `after` is the last one of the page before."""

    states: Sequence[str] = ()
    kinds: Sequence[str] = ()
    owner: str | None = None  # everybody's
    after: tuple[int, str] | None = None
    limit: int = 50


def microseconds(at: datetime) -> int:
    """A time as it is stored: since 1970."""
    return round(at.timestamp() * 1_000_000)


def select(query: Query) -> tuple[str, Row]:
    values: Row = {"limit": query.limit}
    where = ["deleted = 0"]
    for column, wanted in (("state", query.states), ("kind", query.kinds)):
        names = {f"{column}{number}": value for number, value in enumerate(wanted)}
        if names:
            where.append(f"{column} IN ({', '.join(':' + name for name in names)})")
        values |= names
    if query.owner is not None:
        where.append("owner = :owner")
        values["owner"] = query.owner
    if query.after:
        where.append("(created, id) < (:created, :id)")
        values |= {"created": query.after[0], "id": query.after[1]}
    # Only names made here are part of the SQL; what a client sent are its values.
    sql = f"{NEWEST} WHERE {' AND '.join(where)} ORDER BY created DESC, id DESC LIMIT :limit"
    return sql, values

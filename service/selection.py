"""Which jobs are meant, as a value and as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from protocol.databases import Row
from protocol.job import Job

NEWEST = "SELECT id, created, body FROM service_jobs"
COUNT = "SELECT COUNT(*) AS jobs FROM service_jobs"


@dataclass(frozen=True)
class Query:
    """Which jobs, newest first; `after` is the last one of the page before. Times are microseconds since 1970."""

    states: Sequence[str] = ()
    kinds: Sequence[str] = ()
    words: Sequence[str] = ()  # all of them stand in the file's name or the job's id, whatever their case
    since: int | None = None
    until: int | None = None
    kept: bool = False  # only those whose files are there
    owner: str | None = None  # everybody's
    after: tuple[int, str] | None = None
    limit: int = 50


def microseconds(at: datetime) -> int:
    """A time as it is stored: since 1970."""
    return round(at.timestamp() * 1_000_000)


def sought(job: Job) -> str:
    """What words are looked for in."""
    return f"{job.table_name} {job.id}".casefold()


def select(query: Query) -> tuple[str, Row]:
    """Rows of id, created and body."""
    where, values = _where(query)
    if query.after:
        where.append("(created, id) < (:created, :id)")
        values |= {"created": query.after[0], "id": query.after[1]}
    order = "ORDER BY created DESC, id DESC LIMIT :limit"
    return f"{NEWEST} WHERE {_all(where)} {order}", values | {"limit": query.limit}


def count(query: Query) -> tuple[str, Row]:
    """One row of how many they are, wherever a page begins."""
    where, values = _where(query)
    return f"{COUNT} WHERE {_all(where)}", values


def _all(conditions: Sequence[str]) -> str:
    """Only names made here are part of the SQL; what a client sent are its values."""
    return " AND ".join(conditions)


def _where(query: Query) -> tuple[list[str], Row]:
    where, values = ["deleted = 0"], Row()
    for column, wanted in (("state", query.states), ("kind", query.kinds)):
        names = {f"{column}{number}": value for number, value in enumerate(wanted)}
        if names:
            where.append(f"{column} IN ({', '.join(':' + name for name in names)})")
        values |= names
    for number, word in enumerate(query.words):
        where.append(f"sought LIKE :word{number} ESCAPE '!'")
        values[f"word{number}"] = f"%{_literal(word.casefold())}%"
    for condition, name, value in (
        ("owner = :owner", "owner", query.owner),
        ("created >= :since", "since", query.since),
        ("created <= :until", "until", query.until),
    ):
        if value is not None:
            where.append(condition)
            values[name] = value
    if query.kept:
        where.append("ended IS NOT NULL")
    return where, values


def _literal(word: str) -> str:
    """A word in which no character means more than itself to LIKE."""
    return word.replace("!", "!!").replace("%", "!%").replace("_", "!_")

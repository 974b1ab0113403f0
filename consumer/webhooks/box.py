"""Webhooks that are due, as rows: a job's end puts them here in its own transaction. Calls nobody.

A row stays pending until an answer says that it was taken, so a call that was cut off is made again, with the same id.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from consumer import turns
from protocol.databases import Database, Transaction
from protocol.job import Job
from protocol.notices import Webhook

MIGRATIONS = (
    """CREATE TABLE consumer_webhooks (
        job         TEXT NOT NULL,
        finish      INTEGER NOT NULL,  -- the job's version when it ended: a retried job ends again
        url         TEXT NOT NULL,
        shown       TEXT NOT NULL,     -- what the job tells of it
        position    INTEGER NOT NULL,
        state       TEXT NOT NULL,
        attempts    INTEGER NOT NULL DEFAULT 0,
        last_status INTEGER,
        due         REAL NOT NULL,     -- epoch seconds
        detail      TEXT,
        snapshot    TEXT,              -- the job as it ended, until the webhook's fate is known
        PRIMARY KEY (job, finish, url))""",
    "CREATE INDEX consumer_webhooks_due ON consumer_webhooks (state, due)",
    "CREATE TABLE consumer_gone_endpoints (url TEXT PRIMARY KEY, at REAL NOT NULL)",  # they answered 410
)
GONE_FOR = 30 * 86400.0  # seconds in which an address that said 410 is not called
INSERT = """INSERT INTO consumer_webhooks (job, finish, url, shown, position, state, due, detail, snapshot)
    VALUES (:job, :finish, :url, :shown, :position, :state, :due, :detail, :snapshot)
    ON CONFLICT (job, finish, url) DO NOTHING"""
LATEST = """SELECT shown AS url, state, attempts, last_status, detail FROM consumer_webhooks WHERE job = :job
    AND finish = (SELECT MAX(finish) FROM consumer_webhooks WHERE job = :job) ORDER BY position"""
PENDING = """SELECT job, finish, url, attempts, due FROM consumer_webhooks
    WHERE state = 'pending' AND url NOT IN (SELECT value FROM json_each(:busy))
    ORDER BY due, job, position LIMIT :limit"""
SNAPSHOT = "SELECT snapshot FROM consumer_webhooks WHERE job = :job AND finish = :finish AND url = :url"
SETTLE = """UPDATE consumer_webhooks SET state = :state, attempts = attempts + 1, last_status = :status,
    detail = :detail, due = :due, snapshot = CASE WHEN :state = 'pending' THEN snapshot END
    WHERE job = :job AND finish = :finish AND url = :url"""
IS_GONE = "SELECT 1 FROM consumer_gone_endpoints WHERE url = :url AND at > :since"
GONE = """INSERT INTO consumer_gone_endpoints (url, at) VALUES (:url, :at)
    ON CONFLICT (url) DO UPDATE SET at = excluded.at"""
WAITING = "SELECT DISTINCT job FROM consumer_webhooks WHERE url = :url AND state = 'pending'"
DISABLE = """UPDATE consumer_webhooks SET state = 'disabled', detail = :detail, snapshot = NULL
    WHERE url = :url AND state = 'pending'"""
NO_MORE = "the address answered 410: it wants no more"


class Fate(StrEnum):
    PENDING = "pending"  # to be called when it is due
    DELIVERED = "delivered"
    FAILED = "failed"  # never to be called, or called too often
    DISABLED = "disabled"  # the address has said that it wants no more


@dataclass(frozen=True)
class Due:
    """One call, whose turn it is at `due` (epoch seconds)."""

    job: str
    finish: int
    url: str
    attempts: int
    due: float

    @property
    def key(self) -> dict[str, str | int]:
        return {"job": self.job, "finish": self.finish, "url": self.url}

    @property
    def message_id(self) -> str:
        """The same for each attempt, so that whoever was called twice can tell."""
        return f"msg_{self.job}_{self.finish}"


@dataclass(frozen=True)
class Verdict:
    """What became of an attempt, and after how many seconds the next one is due."""

    state: Fate
    detail: str | None
    status: int | None
    wait: float = 0.0


def states(tx: Transaction, job_id: str) -> tuple[Webhook, ...]:
    """The webhooks about the job's latest end, as the job shows them."""
    return tuple(Webhook(**row) for row in tx.rows(LATEST, job=job_id))


def forget(tx: Transaction, job_id: str) -> None:
    """Drop a deleted job's webhooks."""
    tx.execute("DELETE FROM consumer_webhooks WHERE job = :job", job=job_id)


class Box:
    """`news` is set when a row may have become due. `always` are the operator's addresses, called for every job."""

    def __init__(self, always: Sequence[str] = (), *, clock: Callable[[], float] = time.time) -> None:
        self._always, self.clock, self.news = tuple(always), clock, asyncio.Event()

    def enqueue(self, tx: Transaction, job: Job) -> tuple[Webhook, ...]:
        """One call to each address of *job*, which has just ended; a second time changes nothing."""
        urls = {url: url for url in job.notify.webhook} | {url: _veil(url) for url in self._always}
        if not urls:
            return ()
        for position, (url, shown) in enumerate(urls.items()):
            self._insert(tx, job, url, shown=shown, position=position)
        tx.on_commit(self.news.set)
        return states(tx, job.id)

    def _insert(self, tx: Transaction, job: Job, url: str, *, shown: str, position: int) -> None:
        now = self.clock()
        gone = bool(tx.rows(IS_GONE, url=url, since=now - GONE_FOR))
        tx.execute(
            INSERT,
            job=job.id,
            finish=job.last_move,
            url=url,
            shown=shown,
            position=position,
            state=Fate.DISABLED if gone else Fate.PENDING,
            due=now,
            detail=NO_MORE if gone else None,
            snapshot=None if gone else job.text,
        )

    def settle(self, tx: Transaction, hook: Due, verdict: Verdict) -> list[str]:
        """Write down what became of an attempt; return whose jobs it concerns."""
        values = {"state": verdict.state, "detail": verdict.detail, "status": verdict.status}
        known = tx.execute(SETTLE, **hook.key, **values, due=self.clock() + verdict.wait) > 0
        others = self._disable(tx, hook.url) if verdict.state is Fate.DISABLED else []
        return [*([hook.job] if known else []), *(job for job in others if job != hook.job)]

    def _disable(self, tx: Transaction, url: str) -> list[str]:
        waiting = [row["job"] for row in tx.rows(WAITING, url=url)]
        tx.execute(DISABLE, url=url, detail=NO_MORE)
        tx.execute(GONE, url=url, at=self.clock())
        return waiting

    async def due(
        self, database: Database, taken: set[Due], busy: Callable[[], Collection[str]], longest: float
    ) -> Due:
        """The next call that nobody has *taken*, once it is due; to none of the addresses that are *busy*.

        None waits for more than the *longest* time.
        """

        async def pending() -> list[Due]:
            rows = await database.read(PENDING, busy=json.dumps(sorted(busy())), limit=len(taken) + 1)
            return [Due(**row) for row in rows]

        return await turns.next_due(pending, taken, self.news, self.clock, longest)


async def snapshot(database: Database, hook: Due) -> str | None:
    """The job as it ended, in JSON; None when it has been deleted meanwhile."""
    rows = await database.read(SNAPSHOT, **hook.key)
    return rows[0]["snapshot"] if rows else None


def _veil(url: str) -> str:
    """An address of the operator's, as users may see it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/…"

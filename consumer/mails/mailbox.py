"""Mails that are due, as rows: a job's end puts them here in its own transaction. Sends nothing.

`sending` is committed before a mail is handed over. A row that is found so on start was cut off in between: its
mail may be on its way, and goes out again only where a repetition can be told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from consumer import turns
from consumer.mails import letters
from protocol.adapters import BadConfig
from protocol.databases import Database, Transaction
from protocol.job import Job, Mail, State

MIGRATIONS = (
    """CREATE TABLE consumer_mails (
        job         TEXT NOT NULL,
        finish      INTEGER NOT NULL,  -- the job's version when it ended: a retried job ends again
        recipient   TEXT NOT NULL,
        position    INTEGER NOT NULL,  -- the order in which the addresses were given
        state       TEXT NOT NULL,
        attempts    INTEGER NOT NULL DEFAULT 0,
        due         REAL NOT NULL,     -- epoch seconds
        detail      TEXT,
        message_id  TEXT NOT NULL,
        snapshot    TEXT,              -- the job as it ended, until the mail's fate is known
        PRIMARY KEY (job, finish, recipient))""",
    "CREATE INDEX consumer_mails_due ON consumer_mails (state, due)",
)
TOLD = frozenset({State.SUCCEEDED, State.FAILED})  # whoever cancels a job knows it
SUPERSEDE = "DELETE FROM consumer_mails WHERE job = :job AND finish < :finish AND state = 'pending'"
INSERT = """INSERT INTO consumer_mails (job, finish, recipient, position, state, due, message_id, snapshot)
    VALUES (:job, :finish, :recipient, :position, 'pending', :due, :message_id, :snapshot)
    ON CONFLICT (job, finish, recipient) DO NOTHING"""
LATEST = """SELECT recipient, state, detail FROM consumer_mails WHERE job = :job
    AND finish = (SELECT MAX(finish) FROM consumer_mails WHERE job = :job) ORDER BY position"""
PENDING = """SELECT job, finish, recipient, attempts, due, message_id FROM consumer_mails
    WHERE state = 'pending' ORDER BY due, job, position LIMIT :limit"""
SNAPSHOT = "SELECT snapshot FROM consumer_mails WHERE job = :job AND finish = :finish AND recipient = :recipient"
BEGIN = """UPDATE consumer_mails SET state = 'sending', attempts = :attempts, detail = NULL
    WHERE job = :job AND finish = :finish AND recipient = :recipient AND state = 'pending' AND attempts = :seen"""
SETTLE = """UPDATE consumer_mails SET state = :state, attempts = :attempts, detail = :detail, due = :due,
    snapshot = CASE WHEN :state = 'pending' THEN snapshot END
    WHERE job = :job AND finish = :finish AND recipient = :recipient"""
COUNTS = "SELECT state, COUNT(*) AS mails FROM consumer_mails GROUP BY state"
CUT_OFF = "SELECT DISTINCT job FROM consumer_mails WHERE state = 'sending'"
REPEAT = "UPDATE consumer_mails SET state = 'pending' WHERE state = 'sending'"
GIVE_UP = """UPDATE consumer_mails SET state = 'unknown', snapshot = NULL,
    detail = 'the process ended while the mail was being handed over' WHERE state = 'sending'"""


class Fate(StrEnum):
    PENDING = "pending"  # to be sent when it is due
    SENDING = "sending"  # being handed over
    SENT = "sent"
    FAILED = "failed"  # refused for good, or too often
    UNKNOWN = "unknown"  # handed over without a clear answer; never sent again


@dataclass(frozen=True)
class Due:
    """One mail, whose turn it is at `due` (epoch seconds)."""

    job: str
    finish: int
    recipient: str
    attempts: int
    due: float
    message_id: str

    @property
    def key(self) -> dict[str, str | int]:
        return {"job": self.job, "finish": self.finish, "recipient": self.recipient}


@dataclass(frozen=True)
class Verdict:
    """What became of an attempt, and after how many seconds the next one is due."""

    state: Fate
    detail: str | None
    wait: float = 0.0


def states(tx: Transaction, job: Job) -> tuple[Mail, ...]:
    """The mails about the job's latest end, as the job shows them."""
    rows = tx.rows(LATEST, job=job.id)
    return tuple(Mail(to=row["recipient"], state=row["state"], detail=row["detail"]) for row in rows)


async def counts(database: Database) -> dict[str, int]:
    """How many mails are in each state."""
    return {row["state"]: row["mails"] for row in await database.read(COUNTS)}


def forget(tx: Transaction, job_id: str) -> None:
    """Drop a deleted job's mails; what is not on its way yet stays unsent."""
    tx.execute("DELETE FROM consumer_mails WHERE job = :job", job=job_id)


class Mailbox:
    """`news` is set when a row may have become due."""

    def __init__(self, mail_from: str, *, clock: Callable[[], float] = time.time) -> None:
        try:
            letters.parse_sender(mail_from)
        except letters.BadAddress as exc:
            raise BadConfig(f"ROWMILL_MAIL_FROM: {exc}") from None
        self.mail_from, self.clock, self.news = mail_from, clock, asyncio.Event()

    def enqueue(self, tx: Transaction, job: Job) -> tuple[Mail, ...]:
        """One mail to each distinct recipient of *job*, which has just ended; a second call changes nothing.

        Mails about an earlier end that are still waiting are old news, and go.
        """
        if not job.notify.email:
            return ()
        recipients = distinct(job.notify.email) if job.state in TOLD else []
        tx.execute(SUPERSEDE, job=job.id, finish=letters.finish(job))
        if not recipients:
            return ()
        for position, to in enumerate(recipients):
            self._insert(tx, job, to, position)
        tx.on_commit(self.news.set)
        return states(tx, job)

    def _insert(self, tx: Transaction, job: Job, to: str, position: int) -> None:
        tx.execute(
            INSERT,
            job=job.id,
            finish=letters.finish(job),
            recipient=to,
            position=position,
            due=self.clock(),
            message_id=letters.identify(job, to, self.mail_from),
            snapshot=job.text,
        )

    def begin(self, tx: Transaction, mail: Due) -> bool:
        """Mark *mail* as being handed over; False where it is no longer to be sent."""
        return tx.execute(BEGIN, **mail.key, seen=mail.attempts, attempts=mail.attempts + 1) > 0

    def settle(self, tx: Transaction, mail: Due, verdict: Verdict) -> bool:
        """Write down what became of an attempt; False where the job is gone."""
        due = self.clock() + verdict.wait
        values = {"state": verdict.state, "detail": verdict.detail, "due": due, "attempts": mail.attempts + 1}
        return tx.execute(SETTLE, **mail.key, **values) > 0

    def take_up(self, tx: Transaction, *, repeat: bool) -> list[str]:
        """Decide about mails that a dead process was handing over; return whose jobs they are."""
        cut_off = tx.rows(CUT_OFF)
        tx.execute(REPEAT if repeat else GIVE_UP)
        return [row["job"] for row in cut_off]

    async def due(self, database: Database, taken: set[Due], room: int, longest: float) -> Due:
        """The next mail that nobody has *taken*, once it is due. At most *room* are taken at a time.

        None waits for more than the *longest* time.
        """

        async def pending() -> list[Due]:
            return [Due(**row) for row in await database.read(PENDING, limit=room + 1)]

        return await turns.next_due(pending, taken, self.news, self.clock, longest)


def distinct(addresses: Iterable[str]) -> list[str]:
    """Without repetitions, in order: no mail server tells addresses apart by case."""
    first: dict[str, str] = {}
    for text in addresses:
        first.setdefault(text.strip().casefold(), text.strip())
    return list(first.values())


async def snapshot(database: Database, mail: Due) -> str | None:
    """The job as it ended, in JSON; None when it has been deleted meanwhile."""
    rows = await database.read(SNAPSHOT, **mail.key)
    return rows[0]["snapshot"] if rows else None

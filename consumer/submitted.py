"""What is known of jobs that came by message: who waits for an answer, and which tables are still to be fetched.

Rows and answers only, as part of the store's units of work; what may be asked is judged elsewhere.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from protocol.databases import Row, Transaction
from protocol.job import Job, Problem
from protocol.messages import Reply, SubmitJob
from protocol.outbox import Outbox

MIGRATIONS = (
    """CREATE TABLE consumer_submissions (
        job            TEXT PRIMARY KEY,
        fingerprint    TEXT NOT NULL,
        reply_to       TEXT,
        correlation_id TEXT,
        pending        TEXT)  -- the message, as long as its table is still to be had""",
    "ALTER TABLE consumer_submissions ADD COLUMN at REAL NOT NULL DEFAULT 0",  # epoch seconds
    "CREATE INDEX consumer_submissions_pending ON consumer_submissions (at) WHERE pending IS NOT NULL",
    "CREATE TABLE consumer_uploads (job TEXT PRIMARY KEY)",  # tables that are being stored
)
INSERT = """INSERT INTO consumer_submissions (job, fingerprint, reply_to, correlation_id, pending, at)
    VALUES (:job, :fingerprint, :reply_to, :correlation_id, :pending, :at) ON CONFLICT (job) DO NOTHING"""
GET = """SELECT fingerprint, reply_to, correlation_id, pending IS NOT NULL AS pending
    FROM consumer_submissions WHERE job = :job"""
REDIRECT = """UPDATE consumer_submissions SET reply_to = :reply_to, correlation_id = :correlation_id
    WHERE job = :job AND fingerprint = :fingerprint"""
PENDING = "SELECT job FROM consumer_submissions WHERE pending IS NOT NULL ORDER BY at LIMIT :limit"
MESSAGE = "SELECT job, fingerprint, pending FROM consumer_submissions WHERE job = :job AND pending IS NOT NULL"


@dataclass(frozen=True)
class Asked:
    """A message on its way to become the job *job*."""

    job: str
    fingerprint: str
    message: SubmitJob


@dataclass(frozen=True)
class Known:
    """What was asked with the same id before, and whether its job has been deleted since."""

    fingerprint: str
    deleted: bool


def record(tx: Transaction, asked: Asked, *, pending: bool) -> bool:
    """Remember who asked; False where that was known already."""
    return bool(
        tx.execute(
            INSERT,
            job=asked.job,
            fingerprint=asked.fingerprint,
            reply_to=asked.message.reply_to,
            correlation_id=asked.message.correlation_id,
            pending=asked.message.model_dump_json() if pending else None,
            at=time.time(),
        )
    )


def redirect(tx: Transaction, asked: Asked) -> None:
    """Who asks again may wait in another place than before."""
    if asked.message.reply_to:
        to, correlation = asked.message.reply_to, asked.message.correlation_id
        tx.execute(REDIRECT, job=asked.job, fingerprint=asked.fingerprint, reply_to=to, correlation_id=correlation)


def settle(tx: Transaction, job_id: str) -> None:
    """Its table is had."""
    tx.execute("UPDATE consumer_submissions SET pending = NULL WHERE job = :job", job=job_id)
    end(tx, job_id)


def begin(tx: Transaction, job_id: str) -> None:
    """A file of this job may be there from now on, before the job is."""
    tx.execute("INSERT INTO consumer_uploads (job) VALUES (:job) ON CONFLICT (job) DO NOTHING", job=job_id)


def end(tx: Transaction, job_id: str) -> None:
    tx.execute("DELETE FROM consumer_uploads WHERE job = :job", job=job_id)


def forget(tx: Transaction, job_id: str) -> None:
    """The job is deleted: nobody is answered any more, but the same message makes no second one."""
    sql = "UPDATE consumer_submissions SET reply_to = NULL, pending = NULL WHERE job = :job"
    tx.execute(sql, job=job_id)


def drop(tx: Transaction, job_id: str) -> None:
    """It never became a job: whoever asks again may have more luck."""
    tx.execute("DELETE FROM consumer_submissions WHERE job = :job", job=job_id)


def known(tx: Transaction, asked: Asked, job: Job | None) -> Known | None:
    """What was asked with this id before, where *job* is what has become of it."""
    rows = tx.rows(GET, job=asked.job)
    return Known(rows[0]["fingerprint"], deleted=job is None and not rows[0]["pending"]) if rows else None


def read(rows: list[Row]) -> Asked | None:
    """The message in the row of MESSAGE; None where it is pending no more."""
    found = (Asked(row["job"], row["fingerprint"], SubmitJob.model_validate_json(row["pending"])) for row in rows)
    return next(found, None)


def tell(tx: Transaction, outbox: Outbox, job: Job, what: str) -> None:
    """Answer whoever submitted *job* by message and wants to know: `accepted`, or the state that it ended in."""
    for row in tx.rows(GET, job=job.id):
        if row["reply_to"]:
            to, correlation = row["reply_to"], row["correlation_id"]
            outbox.put(tx, Reply(to=to, correlation_id=correlation, what=what, subject=job.id, data=job))


def is_ours(queue: str | None) -> bool:
    """A queue of Rowmill's own, to which nobody has an answer sent, nor a refusal."""
    return queue is not None and queue.startswith("rowmill.")


def refuse(tx: Transaction, outbox: Outbox, message: SubmitJob, problem: Problem) -> None:
    if message.reply_to and not is_ours(message.reply_to):
        to, correlation = message.reply_to, message.correlation_id
        subject = message.message_id or "-"
        outbox.put(tx, Reply(to=to, correlation_id=correlation, what="refused", subject=subject, data=problem))


def latest(tx: Transaction, asked: Asked) -> SubmitJob:
    """The message, with the place where its sender waits by now."""
    [row] = tx.rows(GET, job=asked.job)
    return asked.message.model_copy(update={name: row[name] for name in ("reply_to", "correlation_id")})

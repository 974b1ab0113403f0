"""What is known of jobs that came by message: who waits for an answer, and which tables are still to be fetched.

Rows and answers only, as part of the store's units of work; what may be asked is judged elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.databases import Transaction
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
)
INSERT = """INSERT INTO consumer_submissions (job, fingerprint, reply_to, correlation_id, pending)
    VALUES (:job, :fingerprint, :reply_to, :correlation_id, :pending) ON CONFLICT (job) DO NOTHING"""
GET = "SELECT fingerprint, reply_to, correlation_id FROM consumer_submissions WHERE job = :job"
PENDING = "SELECT job, fingerprint, pending FROM consumer_submissions WHERE pending IS NOT NULL ORDER BY job"


@dataclass(frozen=True)
class Asked:
    """A message on its way to become the job *job*."""

    job: str
    fingerprint: str
    message: SubmitJob


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
        )
    )


def settle(tx: Transaction, job_id: str) -> None:
    """Its table is had."""
    tx.execute("UPDATE consumer_submissions SET pending = NULL WHERE job = :job", job=job_id)


def forget(tx: Transaction, job_id: str) -> None:
    """The job is deleted: nobody is answered any more, but the same message makes no second one."""
    sql = "UPDATE consumer_submissions SET reply_to = NULL, pending = NULL WHERE job = :job"
    tx.execute(sql, job=job_id)


def drop(tx: Transaction, job_id: str) -> None:
    """It never became a job: whoever asks again may have more luck."""
    tx.execute("DELETE FROM consumer_submissions WHERE job = :job", job=job_id)


def known(tx: Transaction, job_id: str) -> str | None:
    """The fingerprint of what was asked with this id before."""
    rows = tx.rows(GET, job=job_id)
    return str(rows[0]["fingerprint"]) if rows else None


def tell(tx: Transaction, outbox: Outbox, job: Job, what: str) -> None:
    """Answer whoever submitted *job* by message and wants to know: `accepted`, or the state that it ended in."""
    for row in tx.rows(GET, job=job.id):
        if row["reply_to"]:
            to, correlation = row["reply_to"], row["correlation_id"]
            outbox.put(tx, Reply(to=to, correlation_id=correlation, what=what, subject=job.id, data=job))


def refuse(tx: Transaction, outbox: Outbox, message: SubmitJob, problem: Problem) -> None:
    if message.reply_to:
        to, correlation = message.reply_to, message.correlation_id
        subject = message.message_id or "-"
        outbox.put(tx, Reply(to=to, correlation_id=correlation, what="refused", subject=subject, data=problem))

"""The consumer's own tables: the one place where a job's state is decided, and the checkpoints of its work."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from consumer import notices, submitted
from consumer.errands import ledger
from consumer.mails.mailbox import Mailbox
from consumer.webhooks.box import Box
from protocol.databases import Database, Row, Transaction
from protocol.job import Job, Progress, State
from protocol.messages import JobChanged, RunJob
from protocol.outbox import Outbox

MIGRATIONS = (
    """CREATE TABLE consumer_jobs (
        id      TEXT PRIMARY KEY,
        version INTEGER NOT NULL,  -- row lock, fencing token and event order in one
        state   TEXT NOT NULL,
        body    TEXT NOT NULL)""",
    "CREATE INDEX consumer_jobs_state ON consumer_jobs (state)",
    """CREATE TABLE consumer_checkpoints (
        job    TEXT NOT NULL,
        step   TEXT NOT NULL,     -- plan, mill, select
        number INTEGER NOT NULL,  -- of the chunk
        body   BLOB NOT NULL,
        PRIMARY KEY (job, step, number)) WITHOUT ROWID""",
)
NOW = partial(datetime.now, UTC)
FORGOTTEN = "forgotten"  # the state of a row whose job was deleted: no late message may bring it back
FORGET = """INSERT INTO consumer_jobs (id, version, state, body) VALUES (:id, 0, 'forgotten', '')
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body"""
GET = "SELECT body FROM consumer_jobs WHERE id = :id AND state <> 'forgotten'"
INSERT = """INSERT INTO consumer_jobs (id, version, state, body) VALUES (:id, :version, :state, :body)
    ON CONFLICT (id) DO NOTHING"""
UPDATE = """UPDATE consumer_jobs SET version = :version, state = :state, body = :body
    WHERE id = :id AND version = :seen AND state <> 'forgotten'"""
DROP = ("DELETE FROM consumer_checkpoints WHERE job = :job", ledger.DROP)
CHECKPOINTS = """SELECT number, body FROM consumer_checkpoints
    WHERE job = :job AND step = :step AND number > :above ORDER BY number LIMIT :most"""
CHECKPOINT = """INSERT INTO consumer_checkpoints (job, step, number, body) VALUES (:job, :step, :number, :body)
    ON CONFLICT DO NOTHING"""


class Superseded(Exception):
    """Somebody else moved this job on; whoever gets this drops it."""


class ConsumerStore:
    def __init__(
        self, database: Database, mails: Mailbox, hooks: Box | None = None, *, now: Callable[[], datetime] = NOW
    ) -> None:
        self._database, self._notices, self._now = database, notices.Notices(mails, hooks or Box()), now
        self.outbox = Outbox(database, owner="consumer")

    async def prepare(self) -> None:
        await self.outbox.prepare()
        owners = {"consumer": MIGRATIONS, **notices.MIGRATIONS, "submissions": submitted.MIGRATIONS}
        for owner, steps in (owners | {"errands": ledger.MIGRATIONS}).items():
            await self._database.migrate(owner, steps)

    async def orphans(self) -> list[Job]:
        """The jobs that were running when this consumer last stopped."""
        rows = await self._database.read("SELECT body FROM consumer_jobs WHERE state = :s", s=State.RUNNING)
        return [_job(row) for row in rows]

    async def untidied(self) -> list[Job]:
        """Ended jobs whose checkpoints a crash left there. Those of a failed job stay: a retry goes on from them."""
        rows = await self._database.read(
            """SELECT body FROM consumer_jobs WHERE state IN ('succeeded', 'cancelled')
               AND id IN (SELECT job FROM consumer_checkpoints)"""
        )
        return [_job(row) for row in rows]

    async def find(self, job_id: str) -> Job | None:
        return next(map(_job, await self._database.read(GET, id=job_id)), None)

    def get(self, tx: Transaction, job_id: str) -> Job | None:
        return next(map(_job, tx.rows(GET, id=job_id)), None)

    def add(self, tx: Transaction, job: Job) -> bool:
        """Store a new job and announce it; False where it is known or was deleted."""
        if not tx.execute(INSERT, **_row(job)):
            return False
        self.outbox.put(tx, JobChanged(job=job))
        return True

    async def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        rows = await self._database.read("SELECT state, COUNT(*) AS n FROM consumer_jobs GROUP BY state")
        return {row["state"]: row["n"] for row in rows if row["state"] != FORGOTTEN}

    async def claim(self, asked: Job) -> Job | None:
        """Start the attempt that was *asked* for, or None where there is nothing (more) to do.

        A message may come twice, late, or after a cancel: only the move that it speaks of can be claimed.
        Who asks with an older version than this may have missed what happened since, and is told.
        """

        def unit(tx: Transaction) -> Job | None:
            if asked.state is State.QUEUED and self.add(tx, begun := self._begin(asked)):
                return begun
            job = self._find_or_add(tx, asked)
            if job is not None and job.version > asked.version:
                self.outbox.put(tx, JobChanged(job=job))
            if job is None or not _meant(asked, job, State.QUEUED, State.WAITING):
                return None
            return self.begin(tx, job)

        return await self._database.write(unit)

    def begin(self, tx: Transaction, job: Job) -> Job:
        """Start the job's next attempt."""
        return self._save(tx, job, self._begin(job))

    def _begin(self, job: Job) -> Job:
        attempt, now = job.attempt + 1, self._now()
        reason = "taken by a consumer" if attempt == 1 else f"attempt {attempt} of {job.max_attempts}"
        return job.move(State.RUNNING, at=now, reason=reason, attempt=attempt, started_at=job.started_at or now)

    async def resume(self, job: Job, reason: str) -> Job:
        """Take up an unfinished run: the same attempt goes on."""
        return await self._database.write(lambda tx: self._move(tx, job, State.RUNNING, reason))

    async def advance(self, job: Job, to: State, reason: str, **changes: Any) -> Job:
        """Move *job* on and announce it, or raise Superseded. A final state's mails are queued with it."""

        def unit(tx: Transaction) -> Job:
            ended = {"finished_at": self._now()} if to in {State.SUCCEEDED, State.FAILED} else {}
            return self._move(tx, job, to, reason, **ended, **changes)

        return await self._database.write(unit)

    async def postpone(self, job: Job, reason: str, delay: float, **changes: Any) -> Job:
        """Let *job* wait *delay* seconds for its next attempt."""

        def unit(tx: Transaction) -> Job:
            later = self._move(tx, job, State.WAITING, reason, **changes)
            self.outbox.put(tx, RunJob(job=later), due=time.time() + delay)
            return later

        return await self._database.write(unit)

    async def revise(self, job: Job, **changes: Any) -> Job:
        """Write down and announce progress, or raise Superseded."""
        return await self._database.write(lambda tx: self._save(tx, job, job.revise(**changes)))

    async def cancel(self, asked: Job) -> Job | None:
        """Cancel the job as it stands, also one never seen here; None where it has ended, or was queued again since."""

        def unit(tx: Transaction) -> Job | None:
            job = self._find_or_add(tx, asked)
            later = {move.state for move in job.log if move.version > asked.version} if job else set()
            if job is None or job.final or State.QUEUED in later:
                return None
            cleared = {"report": None, "artefacts": (), "problem": None}
            return self._move(tx, job, State.CANCELLED, "cancelled", finished_at=self._now(), **cleared)

        return await self._database.write(unit)

    async def retry(self, asked: Job) -> Job | None:
        """Queue a failed or cancelled job again; None where it has moved on meanwhile."""

        def unit(tx: Transaction) -> Job | None:
            job = self._find_or_add(tx, asked)
            if job is None or job.pruned_at or not _meant(asked, job, State.FAILED, State.CANCELLED):
                return None
            cleared = {"problem": None, "finished_at": None, "report": None, "mail": (), "webhooks": ()}
            again = {"attempt": 0, "progress": Progress()}
            later = self._move(tx, job, State.QUEUED, "retry was asked for", **cleared, **again)
            self.outbox.put(tx, RunJob(job=later))
            return later

        return await self._database.write(unit)

    async def prune(self, asked: Job) -> Job | None:
        """Say that an ended job's files are gone, so that they may go; None where it is deleted or not ended."""

        def unit(tx: Transaction) -> Job | None:
            job = self.get(tx, asked.id)
            return self._save(tx, job, job.prune(at=job.pruned_at or self._now())) if job and job.final else None

        return await self._database.write(unit)

    async def checkpoint(self, job_id: str, step: str, number: int, body: bytes) -> None:
        """Keep what a finished piece of work came to."""
        await self._database.write(lambda tx: tx.execute(CHECKPOINT, job=job_id, step=step, number=number, body=body))

    async def checkpoints(self, job_id: str, step: str, above: int = -1, most: int = -1) -> dict[int, bytes]:
        """What was kept, by number: the first *most* of those beyond *above*."""
        rows = await self._database.read(CHECKPOINTS, job=job_id, step=step, above=above, most=most)
        return {row["number"]: row["body"] for row in rows}

    async def drop_checkpoints(self, job_id: str) -> None:
        await self._database.write(lambda tx: [tx.execute(sql, job=job_id) for sql in DROP])

    async def forget(self, job_id: str) -> None:
        """Drop everything about a deleted job."""

        def unit(tx: Transaction) -> None:
            for sql in DROP:
                tx.execute(sql, job=job_id)
            notices.forget(tx, job_id)
            submitted.forget(tx, job_id)
            tx.execute(FORGET, id=job_id)

        await self._database.write(unit)

    def told(self, tx: Transaction, job_id: str) -> None:
        """Show the fate of a job's mails and webhooks in the job; part of the unit of work that changed them.

        A job that was queued again keeps its version: another one would take it from the run that is asked for.
        """
        if (job := self.get(tx, job_id)) and job.final:
            self._save(tx, job, job.revise(**notices.shown(tx, job)))

    def _find_or_add(self, tx: Transaction, job: Job) -> Job | None:
        """The job as it stands here; None where it was deleted."""
        return job if tx.execute(INSERT, **_row(job)) else self.get(tx, job.id)

    def _move(self, tx: Transaction, job: Job, to: State, reason: str, **changes: Any) -> Job:
        later = job.move(to, at=self._now(), reason=reason, **changes)
        if later.final:
            later = self._notices.enqueue(tx, later)
            submitted.tell(tx, self.outbox, later, later.state)
        return self._save(tx, job, later)

    def _save(self, tx: Transaction, job: Job, later: Job) -> Job:
        if tx.execute(UPDATE, seen=job.version, **_row(later)) != 1:
            raise Superseded(job.id)
        self.outbox.put(tx, JobChanged(job=later))
        return later


def _meant(asked: Job, job: Job, *states: State) -> bool:
    """Whether *job* still is where it was when it was *asked* for, and in one of these states."""
    return job.last_move == asked.last_move and job.state in states


def _row(job: Job) -> Row:
    return {"id": job.id, "version": job.version, "state": job.state, "body": job.text}


def _job(row: Row) -> Job:
    return Job.model_validate_json(row["body"])

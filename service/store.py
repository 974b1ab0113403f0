"""The service's view of every job: what it accepted, and the newest version that the consumer told of.

It decides nothing about a job's fate: a move is only asked for here, by a message in the outbox.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from protocol.databases import Database, Row, Transaction
from protocol.job import Job
from protocol.messages import CancelJob, ForgetJob, PruneJob, RetryJob, RunJob
from protocol.outbox import Outbox
from service.selection import Query, count, microseconds, select, sought
from service.stored import Recent, Stored

MIGRATIONS = (
    """CREATE TABLE service_jobs (
        id      TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        state   TEXT NOT NULL,
        kind    TEXT NOT NULL,
        created INTEGER NOT NULL,            -- microseconds since 1970
        deleted INTEGER NOT NULL DEFAULT 0,  -- a late event must not bring the job back
        body    TEXT NOT NULL)""",
    "CREATE INDEX service_jobs_newest ON service_jobs (deleted, created, id)",
    """CREATE TABLE service_keys (
        key         TEXT PRIMARY KEY,
        job         TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        at          REAL NOT NULL)""",
    "CREATE TABLE service_uploads (id TEXT PRIMARY KEY)",
    "CREATE INDEX service_jobs_state ON service_jobs (state, deleted)",
    "ALTER TABLE service_jobs ADD COLUMN ended INTEGER",  # when, while the files of an ended job are there
    "ALTER TABLE service_jobs ADD COLUMN held INTEGER",  # bytes of files
    "CREATE INDEX service_jobs_ended ON service_jobs (ended)",
    "ALTER TABLE service_jobs ADD COLUMN owner TEXT",
    "CREATE INDEX service_jobs_owner ON service_jobs (owner, deleted, created, id)",
    "CREATE INDEX service_jobs_queued ON service_jobs (owner) WHERE state = 'queued' AND deleted = 0",
    "ALTER TABLE service_jobs ADD COLUMN sought TEXT",  # what words are looked for in
)
INSERT = """INSERT INTO service_jobs (id, version, state, kind, owner, created, ended, held, sought, body)
    VALUES (:id, :version, :state, :kind, :owner, :created, :ended, :held, :sought, :body)"""
UPSERT = f"""{INSERT}
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state, ended = excluded.ended,
        held = excluded.held, body = excluded.body
    WHERE service_jobs.deleted = 0 AND service_jobs.version < excluded.version"""
DELETE = """UPDATE service_jobs SET deleted = 1, ended = NULL, body = ''
    WHERE id = :id AND deleted = 0 AND version = :version"""
GET = "SELECT id, version, state, body, owner FROM service_jobs WHERE id = :id AND deleted = 0"
UNFINISHED = """SELECT id, version, state FROM service_jobs
    WHERE state IN ('queued', 'running', 'waiting') AND deleted = 0 LIMIT 10000"""
QUEUED = "SELECT COUNT(*) AS jobs FROM service_jobs WHERE owner = :owner AND state = 'queued' AND deleted = 0"
HELD = "SELECT id, ended, held FROM service_jobs WHERE ended IS NOT NULL ORDER BY ended, id LIMIT :limit"
HELD_IN_ALL = "SELECT COALESCE(SUM(held), 0) AS bytes FROM service_jobs WHERE ended IS NOT NULL"
UNMEASURED = "SELECT body FROM service_jobs WHERE (held IS NULL OR sought IS NULL) AND deleted = 0"
MEASURE = "UPDATE service_jobs SET ended = :ended, held = :held, sought = :sought WHERE id = :id"
KEYS_LIVE = 7 * 86400.0  # seconds


class VersionMoved(Exception):
    """The job changed between looking at it and deleting it."""


class QueueFull(Exception):
    """The owner has as many jobs in the queue as there may be."""


@dataclass(frozen=True)
class Key:
    """An idempotency key, and what was asked with it."""

    name: str
    fingerprint: str


class Store:
    def __init__(self, database: Database, outbox: Outbox, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._outbox, self._clock = database, outbox, clock
        self._recent = Recent()

    async def prepare(self) -> None:
        await self._outbox.prepare()
        await self._database.migrate("service", MIGRATIONS)
        await self._database.write(_measure)

    async def begin_upload(self, job_id: str) -> None:
        """Remember that a file of this job may exist before the job does."""
        await self._database.write(lambda tx: tx.execute("INSERT INTO service_uploads VALUES (:id)", id=job_id))

    async def end_upload(self, job_id: str) -> None:
        await self._database.write(lambda tx: _end_upload(tx, job_id))

    async def begun_uploads(self) -> list[str]:
        return [row["id"] for row in await self._database.read("SELECT id FROM service_uploads")]

    async def count_queued(self, owner: str) -> int:
        return int((await self._database.read(QUEUED, owner=owner))[0]["jobs"])

    async def create(self, job: Job, key: Key | None = None, *, room: int | None = None) -> Stored:
        """Store the job with the message that has it run; QueueFull where its owner has *room* jobs waiting already."""
        stored = Stored.of(job)
        row = _row(job, stored)

        def unit(tx: Transaction) -> None:
            if room is not None and tx.rows(QUEUED, owner=job.submitted_by)[0]["jobs"] >= room:
                raise QueueFull
            tx.execute(INSERT, **row)
            _end_upload(tx, job.id)
            if key:
                self._remember(tx, key, job.id)
            self._outbox.put(tx, RunJob(job=job))
            tx.on_commit(partial(self._recent.note, stored))

        await self._database.write(unit)
        return stored

    def _remember(self, tx: Transaction, key: Key, job_id: str) -> None:
        now = self._clock()
        tx.execute("DELETE FROM service_keys WHERE at < :then", then=now - KEYS_LIVE)
        tx.execute(
            "INSERT INTO service_keys (key, job, fingerprint, at) VALUES (:key, :job, :fingerprint, :at)",
            key=key.name,
            job=job_id,
            fingerprint=key.fingerprint,
            at=now,
        )

    async def find_key(self, name: str) -> tuple[str, Key] | None:
        """The job that was made with this key, and what was asked then."""
        rows = await self._database.read("SELECT job, fingerprint FROM service_keys WHERE key = :key", key=name)
        return (rows[0]["job"], Key(name, rows[0]["fingerprint"])) if rows else None

    async def get(self, job_id: str) -> Stored | None:
        if known := self._recent.find(job_id):
            return known
        rows = await self._database.read(GET, id=job_id)
        return Stored(**rows[0]) if rows else None

    async def exists(self, job_id: str) -> bool:
        """Whether the job is stored, once all that was asked of the database before has happened."""
        return bool(await self._database.write(lambda tx: tx.rows(GET, id=job_id)))

    async def apply(self, jobs: Sequence[Job]) -> list[Job]:
        """Keep those that are newer than what is known, and say which they were."""
        rows = [(job, stored, _row(job, stored)) for job in jobs for stored in [Stored.of(job)]]

        def unit(tx: Transaction) -> list[Job]:
            newer = [(job, stored) for job, stored, row in rows if tx.execute(UPSERT, **row)]
            for _, stored in newer:
                tx.on_commit(partial(self._recent.note, stored))
            return [job for job, _ in newer]

        return await self._database.write(unit)

    async def ask(self, *commands: CancelJob | RetryJob) -> None:
        """Ask the consumer for moves; its answer is each job's next version."""

        def unit(tx: Transaction) -> None:
            for command in commands:
                self._outbox.put(tx, command)

        await self._database.write(unit)

    async def unfinished(self) -> list[Row]:
        """Rows of id, version and state."""
        return await self._database.read(UNFINISHED)

    async def remind(self, job_id: str) -> None:
        """Ask for an unfinished job once more."""

        def unit(tx: Transaction) -> None:
            for row in tx.rows(GET, id=job_id):
                self._outbox.put(tx, RunJob(job=Stored(**row).job()))

        await self._database.write(unit)

    async def prune(self, job_ids: Iterable[str]) -> None:
        """Ask the consumer to remove these jobs' files."""

        def unit(tx: Transaction) -> None:
            for row in (row for job_id in job_ids for row in tx.rows(GET, id=job_id)):
                self._outbox.put(tx, PruneJob(job=Stored(**row).job()))

        await self._database.write(unit)

    async def delete(self, job: Job) -> None:
        """Forget the job, here and at the consumer, unless it has moved since: then VersionMoved."""
        await self._database.write(partial(self._delete, job))

    def _delete(self, job: Job, tx: Transaction) -> None:
        if not tx.execute(DELETE, id=job.id, version=job.version):
            raise VersionMoved(job.id)
        tx.execute("DELETE FROM service_keys WHERE job = :id", id=job.id)
        self._outbox.put(tx, ForgetJob(job=job))
        tx.on_commit(partial(self._recent.drop, job.id))

    async def newest(self, query: Query) -> list[Row]:
        """Rows of id, created and body."""
        sql, values = select(query)
        return await self._database.read(sql, **values)

    async def count(self, query: Query) -> int:
        sql, values = count(query)
        return int((await self._database.read(sql, **values))[0]["jobs"])

    async def held(self, limit: int) -> list[Row]:
        """Rows of id, ended (microseconds) and held (bytes): the jobs whose files are kept, the oldest end first."""
        return await self._database.read(HELD, limit=limit)

    async def held_in_all(self) -> int:
        """The bytes of all files of ended jobs."""
        return int((await self._database.read(HELD_IN_ALL))[0]["bytes"])

    async def count_states(self) -> dict[str, int]:
        sql = "SELECT state, COUNT(*) AS jobs FROM service_jobs WHERE deleted = 0 GROUP BY state"
        return {row["state"]: row["jobs"] for row in await self._database.read(sql)}


def _row(job: Job, stored: Stored) -> Row:
    return {
        **vars(stored),
        "kind": job.kind,
        "created": microseconds(job.created_at),
        "ended": microseconds(job.finished_at or job.created_at) if job.final and not job.pruned_at else None,
        "held": job.held,
        "sought": sought(job),
    }


def _end_upload(tx: Transaction, job_id: str) -> None:
    tx.execute("DELETE FROM service_uploads WHERE id = :id", id=job_id)


def _measure(tx: Transaction) -> None:
    """Fill in what rows of an earlier version do not say."""
    for row in tx.rows(UNMEASURED):
        job = Job.model_validate_json(row["body"])
        whole = _row(job, Stored.of(job))
        tx.execute(MEASURE, **{name: whole[name] for name in ("id", "ended", "held", "sought")})

"""The units of work behind submissions by message: the job, the messages about it and who asked, all or nothing."""

from __future__ import annotations

from consumer import submitted
from consumer.store import ConsumerStore
from consumer.submitted import Asked, Known
from protocol.databases import Database, Transaction
from protocol.job import Job, Problem
from protocol.messages import RunJob, SubmitJob, Unusable


class SubmissionStore:
    def __init__(self, database: Database, store: ConsumerStore) -> None:
        self._database, self._store, self._outbox = database, store, store.outbox

    async def known(self, asked: Asked, *, begin: bool = False) -> Known | None:
        """What was asked with this id before; whoever asks for the same again is answered again.

        For a job that is new, `begin` as well.
        """

        def unit(tx: Transaction) -> Known | None:
            job = self._store.get(tx, asked.job)
            earlier = submitted.known(tx, asked, job)
            if earlier and earlier.fingerprint == asked.fingerprint and not earlier.deleted:
                submitted.redirect(tx, asked)
                self._tell(tx, job)
            if earlier is None and begin:
                submitted.begin(tx, asked.job)
            return earlier

        return await self._database.write(unit)

    def _tell(self, tx: Transaction, job: Job | None) -> None:
        if job is not None:
            submitted.tell(tx, self._outbox, job, "accepted")
            if job.final:
                submitted.tell(tx, self._outbox, job, job.state)

    async def keep(self, asked: Asked) -> bool:
        """Store a message whose table is still to be fetched; False where that is known already."""
        return await self._database.write(lambda tx: submitted.record(tx, asked, pending=True))

    async def pending(self, limit: int) -> list[str]:
        """The ids of jobs whose tables are still to be fetched, the oldest first."""
        return [row["job"] for row in await self._database.read(submitted.PENDING, limit=limit)]

    async def find(self, job_id: str) -> Asked | None:
        """The message that asks for a job that is pending."""
        return submitted.read(await self._database.read(submitted.MESSAGE, job=job_id))

    async def begin(self, job_id: str) -> None:
        """A file of this job may be there from now on, before the job is."""
        await self._database.write(lambda tx: submitted.begin(tx, job_id))

    async def end(self, job_id: str) -> None:
        """No file without a job is there any more."""
        await self._database.write(lambda tx: submitted.end(tx, job_id))

    async def begun(self) -> list[str]:
        return [row["job"] for row in await self._database.read("SELECT job FROM consumer_uploads")]

    async def accept(self, job: Job, asked: Asked, *, take: bool = False) -> Job | None:
        """Store the job, announce it, and answer.

        It is run when its turn comes. Who would *take* it at once gets it as it runs, all in one unit of work.
        """

        def unit(tx: Transaction) -> Job | None:
            submitted.record(tx, asked, pending=False)
            submitted.settle(tx, job.id)
            if not self._store.add(tx, job):
                return None
            submitted.tell(tx, self._outbox, job, "accepted")
            if take:
                return self._store.begin(tx, job)
            self._outbox.put(tx, RunJob(job=job))
            return None

        return await self._database.write(unit)

    async def refuse(self, message: SubmitJob, problem: Problem) -> None:
        """Answer with the problem."""
        await self._database.write(lambda tx: submitted.refuse(tx, self._outbox, message, problem))

    async def give_up(self, asked: Asked, problem: Problem) -> None:
        """Answer with the problem, and set aside the message, which is pending no more."""

        def unit(tx: Transaction) -> None:
            submitted.refuse(tx, self._outbox, submitted.latest(tx, asked), problem)
            submitted.drop(tx, asked.job)
            self._outbox.put(tx, Unusable(submission=asked.message, reason=problem.detail))

        await self._database.write(unit)

"""The units of work behind submissions by message: the job, the messages about it and who asked, all or nothing."""

from __future__ import annotations

from consumer import submitted
from consumer.store import ConsumerStore
from consumer.submitted import Asked
from protocol.databases import Database, Transaction
from protocol.job import Job, Problem
from protocol.messages import SubmitJob, Unusable


class SubmissionStore:
    def __init__(self, database: Database, store: ConsumerStore) -> None:
        self._database, self._store, self._outbox = database, store, store.outbox

    async def known(self, asked: Asked) -> str | None:
        """The fingerprint of what was asked with this id before; whoever asks for the same again is answered again."""

        def unit(tx: Transaction) -> str | None:
            earlier = submitted.known(tx, asked.job)
            job = self._store.get(tx, asked.job)
            if earlier == asked.fingerprint and job is not None:
                submitted.tell(tx, self._outbox, job, "accepted")
                if job.final:
                    submitted.tell(tx, self._outbox, job, job.state)
            return earlier

        return await self._database.write(unit)

    async def keep(self, asked: Asked) -> bool:
        """Store a message whose table is still to be fetched; False where that is known already."""
        return await self._database.write(lambda tx: submitted.record(tx, asked, pending=True))

    async def pending(self) -> list[Asked]:
        """The messages whose tables are still to be fetched."""
        rows = await self._database.read(submitted.PENDING)
        return [Asked(row["job"], row["fingerprint"], SubmitJob.model_validate_json(row["pending"])) for row in rows]

    async def accept(self, job: Job, asked: Asked) -> None:
        """Store the job, have it run, announce it, and answer."""

        def unit(tx: Transaction) -> None:
            submitted.record(tx, asked, pending=False)
            submitted.settle(tx, job.id)
            if self._store.add(tx, job):
                submitted.tell(tx, self._outbox, job, "accepted")

        await self._database.write(unit)

    async def refuse(self, message: SubmitJob, problem: Problem, *, fetched: Asked | None = None) -> None:
        """Answer with the problem; a message that was *fetched* for is no more, so it is set aside from here."""

        def unit(tx: Transaction) -> None:
            submitted.refuse(tx, self._outbox, message, problem)
            if fetched:
                submitted.drop(tx, fetched.job)
                self._outbox.put(tx, Unusable(submission=message, reason=problem.detail))

        await self._database.write(unit)

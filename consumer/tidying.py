"""Drops what a job leaves behind that nobody needs any more, also when the process died before it could."""

from __future__ import annotations

import asyncio
import logging
import pickle

from consumer.steps import Plan
from consumer.store import ConsumerStore
from protocol import kept
from protocol.files import Files
from protocol.job import Job, State

log = logging.getLogger(__name__)
EVERY = 60.0  # seconds between two looks at what could not be tidied


class Tidying:
    def __init__(self, store: ConsumerStore, files: Files) -> None:
        self._store, self._files = store, files

    async def catch_up(self) -> None:
        """Tidy the jobs that ended when that could not be done, before one of them may run again."""
        for job in await self._store.untidied():
            await self.try_to_tidy(job)

    async def keep_up(self) -> None:
        """For ever: tidy those that have succeeded, for they never run again. Of others the command comes again."""
        while True:
            await asyncio.sleep(EVERY)
            for job in await self._store.untidied():
                if job.state is State.SUCCEEDED:
                    await self.try_to_tidy(job)

    async def try_to_tidy(self, job: Job) -> None:
        """Tidy now, or later where the database or the file store fails: the job has ended all the same."""
        try:
            await self.tidy(job)
        except Exception:
            log.exception("not tidied; it is tried again", extra={"job": job.id, "action": "tidy"})

    async def tidy(self, job: Job) -> None:
        """Drop an ended job's checkpoints and their pieces; of a cancelled one also what was made of them.

        Errands that were run cannot be taken back: a cancelled job keeps them, and another try goes on from there.
        """
        everything = job.state is State.CANCELLED
        if everything and await self._ran_errands(job):
            return
        await self._files.remove(job.result_prefix if everything else f"{job.result_prefix}work/")
        if job.based_on and job.state is State.SUCCEEDED:
            for name in (kept.STATE, kept.REJECTED_CSV):  # the job has its own now
                await self._files.remove(f"{kept.basis(job.id)}{name}")
        # Last: while they are there, the next start knows what is left to do.
        await self._store.drop_checkpoints(job.id)

    async def clear(self, job: Job) -> None:
        """Tidy after a run that went on when its job had been cancelled or deleted already."""
        now = await self._store.find(job.id)
        if now is None:
            await self._remove_files(job)
        elif now.state is State.CANCELLED:
            await self.tidy(now)

    async def prune(self, job: Job) -> None:
        """Drop an ended job's files and checkpoints; the job is kept."""
        await self._remove_files(job)
        await self._store.drop_checkpoints(job.id)

    async def _ran_errands(self, job: Job) -> bool:
        plans: list[Plan] = [pickle.loads(body) for body in (await self._store.checkpoints(job.id, "plan")).values()]  # noqa: S301 - our own
        return any(plan.terms for plan in plans)

    async def forget(self, job: Job) -> None:
        """Drop everything about a deleted job."""
        await self._store.forget(job.id)
        await self._remove_files(job)

    async def _remove_files(self, job: Job) -> None:
        await self._files.remove(job.result_prefix)
        await self._files.remove(job.source_key)
        if job.based_on:
            await self._files.remove(kept.basis(job.id))

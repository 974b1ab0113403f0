"""Obeys what concerns a job as a whole: cancel it, forget it, remove its files when their time is up."""

from __future__ import annotations

import asyncio
import logging
from typing import assert_never

from consumer.places import IN_HAND
from consumer.running import Running
from consumer.store import ConsumerStore
from consumer.tidying import Tidying
from protocol import log as lines
from protocol.job import State
from protocol.messages import CONTROL, CancelJob, ForgetJob, PruneJob
from protocol.transports import Delivery, Transport

log = logging.getLogger(__name__)
AT_HAND = IN_HAND  # each of these commands may wait for the end of a run, and no other for it
PAUSE = 1.0  # seconds after a command could not be obeyed


class Commands:
    def __init__(self, store: ConsumerStore, running: Running, tidying: Tidying) -> None:
        self._store, self._running, self._tidying = store, running, tidying

    async def obey(self, transport: Transport) -> None:
        """Take commands, for ever; one that cannot be obeyed now comes again."""
        async with asyncio.TaskGroup() as group:
            async for delivery in transport.subscribe(CONTROL, prefetch=AT_HAND):
                with lines.about(job=delivery.message.job.id):
                    group.create_task(self._obey(delivery))

    async def _obey(self, delivery: Delivery[CancelJob | ForgetJob | PruneJob]) -> None:
        try:
            await self._command(delivery)
        except Exception:
            log.exception("command not obeyed; it comes again")
            await asyncio.sleep(PAUSE)
            await delivery.requeue()
        else:
            await delivery.ack()

    async def _command(self, delivery: Delivery[CancelJob | ForgetJob | PruneJob]) -> None:
        match delivery.message:
            case CancelJob(job=asked):
                # One that is cancelled already may be so by a process that ended before it could tidy.
                job = await self._store.cancel(asked) or await self._store.find(asked.id)
                if job is not None and job.state is State.CANCELLED:
                    log.info("job cancelled", extra={"job": job.id, "action": "cancel"})
                    async with self._running.ended(job.id):
                        await self._tidying.tidy(job)
            case ForgetJob(job=job):
                async with self._running.ended(job.id):
                    await self._tidying.forget(job)
            case PruneJob(job=asked):
                if (job := await self._store.prune(asked)) is not None:
                    log.info("job's files removed", extra={"job": job.id, "bytes": asked.held, "action": "prune"})
                    await self._tidying.prune(job)
            case other:
                assert_never(other)

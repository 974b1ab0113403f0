"""Looks up what cannot be counted as it happens: how many jobs and mails are in each state, what waits to be sent."""

from __future__ import annotations

import asyncio
import logging
import time

from consumer.mails import mailbox
from consumer.mails.mailbox import Fate
from consumer.metrics import Metrics
from consumer.store import ConsumerStore
from protocol.databases import Database
from protocol.job import State

log = logging.getLogger(__name__)
EVERY = 5.0  # seconds


async def measure(metrics: Metrics, store: ConsumerStore, database: Database) -> None:
    """For ever; whoever reads the metrics gets what was true a moment ago, and waits for no database."""
    while True:
        try:
            await _look(metrics, store, database)
        except Exception:
            log.exception("not measured")
        await asyncio.sleep(EVERY)


async def _look(metrics: Metrics, store: ConsumerStore, database: Database) -> None:
    jobs, mails, oldest = await store.counts(), await mailbox.counts(database), await store.outbox.oldest()
    for state in State:
        metrics.jobs.labels(state).set(jobs.get(state, 0))
    for fate in Fate:
        metrics.mails.labels(fate).set(mails.get(fate, 0))
    metrics.outbox.set(0 if oldest is None else max(0.0, time.time() - oldest))

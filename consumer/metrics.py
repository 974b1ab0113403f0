"""What the consumer counts as it happens, for Prometheus. How much there is of what, `measuring.py` looks up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from consumer.executors import NoWorker, Overdue, WorkerLost
from protocol.job import Job

JOBS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)  # seconds
STEPS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300)  # seconds


class Metrics:
    """All names begin with rowmill_consumer_, so that they can stand in one registry with the service's."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        to: Any = {"namespace": "rowmill_consumer", "registry": registry or CollectorRegistry()}
        kinds = ("kind", "state")
        self.jobs = Gauge("jobs", "Jobs by state.", ("state",), **to)
        self.running = Gauge("running", "Jobs that run now.", **to)
        self.in_hand = Gauge("in_hand", "Messages and jobs that were taken and have not ended.", **to)
        self.waits = Histogram("wait_seconds", "From a job's creation to its start.", buckets=JOBS, **to)
        self.jobs_took = Histogram("job_seconds", "From a job's start to its end.", kinds, buckets=JOBS, **to)
        self.attempts = Counter("attempts", "Attempts, by the state that followed.", kinds, **to)
        self.steps_took = Histogram(
            "step_seconds",
            "How long a slot was lent; mill and select are chunks, at_one_go small jobs.",
            ("kind", "step"),
            buckets=STEPS,
            **to,
        )
        self.restarts = Counter("slot_restarts", "Workers that had to be replaced.", ("reason",), **to)
        self.submissions = Counter("submissions", "Jobs submitted by message.", ("outcome",), **to)
        self.outbox = Gauge("outbox_age_seconds", "How long the oldest message waits to be sent.", **to)
        self.mails = Gauge("mails", "Mails by state.", ("state",), **to)

    def started(self, job: Job, now: datetime) -> None:
        if job.attempt == 1:
            self.waits.observe(max(0.0, (now - job.created_at).total_seconds()))

    def ended(self, job: Job) -> None:
        """An attempt at *job* left it as it is now."""
        self.attempts.labels(job.kind, job.state).inc()
        if job.started_at and job.finished_at:
            self.jobs_took.labels(job.kind, job.state).observe((job.finished_at - job.started_at).total_seconds())

    @contextmanager
    def step(self, kind: str, step: str) -> Iterator[None]:
        """Time what a slot was lent for, and count the slot's restart where that is how it ends."""
        began = time.perf_counter()
        try:
            yield
        except (WorkerLost, Overdue, asyncio.CancelledError) as exc:
            self.restarts.labels(REASONS[type(exc)]).inc()
            raise
        finally:
            self.steps_took.labels(kind, step).observe(time.perf_counter() - began)


REASONS: dict[type[BaseException], str] = {
    WorkerLost: "died",
    NoWorker: "not started",
    Overdue: "overdue",
    asyncio.CancelledError: "cancelled",
}

"""What errands need of the consumer: a ledger, and processes, of which there are not more than the machine can bear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from consumer.errands import Terms
from consumer.errands.frames import Start
from consumer.errands.ledger import Ledger
from consumer.errands.runner import Runner, running
from consumer.steps import Task
from protocol.config import Settings
from protocol.databases import Database

SEATS = 16  # jobs that run errands at a time; each holds a small process for as long as it waits for others


@dataclass(frozen=True)
class Hands:
    """Who does a job's errands: one process, and another for those that may have killed a process before."""

    usual: Runner
    careful: Runner


class Office:
    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._seats = asyncio.Semaphore(SEATS)

    def ledger(self, job_id: str) -> Ledger:
        return Ledger(self._database, job_id)

    @asynccontextmanager
    async def hands(self, task: Task, terms: Terms) -> AsyncIterator[Hands]:
        """For one job; it waits here while too many others run errands. No process is left afterwards."""
        start = Start(task, terms, self._settings)
        async with self._seats, running(start) as usual, running(start) as careful:
            yield Hands(usual, careful)

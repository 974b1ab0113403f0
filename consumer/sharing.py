"""Lends the slots to the running jobs, chunk by chunk and fairly, so that a small file is not stuck behind a giant.

Start-time fair queueing (Goyal, Vin and Cheng, 1996) by the time used: a slot that falls free goes to the job that has
had the least so far, for its priority. Who comes, or comes back to ask, starts level with the one that was lent a slot
last: not with nothing, nor with a job that has wanted nothing for long.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from consumer.executors import Slot
from protocol.job import Job, Priority

WEIGHT = {Priority.HIGH: 4.0, Priority.NORMAL: 1.0, Priority.LOW: 0.25}


@dataclass
class Share:
    """What one job has had of the slots (weighted seconds), and who of it waits for one."""

    weight: float
    used: float = 0.0
    waiting: deque[asyncio.Future[Slot]] = field(default_factory=deque)


class Sharing:
    def __init__(self, slots: Sequence[Slot], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle, self._clock = list(slots), clock
        self.width = len(slots)
        self._shares: dict[str, Share] = {}
        self._level = 0.0  # what the one that was lent a slot last had had by then; never goes back

    @asynccontextmanager
    async def job(self, job: Job) -> AsyncIterator[None]:
        """While the job runs it has a share."""
        with self._share(job.id, WEIGHT[job.priority]):
            yield

    @asynccontextmanager
    async def visit(self, name: str, weight: float) -> AsyncIterator[Slot]:
        """A slot for one piece of work of those that have no share."""
        with self._share(name, weight):
            async with self.slot(name) as slot:
                yield slot

    @asynccontextmanager
    async def slot(self, job_id: str) -> AsyncIterator[Slot]:
        """A slot for one piece of work of the job."""
        share = self._shares[job_id]
        slot = await self._wait(share)
        began = self._clock()
        try:
            yield slot
        finally:
            share.used += (self._clock() - began) / share.weight
            self._idle.append(slot)
            self._lend()

    @contextmanager
    def _share(self, name: str, weight: float) -> Iterator[None]:
        self._shares[name] = Share(weight)
        try:
            yield
        finally:
            del self._shares[name]

    async def _wait(self, share: Share) -> Slot:
        turn: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        if not share.waiting:
            share.used = max(share.used, self._level)
        share.waiting.append(turn)
        self._lend()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # lent in the same moment: hand it on
                self._idle.append(turn.result())
                self._lend()
            raise

    def _lend(self) -> None:
        while self._idle and (share := self._next()):
            turn = share.waiting.popleft()
            if not turn.cancelled():
                turn.set_result(self._idle.pop())
                self._level = max(self._level, share.used)

    def _next(self) -> Share | None:
        return min((share for share in self._shares.values() if share.waiting), key=lambda s: s.used, default=None)

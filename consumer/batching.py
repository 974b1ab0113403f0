"""Small jobs to a slot at one go, several at once where they queue; each gets an answer of its own.

Whatever goes wrong beyond one job's own code is not judged here: those jobs are done again, alone and step by step.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from consumer.executors import Done, Overdue, Slot, WorkerLost
from consumer.metrics import Metrics
from consumer.running import together
from consumer.sharing import WEIGHT, Sharing
from consumer.steps import Ended, Task
from protocol.job import Job

log = logging.getLogger(__name__)
AT_ONCE = 16  # jobs in one call
LIMIT = 2.0  # seconds that a call may take: what takes longer is no small job


@dataclass(order=True)
class Entry:
    """A small job that waits or is under way; `ended` is cancelled when nobody wants to know any more."""

    rank: float
    number: int
    task: Task = field(compare=False)
    ended: asyncio.Future[Ended | None] = field(compare=False)
    group: Group | None = field(default=None, compare=False)


@dataclass(eq=False)
class Group:
    """Jobs that are under way together."""

    entries: Sequence[Entry]
    work: asyncio.Task[tuple[Ended, ...]]

    async def leave(self) -> None:
        """See the work end, for one that is not wanted any more; where no other is wanted either, at once."""
        if all(one.ended.cancelled() for one in self.entries):
            self.work.cancel()
        await asyncio.wait([self.work])


class Batching:
    def __init__(self, sharing: Sharing, *, largest: int, limit: float, metrics: Metrics) -> None:
        self._sharing, self._largest, self._limit = sharing, largest, min(limit, LIMIT)
        self._metrics, self._numbers = metrics, itertools.count()
        self._waiting: list[Entry] = []
        self._filled = asyncio.Event()

    async def run(self) -> None:
        """Hand out what waits, for ever."""
        await together(self._serve(lane) for lane in range(self._sharing.width))

    def fits(self, job: Job) -> bool:
        """Whether *job* may be done at one go: it is small and has never run before."""
        return 0 < job.source.size <= self._largest and job.version == 1 and not job.based_on

    async def do(self, job: Job, task: Task) -> Ended | None:
        """How the job went; None where it has to be done step by step."""
        ended: asyncio.Future[Ended | None] = asyncio.get_running_loop().create_future()
        entry = Entry(-WEIGHT[job.priority], next(self._numbers), task, ended)
        self._put(entry)
        try:
            return await ended
        finally:
            if ended.cancelled():
                await self._withdraw(entry)

    async def _withdraw(self, entry: Entry) -> None:
        if entry.group:
            await entry.group.leave()  # what it writes would be left behind
        elif entry in self._waiting:
            self._waiting.remove(entry)
            heapq.heapify(self._waiting)

    def _put(self, entry: Entry) -> None:
        heapq.heappush(self._waiting, entry)
        self._filled.set()

    async def _serve(self, lane: int) -> None:
        while True:
            await self._filled.wait()
            async with self._sharing.visit(f"small jobs {lane}", self._weight) as slot:
                if entries := self._take():
                    await self._have_done(slot, entries)

    @property
    def _weight(self) -> float:
        return max((-entry.rank for entry in self._waiting), default=1.0)

    def _take(self) -> list[Entry]:
        """A slot's share of those that wait."""
        count = min(AT_ONCE, -(-len(self._waiting) // self._sharing.width))
        entries = [heapq.heappop(self._waiting) for _ in range(count)]
        if not self._waiting:
            self._filled.clear()
        return entries

    async def _have_done(self, slot: Slot, entries: Sequence[Entry]) -> None:
        group = Group(entries, asyncio.create_task(self._ask(slot, entries)))
        for entry in entries:
            entry.group = group
        try:
            await asyncio.wait([group.work])
        finally:
            group.work.cancel()
        ended = () if group.work.cancelled() else group.work.result()
        self._tell(entries, ended)

    def _tell(self, entries: Sequence[Entry], ended: Sequence[Ended]) -> None:
        """Those that had not begun when the others took long wait again; without any answer all go alone."""
        for entry, answer in itertools.zip_longest(entries, ended):
            entry.group = None
            if entry.ended.done():
                continue
            if ended and answer is None:
                self._put(entry)
            else:
                entry.ended.set_result(answer)

    async def _ask(self, slot: Slot, entries: Sequence[Entry]) -> tuple[Ended, ...]:
        kinds = {entry.task.kind for entry in entries}
        try:
            with self._metrics.step(kinds.pop() if len(kinds) == 1 else "several", "at_one_go"):
                answer = await slot.run("handful.do", [entry.task for entry in entries], limit=self._limit)
        except (WorkerLost, Overdue):
            return ()
        except Exception:  # whatever one call comes to, others are waiting
            log.exception("small jobs not done at one go", extra={"action": "at_one_go"})
            return ()
        done: tuple[Ended, ...] = answer.value if isinstance(answer, Done) else ()
        return done

"""All errands of one job, from the first chunk of its table to the last: drawn, done, tried again, closed.

Only some chunks are open at a time, so that memory does not grow with the table. When the rows of one have all come to
an end, their results are written, and the chunk is kept as a checkpoint as any other kind's is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from consumer import errands
from consumer.errands import Fate, Outcome, Terms
from consumer.errands.ledger import Entry, Ledger
from consumer.errands.office import Hands
from consumer.errands.pacing import Errand, Line, Pace
from consumer.errands.tally import Tally
from consumer.executors import WorkerLost
from consumer.running import outlast
from consumer.steps import Drawn, Milled, Plan

AHEAD = 1000  # errands that may be open, at least
GRACE = 5.0  # seconds that an errand which must not be repeated gets to end clearly when its job is stopped


@dataclass(frozen=True)
class Hooks:
    """How a round reaches the rest of its job.

    call(step, what, *arguments)   have the pool run a step
    keep(chunk, milled)            keep a closed chunk
    offer()                        another chunk is among the results
    count(size, tally)             so many bytes more are done, and this is what became of their rows
    """

    call: Callable[..., Awaitable[Any]]
    keep: Callable[[int, Milled], Awaitable[None]]
    offer: Callable[[], None]
    count: Callable[[int, Tally], Awaitable[None]]


@dataclass
class Open:
    """A chunk whose rows are not all through."""

    index: int
    size: int
    outcomes: list[Outcome | None]
    ended: int = 0
    counted: int = 0  # bytes

    def end(self, place: int, outcome: Outcome) -> int:
        """Note the end of one row; the bytes that are done with it. The last row has what is left over."""
        self.outcomes[place] = outcome
        self.ended += 1
        done = self.size * self.ended // len(self.outcomes) - self.counted
        self.counted += done
        return done


@dataclass
class Round:
    plan: Plan
    terms: Terms
    ledger: Ledger
    hands: Hands
    hooks: Hooks
    results: dict[int, Milled]  # of the chunks that are closed
    _line: Line = field(default_factory=Line)
    _open: dict[int, Open] = field(default_factory=dict)
    _ended: asyncio.Queue[Open] = field(default_factory=asyncio.Queue)
    _under_way: int = 0  # errands of open chunks
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Do what is left to do; afterwards `results` has every chunk."""
        pace = Pace(self.terms.per_second)
        async with _group() as group:
            lanes = [group.create_task(self._work(pace)) for _ in range(self.terms.concurrency)]
            closing = group.create_task(self._close())
            try:
                await self._feed()
                await self._until(lambda: not self._open)
            finally:
                self._line.close()
                for task in (*lanes, closing):
                    task.cancel()

    async def _feed(self) -> None:
        ahead = max(AHEAD, 4 * self.terms.concurrency)
        for index in range(len(self.plan.mill)):
            if index not in self.results:
                await self._until(lambda: self._under_way < ahead)
                await self._take_on(index, await self._call("draw", index))

    async def _take_on(self, index: int, drawn: Drawn) -> None:
        """Open a chunk: what the ledger knows the end of is not done again."""
        known = await self.ledger.load(index)
        chunk = self._open[index] = Open(index, self.plan.mill.sizes[index], [None] * len(drawn.rows))
        self._under_way += len(drawn.rows)
        if not drawn.rows:
            self._ended.put_nowait(chunk)
        size = 0 if drawn.rows else chunk.size
        await self.hooks.count(size, Tally(read=drawn.rejected, rejected=drawn.rejected))
        for place, row in enumerate(drawn.rows):
            entry = known.get(place, Entry())
            errand = Errand(index, place, row, tries=entry.tries)
            if entry.outcome:
                await self._count(errand, entry.outcome)
            else:
                self._line.put(errand, entry.due - self.ledger.clock())

    async def _work(self, pace: Pace) -> None:
        """One lane: an errand after the other."""
        while True:
            errand = await self._line.next()
            await pace.turn()
            attending = self._attend(errand)
            await (attending if self.terms.repeatable else outlast(attending, GRACE))

    async def _attend(self, errand: Errand) -> None:
        runner = self.hands.careful if errand.suspect else self.hands.usual
        errand = replace(errand, tries=errand.tries + 1)
        async with self._alone if errand.suspect else nullcontext():
            await runner.ready()
            if not self.terms.repeatable:
                await self.ledger.begin(errand.chunk, errand.place, errand.tries)
            try:
                outcome = errands.judge(replace(await runner.do(errand.row), tries=errand.tries), self.terms)
            except WorkerLost as lost:
                outcome = replace(self._judge_lost(errand, str(lost)), tries=errand.tries)
                errand = replace(errand, suspect=True)
        await self._settle(errand, outcome)

    def _judge_lost(self, errand: Errand, why: str) -> Outcome:
        """Whatever was under way when a process died may be why: it is tried once more, and alone."""
        if not self.terms.repeatable:
            return Outcome(Fate.UNKNOWN, why)
        return Outcome(Fate.REJECTED if errand.suspect else Fate.AGAIN, why)

    async def _settle(self, errand: Errand, outcome: Outcome) -> None:
        if outcome.fate is Fate.AGAIN:
            await self.ledger.postpone(errand.chunk, errand.place, outcome)
            self._line.put(errand, outcome.after or 0.0)
        else:
            await self.ledger.end(errand.chunk, errand.place, outcome)
            await self._count(errand, outcome)

    async def _count(self, errand: Errand, outcome: Outcome) -> None:
        chunk = self._open[errand.chunk]
        size = chunk.end(errand.place, outcome)
        self._under_way -= 1
        if chunk.ended == len(chunk.outcomes):
            self._ended.put_nowait(chunk)
        self._moved.set()
        await self.hooks.count(size, Tally.of(outcome))

    async def _close(self) -> None:
        while True:
            chunk = await self._ended.get()
            outcomes = [outcome for outcome in chunk.outcomes if outcome is not None]
            milled: Milled = await self._call("close", chunk.index, outcomes)
            await self.hooks.keep(chunk.index, milled)
            await self.ledger.close(chunk.index)
            self.results[chunk.index] = milled
            self.hooks.offer()
            del self._open[chunk.index]
            self._moved.set()

    async def _call(self, step: str, index: int, *arguments: Any) -> Any:
        name = self.plan.mill.name(index)
        return await self.hooks.call(step, name, self.plan.survey, self.plan.mill.chunks[index], *arguments)

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._moved.clear()
            await self._moved.wait()


@asynccontextmanager
async def _group() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first error comes out as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as several:
        raise _first(several.exceptions) from None


def _first(errors: Iterable[BaseException]) -> BaseException:
    first = next(iter(errors))
    return _first(first.exceptions) if isinstance(first, BaseExceptionGroup) else first

"""Small jobs share a call: each gets its own answer, and whatever happens to the call is no job's fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from consumer.batching import AT_ONCE, Batching
from consumer.executors import Answer, Done, Overdue, Raised, WorkerLost
from consumer.metrics import Metrics
from consumer.running import end
from consumer.sharing import Sharing
from consumer.steps import Ended, Task
from protocol.job import Priority
from protocol.kept import BasedOn, How

DEADLINE = 30.0


class Hand:
    """A slot whose calls are answered by the test."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[list[str]] = asyncio.Queue()
        self.answers: asyncio.Queue[Answer | type[Exception]] = asyncio.Queue()
        self.killed = 0

    async def run(self, step: str, *arguments: Any, limit: float) -> Answer:
        assert step == "handful.do"
        assert limit > 0
        await self.calls.put([task.job_id for task in arguments[0]])
        try:
            answer = await self.answers.get()
        except asyncio.CancelledError:
            self.killed += 1
            raise
        if isinstance(answer, type):
            raise answer
        return answer

    def kill(self) -> None:
        raise NotImplementedError

    async def called(self) -> list[str]:
        async with asyncio.timeout(DEADLINE):
            return await self.calls.get()


def answers(*names: str) -> Done:
    return Done(tuple(Ended(name, Done(name)) for name in names))


def task(name: str) -> Task:
    return Task(name, "file:///nowhere", "", "x.csv", "", "sales", {}, 1000)


@asynccontextmanager
async def opened(slots: int = 1) -> AsyncIterator[tuple[Hand, Batching]]:
    hand = Hand()
    batching = Batching(Sharing([hand] * slots), largest=1000, limit=60.0, metrics=Metrics())
    serving = asyncio.create_task(batching.run())
    try:
        yield hand, batching
    finally:
        await end(serving)


@pytest.fixture
def ask(new_job):
    def begin(batching: Batching, name: str, **changes: Any) -> asyncio.Task[Ended | None]:
        return asyncio.create_task(batching.do(new_job(id=name, **changes), task(name)), name=name)

    return begin


async def told(asked: asyncio.Task[Ended | None]) -> Any:
    async with asyncio.timeout(DEADLINE):
        ended = await asked
    return ended and ended.what


async def test_those_that_queue_go_together_and_each_gets_its_own_answer(ask):
    async with opened() as (hand, batching):
        first = ask(batching, "a")
        assert await hand.called() == ["a"]
        others = [ask(batching, name) for name in "bcd"]
        await asyncio.sleep(0)
        await hand.answers.put(answers("a"))
        assert await hand.called() == ["b", "c", "d"]
        await hand.answers.put(answers("b", "c", "d"))
        assert [await told(one) for one in (first, *others)] == ["a", "b", "c", "d"]


async def test_a_call_takes_no_more_than_a_share_and_never_too_many(ask):
    async with opened(slots=2) as (hand, batching):
        for name in range(5):
            ask(batching, str(name))
        assert sorted([len(await hand.called()), len(await hand.called())]) == [1, 3]
        for name in range(5, 5 + 4 * AT_ONCE):
            ask(batching, str(name))
        await asyncio.sleep(0)
        await hand.answers.put(WorkerLost)
        assert len(await hand.called()) == AT_ONCE


async def test_the_more_urgent_go_first(ask):
    async with opened() as (hand, batching):
        ask(batching, "a")
        assert await hand.called() == ["a"]
        ask(batching, "low", priority=Priority.LOW)
        ask(batching, "normal")
        ask(batching, "high", priority=Priority.HIGH)
        await asyncio.sleep(0)
        await hand.answers.put(answers("a"))
        assert await hand.called() == ["high", "normal", "low"]


@pytest.mark.parametrize("loss", [WorkerLost, Overdue, EOFError, Raised("no memory", "", "")])
async def test_when_a_call_is_lost_each_of_its_jobs_goes_alone(ask, loss):
    async with opened() as (hand, batching):
        first = ask(batching, "a")
        await hand.called()
        others = [ask(batching, name) for name in "bc"]
        await asyncio.sleep(0)
        await hand.answers.put(answers("a"))
        assert await hand.called() == ["b", "c"]
        await hand.answers.put(loss)
        assert [await told(one) for one in (first, *others)] == ["a", None, None]
        again = ask(batching, "d")
        assert await hand.called() == ["d"]
        await hand.answers.put(answers("d"))
        assert await told(again) == "d"


async def test_those_that_were_handed_back_wait_for_the_next_turn(ask):
    async with opened() as (hand, batching):
        first = ask(batching, "a")
        await hand.called()
        others = [ask(batching, name) for name in "bc"]
        await asyncio.sleep(0)
        await hand.answers.put(answers("a"))
        await hand.called()
        await hand.answers.put(answers("b"))
        assert await hand.called() == ["c"]
        await hand.answers.put(answers("c"))
        assert [await told(one) for one in (first, *others)] == ["a", "b", "c"]


async def test_one_that_is_not_wanted_any_more_ends_when_its_call_has_and_the_others_get_their_answers(ask):
    async with opened() as (hand, batching):
        first = ask(batching, "a")
        await hand.called()
        one, other = ask(batching, "b"), ask(batching, "c")
        await asyncio.sleep(0)
        await hand.answers.put(answers("a"))
        assert await hand.called() == ["b", "c"]
        one.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not one.done()
        await hand.answers.put(answers("b", "c"))
        assert [await told(first), await told(other)] == ["a", "c"]
        await asyncio.wait([one], timeout=DEADLINE)
        assert one.cancelled()
        assert hand.killed == 0


async def test_when_nobody_wants_a_call_any_more_it_is_ended_and_the_slot_serves_on(ask):
    async with opened() as (hand, batching):
        only = ask(batching, "a")
        await hand.called()
        waits = ask(batching, "b")
        await asyncio.sleep(0)
        waits.cancel()
        only.cancel()
        await asyncio.wait([only, waits], timeout=DEADLINE)
        assert (only.cancelled(), waits.cancelled(), hand.killed) == (True, True, 1)
        again = ask(batching, "c")
        assert await hand.called() == ["c"]
        await hand.answers.put(answers("c"))
        assert await told(again) == "c"


async def test_only_small_jobs_that_never_ran_are_done_at_one_go(new_job):
    batching = Batching(Sharing([Hand()]), largest=1000, limit=60.0, metrics=Metrics())
    job = new_job(version=1)
    source = job.source

    def fits(**changes: Any) -> bool:
        return batching.fits(job.model_copy(update=changes))

    def sized(size: int) -> dict[str, Any]:
        return {"source": source.model_copy(update={"size": size})}

    assert fits(**sized(1000))
    assert not fits(**sized(1001))
    assert not fits(**sized(0))
    assert not fits(**sized(1000), version=3)
    assert not fits(**sized(1000), based_on=BasedOn(job="x", how=How.APPEND, name="x.csv"))

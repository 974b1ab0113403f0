"""Slots are lent fairly, and none is ever lost or lent twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.sharing import Sharing
from protocol.job import Job, Priority, Source

Waits = Callable[..., Awaitable[Any]]
NewJob = Callable[..., Job]


class Toy:
    """A slot that can be lent and does nothing."""

    def __init__(self, name: int) -> None:
        self.name = name


class Floor:
    """Jobs that always want a slot, on a clock that passes only while they hold one."""

    def __init__(self, slots: int, clock: Any) -> None:
        self.clock = clock
        self.sharing = Sharing([Toy(number) for number in range(slots)], clock=clock)  # type: ignore[misc]
        self.served: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def job(self, job: Job, seconds: float, *, lanes: int = 2) -> AsyncIterator[None]:
        """While this is open *job* asks for slots without end, each for *seconds*."""
        async with self.sharing.job(job), self.asking(job, seconds, lanes=lanes):
            yield

    @asynccontextmanager
    async def asking(self, job: Job, seconds: float, *, lanes: int = 2) -> AsyncIterator[None]:
        """The same for one that has a share."""
        tasks = [asyncio.create_task(self._work(job, seconds)) for _ in range(lanes)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, job: Job, seconds: float) -> None:
        while True:
            async with self.sharing.slot(job.id):
                self.served.append(job.kind)
                self.clock.pass_by(seconds)
                await asyncio.sleep(0)

    async def serve(self, count: int) -> Counter[str]:
        """Let *count* more pieces of work be done, and tell whose they were."""
        before = len(self.served)
        async with asyncio.timeout(10):
            while len(self.served) < before + count:  # noqa: ASYNC110 - the work itself goes on turn by turn
                await asyncio.sleep(0)
        return Counter(self.served[before : before + count])


@pytest.fixture
def floor(clock: Any) -> Floor:
    return Floor(1, clock)


async def test_equal_jobs_get_equal_time_whatever_one_piece_takes(floor: Floor, new_job: NewJob) -> None:
    async with floor.job(new_job(kind="long"), 3.0), floor.job(new_job(kind="short"), 1.0):
        served = await floor.serve(400)
    assert served["short"] == pytest.approx(300, abs=4)


async def test_four_jobs_share_alike(floor: Floor, new_job: NewJob) -> None:
    async with AsyncExitStack() as stack:
        for name in "abcd":
            await stack.enter_async_context(floor.job(new_job(kind=name), 1.0))
        served = await floor.serve(400)
    assert all(served[name] == pytest.approx(100, abs=3) for name in "abcd")


@pytest.mark.parametrize(
    ("one", "other", "times"),
    [(Priority.HIGH, Priority.NORMAL, 4), (Priority.NORMAL, Priority.LOW, 4), (Priority.HIGH, Priority.LOW, 16)],
)
async def test_priority_weighs_and_starves_nobody(
    floor: Floor, new_job: NewJob, one: Priority, other: Priority, times: int
) -> None:
    more, less = new_job(kind="more", priority=one), new_job(kind="less", priority=other)
    async with floor.job(less, 1.0), floor.job(more, 1.0):
        served = await floor.serve(50 * (times + 1))
    assert served["less"] == pytest.approx(50, abs=3)


async def test_a_small_job_is_not_stuck_behind_giants(floor: Floor, new_job: NewJob) -> None:
    async with floor.job(new_job(kind="a"), 1.0), floor.job(new_job(kind="b"), 1.0):
        await floor.serve(500)
        async with floor.job(new_job(kind="small"), 1.0, lanes=1):
            served = await floor.serve(4)
    assert served["small"] >= 1


async def test_a_new_job_starts_level_and_does_not_catch_up_on_the_past(floor: Floor, new_job: NewJob) -> None:
    async with floor.job(new_job(kind="old"), 1.0):
        await floor.serve(500)
        async with floor.job(new_job(kind="new"), 1.0):
            served = await floor.serve(100)
    assert served["old"] == pytest.approx(50, abs=4)


async def test_a_job_that_wants_nothing_puts_no_newcomer_before_the_others(floor: Floor, new_job: NewJob) -> None:
    async with floor.sharing.job(new_job(kind="idle")), floor.job(new_job(kind="old"), 1.0):
        await floor.serve(500)
        async with floor.job(new_job(kind="new"), 1.0):
            served = await floor.serve(100)
    assert served["old"] == pytest.approx(50, abs=4)


async def test_a_job_that_has_long_wanted_nothing_does_not_catch_up_on_it(floor: Floor, new_job: NewJob) -> None:
    async with floor.sharing.job(waiting := new_job(kind="waiting")), floor.job(new_job(kind="old"), 1.0):
        await floor.serve(500)
        async with floor.asking(waiting, 1.0):
            served = await floor.serve(100)
    assert served["old"] == pytest.approx(50, abs=4)


async def test_work_that_belongs_to_no_job_gets_a_slot_among_jobs(floor: Floor, new_job: NewJob, within: Waits) -> None:
    async with floor.job(new_job(), 1.0):
        await floor.serve(10)
        async with asyncio.timeout(10), floor.sharing.visit("no job", 1.0) as slot:
            assert isinstance(slot, Toy)
        await floor.serve(10)


async def test_width_is_the_number_of_slots(clock: Any) -> None:
    assert Floor(3, clock).sharing.width == 3


async def test_slots_are_all_lent_before_anybody_waits(clock: Any, new_job: NewJob, within: Waits) -> None:
    sharing, job = Floor(3, clock).sharing, new_job()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(sharing.job(job))
        lent = [await within(stack.enter_async_context(sharing.slot(job.id))) for _ in range(3)]
        assert len(set(lent)) == 3
        waiting = asyncio.ensure_future(take(sharing, job.id))
        await asyncio.sleep(0)
        assert not waiting.done()
    await within(waiting)


async def test_a_slot_comes_back_when_its_work_raises(clock: Any, new_job: NewJob, within: Waits) -> None:
    sharing, job = Floor(1, clock).sharing, new_job()
    async with sharing.job(job):
        with pytest.raises(ZeroDivisionError):
            async with sharing.slot(job.id):
                raise ZeroDivisionError
        await within(take(sharing, job.id))


@pytest.mark.parametrize("moment", ["before its turn", "in its turn"])
async def test_a_waiter_that_is_cancelled_in_the_moment_of_its_turn_passes_the_slot_on(
    clock: Any, new_job: NewJob, within: Waits, moment: str
) -> None:
    sharing, job = Floor(1, clock).sharing, new_job()
    async with sharing.job(job):
        async with sharing.slot(job.id):
            first, second = (asyncio.ensure_future(take(sharing, job.id)) for _ in range(2))
            await asyncio.sleep(0)
            if moment == "before its turn":
                first.cancel()
        if moment == "in its turn":
            first.cancel()
        await within(second)
        assert (await asyncio.gather(first, return_exceptions=True))[0].__class__ is asyncio.CancelledError
        await within(take(sharing, job.id))


async def take(sharing: Sharing, job_id: str) -> None:
    async with sharing.slot(job_id):
        pass


JOBS = [
    Job(
        id=str(number),
        kind="any",
        source=Source(name="x", size=1, sha256=""),
        created_at="2026-03-01T00:00:00Z",  # type: ignore[arg-type]
        priority=priority,
    )
    for number, priority in enumerate(Priority)
]
steps = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, len(JOBS) - 1)),
    st.tuples(st.just("return"), st.integers(0, 20)),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("turn"), st.just(0)),
)


class Schedule:
    """Asks, returns and cancels as a list says, and counts who holds what."""

    def __init__(self, slots: int) -> None:
        self.sharing = Sharing([Toy(number) for number in range(slots)])  # type: ignore[misc]
        self.slots, self.held, self.tasks = slots, [], []
        self._going: dict[Any, asyncio.Event] = {}

    async def _hold(self, job: Job) -> None:
        go = asyncio.Event()
        async with self.sharing.slot(job.id) as slot:
            assert slot not in self.held, "one slot in two hands"
            self.held.append(slot)
            self._going[slot] = go
            try:
                await go.wait()
            finally:
                self.held.remove(slot)

    async def step(self, what: str, number: int) -> None:
        match what:
            case "ask":
                self.tasks.append(asyncio.create_task(self._hold(JOBS[number])))
            case "return" if self.held:
                self._going[self.held[number % len(self.held)]].set()
            case "cancel" if self.tasks:
                self.tasks[number % len(self.tasks)].cancel()
            case "turn":
                await asyncio.sleep(0)

    async def rest(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        alive = [task for task in self.tasks if not task.done()]
        assert len(self.held) == min(self.slots, len(alive)), "a slot is idle though somebody waits, or is lost"

    async def run(self, plan: list[tuple[str, int]]) -> None:
        async with AsyncExitStack() as stack:
            for job in JOBS:
                await stack.enter_async_context(self.sharing.job(job))
            for what, number in plan:
                await self.step(what, number)
            await self.rest()
            for task in self.tasks:
                task.cancel()
            ended = await asyncio.gather(*self.tasks, return_exceptions=True)
            assert {type(end) for end in ended} <= {type(None), asyncio.CancelledError}
            self.tasks = []
            for _ in range(self.slots):
                await self.step("ask", 0)
            await self.rest()
            assert len(self.held) == self.slots, "not all slots came back"
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)


@settings(max_examples=300)
@given(st.integers(1, 3), st.lists(steps, max_size=60))
def test_whatever_is_asked_returned_and_cancelled_no_slot_is_lost_or_lent_twice(
    slots: int, plan: list[tuple[str, int]]
) -> None:
    asyncio.run(Schedule(slots).run(plan))

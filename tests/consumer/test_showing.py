"""Reports of the chunks so far are made beside the work: it does not fail by one, nor wait for one that is late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from consumer import showing
from consumer.executors import WorkerLost
from consumer.showing import Showing


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "EVERY", 0.0)


class Reports:
    """How far each report got."""

    def __init__(self) -> None:
        self.told, self.slot, self.made = list[str](), asyncio.Event(), asyncio.Event()

    async def show(self, lent: Callable[[], None]) -> None:
        try:
            self.told.append("asked")
            await self.slot.wait()
            lent()
            await self.made.wait()
            self.told.append("made")
        except asyncio.CancelledError:
            self.told.append("cancelled")
            raise


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_that_fails_costs_nothing_and_the_next_is_made() -> None:
    reports = Reports()
    reports.slot.set()
    reports.made.set()

    async def fail(_: Callable[[], None]) -> None:
        raise WorkerLost("died")

    shown = Showing()
    async with shown, asyncio.timeout(10):
        shown.offer(fail)
        await shown.conclude()
        await shown.attempt(fail)
        await turns()
        shown.offer(reports.show)
        await turns()
    assert reports.told == ["asked", "made"]


async def test_one_at_a_time_is_under_way() -> None:
    reports, shown = Reports(), Showing()
    async with shown:
        shown.offer(reports.show)
        shown.offer(reports.show)
        await turns()
        assert reports.told == ["asked"]


async def test_when_the_chunks_are_done_one_without_a_slot_is_dropped() -> None:
    reports, shown = Reports(), Showing()
    async with shown, asyncio.timeout(10):
        shown.offer(reports.show)
        await turns()
        await shown.conclude()
    assert reports.told == ["asked", "cancelled"]


async def test_when_the_chunks_are_done_one_that_a_slot_works_on_is_waited_for() -> None:
    reports, shown = Reports(), Showing()
    reports.slot.set()
    async with shown, asyncio.timeout(10):
        shown.offer(reports.show)
        await turns()
        done = asyncio.create_task(shown.conclude())
        await turns()
        assert not done.done()
        reports.made.set()
        await done
    assert reports.told == ["asked", "made"]


async def test_none_is_left_under_way_by_a_run_that_ends() -> None:
    reports, shown = Reports(), Showing()
    reports.slot.set()
    async with shown:
        shown.offer(reports.show)
        await turns()
    assert reports.told == ["asked", "cancelled"]

"""Commands about jobs as a whole: none waits for another's job, and nothing of a cancelled or deleted one stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consumer import tidying
from consumer.commands import Commands
from consumer.mails.mailbox import Mailbox
from consumer.running import Running
from consumer.store import ConsumerStore
from consumer.tidying import Tidying
from protocol.databases import Database, NoSpace
from protocol.files import Files, open_files
from protocol.job import Job, State
from protocol.messages import CancelJob
from protocol.transports import Transport, open_transport

Waits = Callable[..., Awaitable[Any]]
NewJob = Callable[..., Job]


@dataclass
class Side:
    """What obeys, and how it is asked."""

    store: ConsumerStore
    files: Files
    transport: Transport
    running: Running

    @property
    def tidying(self) -> Tidying:
        return Tidying(self.store, self.files)

    async def claimed(self, job: Job) -> Job:
        """The job as it runs, with a result that was begun."""
        claimed = await self.store.claim(job)
        assert claimed
        await self.files.put(f"{job.result_prefix}artefacts/summary.csv", b"region\n")
        return claimed

    async def kept(self, job: Job) -> bool:
        return bool(await self.files.keys(job.result_prefix))

    @asynccontextmanager
    async def obeying(self) -> AsyncIterator[None]:
        task = asyncio.create_task(Commands(self.store, self.running, self.tidying).obey(self.transport))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest.fixture
async def side(database: Database, tmp_path: Path) -> AsyncIterator[Side]:
    store = ConsumerStore(database, Mailbox("Mill <mill@example.org>"))
    await store.prepare()
    async with open_files(f"file://{tmp_path}/files") as files, open_transport("embedded://") as transport:
        yield Side(store, files, transport, Running())


async def test_a_cancel_does_not_wait_for_the_end_of_another_job(side: Side, new_job: NewJob, within: Waits) -> None:
    slow, other = await side.claimed(new_job()), await side.claimed(new_job())
    told, let_go = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        async with side.running.alone(slow.id):
            try:
                await asyncio.Event().wait()
            finally:
                told.set()
                await let_go.wait()

    going = asyncio.create_task(run())
    async with side.obeying():
        first = asyncio.create_task(side.transport.publish(CancelJob(job=slow)))
        await within(told.wait())
        await within(side.transport.publish(CancelJob(job=other)))
        assert not first.done()
        let_go.set()
        await within(first)
    assert going.cancelled()
    assert not await side.kept(slow)
    assert not await side.kept(other)


async def test_a_cancel_that_comes_again_finishes_what_a_dead_process_left(
    side: Side, new_job: NewJob, within: Waits
) -> None:
    job = await side.claimed(new_job())
    await side.store.cancel(job)
    async with side.obeying():
        await within(side.transport.publish(CancelJob(job=job)))
    assert not await side.kept(job)


async def test_a_cancel_that_comes_again_leaves_a_later_try_alone(side: Side, new_job: NewJob, within: Waits) -> None:
    job = await side.claimed(new_job())
    cancelled = await side.store.cancel(job)
    assert cancelled
    queued = await side.store.retry(cancelled)
    assert queued
    async with side.obeying():
        for asked, state in ((job, State.QUEUED), (queued, State.CANCELLED)):
            await within(side.transport.publish(CancelJob(job=asked)))
            now = await side.store.find(job.id)
            assert now
            assert now.state is state


async def test_a_cancel_that_comes_too_late_leaves_a_result_alone(side: Side, new_job: NewJob, within: Waits) -> None:
    job = await side.store.advance(await side.claimed(new_job()), State.SUCCEEDED, "done")
    async with side.obeying():
        await within(side.transport.publish(CancelJob(job=job)))
    assert await side.kept(job)


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_run_that_went_on_after_its_job_was_gone_leaves_nothing(
    side: Side, new_job: NewJob, *, deleted: bool
) -> None:
    job = await side.claimed(new_job())
    await side.store.cancel(job)
    if deleted:
        await side.store.forget(job.id)
    await side.tidying.clear(job)
    assert not await side.kept(job)


async def test_what_cannot_be_tidied_now_stops_nothing_and_is_tidied_later(
    side: Side, new_job: NewJob, monkeypatch: pytest.MonkeyPatch, eventually: Waits
) -> None:
    job = await side.claimed(new_job())
    await side.store.checkpoint(job.id, "mill", 0, b"x")
    await side.store.advance(job, State.SUCCEEDED, "done")

    async def fail(_: str) -> None:
        raise NoSpace("full")

    monkeypatch.setattr(tidying, "EVERY", 0.01)
    with monkeypatch.context() as full:
        full.setattr(side.store, "drop_checkpoints", fail)
        await side.tidying.catch_up()
    assert await side.store.untidied()

    async def tidied() -> bool:
        return not await side.store.untidied()

    keeping_up = asyncio.create_task(side.tidying.keep_up())
    await eventually(tidied)
    keeping_up.cancel()

"""What a watcher is sent without being woken, and what is left for it to take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from protocol.job import Job, Source, State
from service.live import AT_A_TIME, Event, Hub, Mailbox
from tests.service.house import now, soon


def running_job() -> Job:
    job = Job(id="1" * 32, kind="sales", source=Source(name="t.csv", size=1, sha256="0" * 64), created_at=now())
    return job.move(State.RUNNING, at=now(), reason="taken")


@asynccontextmanager
async def idle(hub: Hub, job: Job, direct: Callable[[Event], bool]) -> AsyncIterator[asyncio.Task[Event | None]]:
    """A watcher that has this version and waits for the next."""
    with hub.watch(job.id) as mailbox:
        mailbox.direct = direct
        mailbox.skip(job)
        async with waiting(mailbox) as taking:
            yield taking


@asynccontextmanager
async def waiting(mailbox: Mailbox) -> AsyncIterator[asyncio.Task[Event | None]]:
    taking = asyncio.create_task(mailbox.take())
    await asyncio.sleep(0)  # it begins
    try:
        yield taking
    finally:
        taking.cancel()
        await asyncio.wait([taking])


class Client:
    def __init__(self, *, ready: bool = True) -> None:
        self.ready, self.sent = ready, list[int]()

    def send(self, event: Event) -> bool:
        if self.ready:
            self.sent.append(event.job.version)
        return self.ready


async def test_of_versions_that_come_together_the_newest_is_sent_and_nobody_is_woken() -> None:
    hub, job, client = Hub(), running_job(), Client()
    async with idle(hub, job, client.send) as taking:
        for _ in range(3):
            hub.publish(job := job.revise())
        await asyncio.sleep(0)
        assert client.sent == [job.version]
        assert not taking.done()


async def test_who_waits_for_one_version_is_woken_by_it_alone_and_not_by_one_that_is_known() -> None:
    hub, job = Hub(), running_job()
    ended = job.move(State.FAILED, at=now(), reason="it was wrong")
    queued = ended.move(State.QUEUED, at=now(), reason="tried again")
    with hub.watch(job.id, lambda job: job.final) as mailbox:
        mailbox.skip(queued)
        async with waiting(mailbox) as taking:
            for version in (ended, queued, begun := queued.move(State.RUNNING, at=now(), reason="taken")):
                hub.publish(version)
            await asyncio.sleep(0)
            assert not taking.done()
            hub.publish(begun.move(State.SUCCEEDED, at=now(), reason="done"))
            event = await soon(taking)
            assert event
            assert event.job.state is State.SUCCEEDED


async def test_nobody_is_sent_what_it_has() -> None:
    hub, job, client = Hub(), running_job(), Client()
    async with idle(hub, job, client.send) as taking:
        hub.publish(job)
        hub.publish(newer := job.revise())
        await asyncio.sleep(0)
        hub.publish(newer)
        hub.publish(job)
        await asyncio.sleep(0)
        assert client.sent == [newer.version]
        assert not taking.done()


async def test_what_would_have_to_wait_is_left_for_the_watcher() -> None:
    hub, job, client = Hub(), running_job(), Client(ready=False)
    async with idle(hub, job, client.send) as taking:
        hub.publish(newer := job.revise())
        event = await soon(taking)
        assert event.job == newer


async def test_the_end_of_its_job_is_left_for_the_watcher() -> None:
    hub, job, client = Hub(), running_job(), Client()
    async with idle(hub, job, client.send) as taking:
        hub.publish(ended := job.move(State.FAILED, at=now(), reason="failed"))
        event = await soon(taking)
        assert event.job == ended
        assert client.sent == []


async def test_who_watches_all_jobs_is_sent_each_of_them_also_their_ends() -> None:
    hub, job, sent = Hub(), running_job(), list[str]()
    with hub.watch_all(10, lambda _job: True) as mailbox:
        mailbox.direct = lambda event: not sent.append(event.job.id + str(event.last))
        async with waiting(mailbox) as taking:
            hub.publish(job.move(State.FAILED, at=now(), reason="failed"))
            hub.publish(other := job.model_copy(update={"id": "2" * 32}))
            await asyncio.sleep(0)
            hub.forget(other)
            await asyncio.sleep(0)
            assert sent == [f"{job.id}False", f"{other.id}False", f"{other.id}True"]
            assert not taking.done()


async def test_a_crowd_is_told_in_turns_and_the_last_of_it_the_newest() -> None:
    hub, job, clients = Hub(), running_job(), [Client() for _ in range(2 * AT_A_TIME)]
    async with AsyncExitStack() as stack:
        for client in clients:
            await stack.enter_async_context(idle(hub, job, client.send))
        hub.publish(first := job.revise())
        await asyncio.sleep(0)
        assert sum(client.sent == [first.version] for client in clients) == AT_A_TIME
        hub.publish(second := first.revise())
        for _turn in range(4):
            await asyncio.sleep(0)
        assert sum(client.sent == [second.version] for client in clients) == AT_A_TIME
        assert sum(client.sent == [first.version, second.version] for client in clients) == AT_A_TIME

"""The outbox: a message is sent if and only if the change that it announces was committed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any

import pytest

import protocol.outbox
from protocol import envelopes
from protocol.databases import Database, NoSpace, Transaction, open_database
from protocol.job import Job, Priority
from protocol.messages import CONTROL, EVENTS, JOBS, CancelJob, JobChanged, Message, RunJob, Stream
from protocol.outbox import FRESH, WINDOW, Outbox
from protocol.transports import NotSent, Transport

Waits = Callable[..., Awaitable[Any]]
NewJob = Callable[..., Job]


@pytest.fixture(autouse=True)
def _woken_only_by_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the look that the relay takes every few seconds, and which would hide that nothing woke it."""
    monkeypatch.setattr(protocol.outbox, "LONGEST", 3600.0)


@pytest.fixture
async def outbox(database: Database, clock: Any) -> Outbox:
    outbox = Outbox(database, "here", clock=clock)
    await outbox.prepare()
    return outbox


async def put(database: Database, outbox: Outbox, *sent: Message, due: float = 0.0) -> None:
    def unit(tx: Transaction) -> None:
        for message in sent:
            outbox.put(tx, message, due=due)

    await database.write(unit)


async def waiting(database: Database) -> int:
    [row] = await database.read("SELECT COUNT(*) AS n FROM outbox")
    return int(row["n"])


@asynccontextmanager
async def relaying(outbox: Outbox, transport: Any) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(outbox.relay(transport))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def take(transport: Transport, stream: Stream[Any], count: int, within: Waits) -> list[Message]:
    """The next messages, acknowledged."""
    taken = []
    async with aclosing(transport.subscribe(stream, prefetch=WINDOW)) as deliveries:
        for _ in range(count):
            delivery = await within(anext(deliveries))
            taken.append(delivery.message)
            await delivery.ack()
    return taken


class Gauge:
    """Stands before a transport, counts what is under way, and can be shut or made to fail."""

    def __init__(self, transport: Transport | None = None) -> None:
        self._transport = transport
        self.tried: list[Message] = []
        self.under_way = self.most = 0
        self.failing = False
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def publish(self, message: Message, _envelope: bytes | None = None) -> None:
        self.tried.append(message)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self._pass_on(message)
        finally:
            self.under_way -= 1

    async def _pass_on(self, message: Message) -> None:
        if self.failing:
            raise NotSent("cut")
        await self.is_open.wait()
        if self._transport:
            await self._transport.publish(message)


async def test_messages_are_sent_in_the_order_of_writing_and_then_gone(
    *, database: Database, outbox: Outbox, transport: Transport, new_job: NewJob, within: Waits, eventually: Waits
) -> None:
    sent = [RunJob(job=new_job()) for _ in range(20)]
    await put(database, outbox, *sent)
    async with relaying(outbox, transport):
        assert await take(transport, JOBS, 20, within) == sent
        await eventually(lambda: no_row(database))


async def no_row(database: Database) -> bool:
    return await waiting(database) == 0


async def test_a_message_put_while_the_relay_waits_is_sent_at_once(
    database: Database, outbox: Outbox, transport: Transport, new_job: NewJob, within: Waits
) -> None:
    async with relaying(outbox, transport):
        for stream, message in ((JOBS, RunJob(job=new_job())), (EVENTS, JobChanged(job=new_job()))):
            await put(database, outbox, message)
            assert await take(transport, stream, 1, within) == [message]


async def test_what_was_put_into_a_unit_that_failed_is_never_sent(
    database: Database, outbox: Outbox, new_job: NewJob, eventually: Waits
) -> None:
    def failing(tx: Transaction) -> None:
        outbox.put(tx, RunJob(job=new_job(kind="never")))
        raise ZeroDivisionError

    gauge = Gauge()
    async with relaying(outbox, gauge):
        await put(database, outbox, RunJob(job=new_job(kind="before")))
        with pytest.raises(ZeroDivisionError):
            await database.write(failing)
        await put(database, outbox, RunJob(job=new_job(kind="after")))
        await eventually(lambda: len(gauge.tried) == 2)
        await eventually(lambda: no_row(database))
    assert [message.job.kind for message in gauge.tried] == ["before", "after"]  # type: ignore[union-attr]


async def test_what_was_not_sent_survives_the_process(
    database_url: str, transport: Transport, new_job: NewJob, within: Waits
) -> None:
    sent = [RunJob(job=new_job()), RunJob(job=new_job())]
    async with open_database(database_url) as database:
        outbox = Outbox(database, "here")
        await outbox.prepare()
        await put(database, outbox, *sent)
    async with open_database(database_url) as database:
        outbox = Outbox(database, "here")
        await outbox.prepare()
        async with relaying(outbox, transport):
            assert await take(transport, JOBS, 2, within) == sent


async def test_a_message_stays_until_somebody_else_is_responsible_for_it(
    database: Database, outbox: Outbox, transport: Transport, new_job: NewJob, within: Waits
) -> None:
    message = RunJob(job=new_job())
    await put(database, outbox, message)
    async with relaying(outbox, transport), aclosing(transport.subscribe(JOBS, prefetch=1)) as deliveries:
        assert (await within(anext(deliveries))).message == message
        assert await waiting(database) == 1
    assert await waiting(database) == 1  # the relay ended before it was acknowledged
    async with relaying(outbox, transport):
        assert await take(transport, JOBS, 1, within) == [message]


async def test_a_message_is_sent_when_it_is_due_and_not_before(
    database: Database, outbox: Outbox, clock: Any, new_job: NewJob, eventually: Waits
) -> None:
    gauge = Gauge()
    late, later = RunJob(job=new_job(kind="late")), RunJob(job=new_job(kind="later"))
    await put(database, outbox, later, due=clock() + 60)
    await put(database, outbox, late, due=clock() + 30)
    async with relaying(outbox, gauge):
        for seconds, expected in ((29, []), (1, ["late"]), (29.5, ["late"]), (0.5, ["late", "later"])):
            clock.pass_by(seconds)
            await look_again(database, outbox, new_job, gauge, eventually)
            assert kinds_of(gauge) == expected


async def test_a_message_that_waits_when_the_clock_is_set_back_does_not_wait_for_it(
    database: Database, outbox: Outbox, clock: Any, new_job: NewJob, eventually: Waits
) -> None:
    gauge = Gauge()
    await put(database, outbox, RunJob(job=new_job(kind="late")), due=clock() + 30)
    async with relaying(outbox, gauge):
        await look_again(database, outbox, new_job, gauge, eventually)
        assert kinds_of(gauge) == []
        clock.pass_by(-3 * 3600)
        await look_again(database, outbox, new_job, gauge, eventually)
        assert kinds_of(gauge) == ["late"]


async def look_again(database: Database, outbox: Outbox, new_job: NewJob, gauge: Gauge, eventually: Waits) -> None:
    """A message that is due makes the relay look; when it has gone, what else is due has at least been tried.

    Twice: the first look may have begun before the clock moved.
    """
    for _ in range(2):
        marker = RunJob(job=new_job(kind="marker"))
        await put(database, outbox, marker)
        await eventually(partial(gauge.tried.__contains__, marker))
    await eventually(lambda: gauge.under_way == 0)


def kinds_of(gauge: Gauge) -> list[str]:
    return [kind for message in gauge.tried if (kind := message.job.kind) != "marker"]  # type: ignore[union-attr]


async def test_a_message_that_falls_due_wakes_the_relay_by_itself(
    database: Database, transport: Transport, new_job: NewJob, within: Waits
) -> None:
    import time  # noqa: PLC0415 - the one test in which time itself has to pass

    outbox = Outbox(database, "here")
    await outbox.prepare()
    message, due = RunJob(job=new_job()), time.time() + 0.3
    await put(database, outbox, message, due=due)
    async with relaying(outbox, transport):
        assert await take(transport, JOBS, 1, within) == [message]
    assert time.time() >= due


async def test_what_could_not_be_sent_is_sent_again(
    *, database: Database, outbox: Outbox, transport: Transport, new_job: NewJob, within: Waits, eventually: Waits
) -> None:
    gauge = Gauge(transport)
    gauge.failing = True
    message = RunJob(job=new_job())
    await put(database, outbox, message)
    async with relaying(outbox, gauge):
        await eventually(lambda: gauge.tried)
        assert await waiting(database) == 1
        gauge.failing = False
        assert await take(transport, JOBS, 1, within) == [message]
        await eventually(lambda: no_row(database))
    assert len(gauge.tried) == 2


async def test_what_waits_for_a_broker_is_read_once_and_keeps_nobody_waiting_for_that(
    database: Database, outbox: Outbox, new_job: NewJob, eventually: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(body: bytes) -> Message:
        readers.append(threading.current_thread())
        return decode(body)

    readers, decode, gauge = list[threading.Thread](), envelopes.decode, Gauge()
    monkeypatch.setattr(envelopes, "decode", read)
    monkeypatch.setattr(protocol.outbox, "PAUSE", 0.01)
    gauge.failing = True
    await put(database, outbox, *(JobChanged(job=new_job()) for _ in range(3)))
    async with relaying(Outbox(database, "here"), gauge):  # after a restart: nothing is at hand
        await eventually(lambda: len(gauge.tried) >= 9)
        gauge.failing = False
        await eventually(lambda: no_row(database))
    assert len(readers) == 3
    assert threading.main_thread() not in readers


async def test_what_the_receiver_puts_back_is_sent_again(
    database: Database, outbox: Outbox, transport: Transport, new_job: NewJob, within: Waits
) -> None:
    message = RunJob(job=new_job())
    await put(database, outbox, message)
    async with relaying(outbox, transport), aclosing(transport.subscribe(JOBS, prefetch=1)) as deliveries:
        await (await within(anext(deliveries))).requeue()
        delivery = await within(anext(deliveries))
        assert delivery.message == message
        await delivery.ack()


async def test_a_full_disk_stops_neither_the_relay_nor_has_it_a_message_sent_twice(
    database: Database, outbox: Outbox, new_job: NewJob, eventually: Waits
) -> None:
    class Full:
        """The database whose disk is full for the first writes; reads go through."""

        left = 1
        read = staticmethod(database.read)

        async def write(self, unit: Any) -> Any:
            self.left -= 1
            if self.left >= 0:
                raise NoSpace("database or disk is full")
            return await database.write(unit)

    gauge = Gauge()
    message = RunJob(job=new_job())
    await put(database, outbox, message)
    async with relaying(Outbox(Full(), "here"), gauge) as relay:
        await eventually(lambda: no_row(database))
        assert not relay.done()
    assert gauge.tried == [message]


async def test_what_was_sent_when_the_relay_ends_is_not_sent_at_the_next_start(
    database: Database, outbox: Outbox, new_job: NewJob, eventually: Waits
) -> None:
    class Slow:
        """The database, in which what was sent is removed only once the gate is open."""

        gate, asked = asyncio.Event(), 0
        read = staticmethod(database.read)

        async def write(self, unit: Any) -> Any:
            self.asked += 1
            await self.gate.wait()
            return await database.write(unit)

    gauge, slow = Gauge(), Slow()
    await put(database, outbox, RunJob(job=new_job()))
    async with relaying(Outbox(slow, "here"), gauge) as relay:
        await eventually(lambda: slow.asked)
        relay.cancel()
        slow.gate.set()
    async with relaying(outbox, gauge):
        await put(database, outbox, RunJob(job=new_job(kind="next")))
        await eventually(lambda: no_row(database))
    assert len(gauge.tried) == 2


async def test_five_thousand_messages_all_go_with_a_bounded_number_under_way(
    database: Database, outbox: Outbox, new_job: NewJob, eventually: Waits, within: Waits
) -> None:
    gauge = Gauge()
    gauge.is_open.clear()
    sent = [JobChanged(job=new_job()) for _ in range(5000)]
    await put(database, outbox, *sent)
    async with relaying(outbox, gauge):
        await eventually(lambda: gauge.under_way == WINDOW)
        await put(database, outbox, JobChanged(job=new_job()))
        await eventually(lambda: gauge.under_way == WINDOW)
        assert len(gauge.tried) == WINDOW
        gauge.is_open.set()
        await eventually(lambda: no_row(database), 30)
    assert gauge.most == WINDOW
    assert len(gauge.tried) == 5001  # none of them twice
    assert sorted(gauge.tried[:-1], key=lambda m: m.job.id) == sent  # type: ignore[union-attr]


async def test_more_messages_than_are_kept_at_hand_are_all_sent_at_once(
    database: Database, outbox: Outbox, new_job: NewJob, eventually: Waits
) -> None:
    gauge = Gauge()
    async with relaying(outbox, gauge):
        await put(database, outbox, first := JobChanged(job=new_job()))
        await eventually(lambda: no_row(database))
        sent = [JobChanged(job=new_job()) for _ in range(FRESH + 10)]
        await put(database, outbox, *sent)
        await eventually(lambda: no_row(database))
    assert gauge.tried == [first, *sent]


async def test_what_was_just_written_is_sent_without_a_look_at_the_table(
    database: Database, new_job: NewJob, eventually: Waits
) -> None:
    class Counting:
        """The database, and how often it was read."""

        reads = 0
        write = staticmethod(database.write)
        migrate = staticmethod(database.migrate)

        async def read(self, sql: str, **values: Any) -> Any:
            self.reads += 1
            return await database.read(sql, **values)

    counting, gauge = Counting(), Gauge()
    outbox = Outbox(counting, "here")
    await outbox.prepare()
    async with relaying(outbox, gauge):
        await put(database, outbox, JobChanged(job=new_job()))
        await eventually(lambda: no_row(database))
        before = counting.reads
        for number in range(2, 12):
            await put(database, outbox, JobChanged(job=new_job()))
            await eventually(lambda number=number: len(gauge.tried) == number)
        await eventually(lambda: no_row(database))
    assert counting.reads == before


async def test_a_message_under_way_is_not_sent_a_second_time(
    database: Database, outbox: Outbox, new_job: NewJob, eventually: Waits
) -> None:
    gauge = Gauge()
    gauge.is_open.clear()
    async with relaying(outbox, gauge):
        for number in range(1, 6):
            await put(database, outbox, RunJob(job=new_job()))
            await eventually(lambda number=number: gauge.under_way >= number)
        gauge.is_open.set()
        await eventually(lambda: no_row(database))
    assert len(gauge.tried) == len({message.job.id for message in gauge.tried}) == 5  # type: ignore[union-attr]


async def test_jobs_that_nobody_takes_do_not_hold_up_a_cancel(
    database: Database, outbox: Outbox, transport: Transport, new_job: NewJob, within: Waits
) -> None:
    await put(database, outbox, *(RunJob(job=new_job()) for _ in range(3 * WINDOW)))
    async with relaying(outbox, transport):
        message = CancelJob(job=new_job())
        await put(database, outbox, message)
        assert await take(transport, CONTROL, 1, within) == [message]


async def test_an_urgent_job_does_not_wait_behind_all_older_ones(
    *, database: Database, outbox: Outbox, transport: Transport, new_job: NewJob, within: Waits, eventually: Waits
) -> None:
    gauge = Gauge(transport)
    await put(database, outbox, *(RunJob(job=new_job(priority=Priority.LOW)) for _ in range(4 * WINDOW)))
    async with relaying(outbox, gauge):
        await eventually(lambda: len(gauge.tried) == WINDOW)
        urgent = RunJob(job=new_job(priority=Priority.HIGH))
        await put(database, outbox, urgent)
        await eventually(partial(gauge.tried.__contains__, urgent))
        assert await take(transport, JOBS, 1, within) == [urgent]


async def test_two_sides_share_a_database_and_each_sends_its_own(
    database: Database, new_job: NewJob, eventually: Waits
) -> None:
    sides = {name: (Outbox(database, name), Gauge()) for name in ("service", "consumer")}
    for name, (outbox, _) in sides.items():
        await outbox.prepare()
        await put(database, outbox, RunJob(job=new_job(kind=name)))
    async with relaying(*sides["service"]), relaying(*sides["consumer"]):
        await eventually(lambda: no_row(database))
    assert {name: kinds_of(gauge) for name, (_, gauge) in sides.items()} == {
        "service": ["service"],
        "consumer": ["consumer"],
    }


async def test_the_oldest_message_is_the_one_that_has_been_due_longest(
    database: Database, outbox: Outbox, clock: Any, new_job: NewJob
) -> None:
    assert await outbox.oldest() is None
    await put(database, outbox, RunJob(job=new_job()))
    assert await outbox.oldest() == clock()
    await put(database, outbox, RunJob(job=new_job()), due=clock() - 10)
    await put(database, outbox, RunJob(job=new_job()), due=clock() - 20)
    await put(database, outbox, RunJob(job=new_job()), due=clock() + 20)
    assert await outbox.oldest() == clock() - 20

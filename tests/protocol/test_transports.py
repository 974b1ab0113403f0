"""What every transport promises; each test runs on each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from protocol.job import Job, Priority
from protocol.messages import (
    CONTROL,
    EVENTS,
    JOBS,
    CancelJob,
    ConsumerReady,
    ForgetJob,
    JobChanged,
    Message,
    PruneJob,
    Reply,
    RetryJob,
    RunJob,
)
from protocol.transports import NotSent, Transport, open_transport
from tests.rabbitmq import Node

Waits = Callable[..., Awaitable[Any]]
NewJob = Callable[..., Job]


@pytest.fixture(params=["embedded", "amqp"])
async def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Transport]:
    """An empty one. Another adapter is one more parameter."""
    url = "embedded://" if request.param == "embedded" else await fresh_broker(request, monkeypatch)
    async with open_transport(url) as opened:
        yield opened


async def fresh_broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("protocol.transports.amqp.topology.SETTLED", 0.0)  # only a kill of the broker needs it
    monkeypatch.setattr("protocol.transports.amqp.link.PARTING", 30.0)  # what is cut short outlives the test's loop
    node: Node = request.getfixturevalue("shared_node")
    if not node.running:
        node.start()
    await node.up()
    return node.at(node.fresh_host())


async def send(transport: Transport, message: Message) -> None:
    """Publish as the outbox does: until somebody has taken it."""
    while True:
        try:
            return await transport.publish(message)
        except NotSent:
            await asyncio.sleep(0)


async def test_what_is_published_is_delivered_as_it_was(transport: Transport, new_job: NewJob, within: Waits) -> None:
    kinds = {JOBS: (RunJob, RetryJob), CONTROL: (CancelJob, ForgetJob, PruneJob), EVENTS: (JobChanged,)}
    for stream, types in kinds.items():
        async with aclosing(transport.subscribe(stream, prefetch=1)) as deliveries:
            for kind in types:
                message = kind(job=new_job(params={"ä\0": ["\u2028", 1.5, None]}))
                sending = asyncio.ensure_future(transport.publish(message))
                delivery = await within(anext(deliveries))
                assert delivery.message == message
                await delivery.ack()
                await within(sending)


async def test_what_consumers_offer_is_delivered(transport: Transport, within: Waits) -> None:
    sending = asyncio.ensure_future(transport.publish(ConsumerReady(consumer="me", kinds=())))
    async with aclosing(transport.subscribe(EVENTS, prefetch=1)) as deliveries:
        delivery = await within(anext(deliveries))
        assert delivery.message == ConsumerReady(consumer="me", kinds=())
        await delivery.ack()
        await within(sending)


async def test_messages_of_one_lane_come_in_the_order_of_publishing(
    transport: Transport, new_job: NewJob, within: Waits
) -> None:
    sent = [RunJob(job=new_job()) for _ in range(50)]
    sending = [await begin(transport, message) for message in sent]
    await arrived(transport, sending)
    async with aclosing(transport.subscribe(JOBS, prefetch=1)) as deliveries:
        for message in sent:
            delivery = await within(anext(deliveries))
            assert delivery.message == message
            await delivery.ack()
    await within(asyncio.gather(*sending))


async def test_a_message_has_arrived_only_when_it_is_acknowledged(
    transport: Transport, new_job: NewJob, within: Waits
) -> None:
    if not confirms_by_receiver(transport):
        pytest.skip("a broker takes the message over before anybody receives it")
    sending = await begin(transport, RunJob(job=new_job()))
    async with aclosing(transport.subscribe(JOBS, prefetch=2)) as deliveries:
        delivery = await within(anext(deliveries))
        await turns()
        assert not sending.done()
        await delivery.ack()
        await within(sending)


async def test_what_is_put_back_is_offered_again(transport: Transport, new_job: NewJob, within: Waits) -> None:
    message = RunJob(job=new_job())
    sending = asyncio.ensure_future(send(transport, message))
    async with aclosing(transport.subscribe(JOBS, prefetch=1)) as deliveries:
        for _ in range(3):
            delivery = await within(anext(deliveries))
            assert delivery.message == message
            await delivery.requeue()
        delivery = await within(anext(deliveries))
        assert delivery.message == message
        await delivery.ack()
        await within(sending)


async def test_what_is_buried_never_comes_again_and_blocks_nothing(
    transport: Transport, new_job: NewJob, within: Waits
) -> None:
    sent = [RunJob(job=new_job()), RunJob(job=new_job())]
    sending = [await begin(transport, message) for message in sent]
    await arrived(transport, sending)
    async with aclosing(transport.subscribe(JOBS, prefetch=1)) as deliveries:
        await (await within(anext(deliveries))).bury("no consumer can make anything of it")
        delivery = await within(anext(deliveries))
        assert delivery.message == sent[1]
        await delivery.ack()
    await within(asyncio.gather(*sending))


async def test_high_priority_comes_first_and_low_last_whoever_was_published_before(
    transport: Transport, new_job: NewJob, within: Waits
) -> None:
    if not confirms_by_receiver(transport):
        pytest.skip("the lanes of a broker are queues: which of two messages is at hand first is a race")
    lanes = [Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.LOW, Priority.HIGH, Priority.NORMAL]
    sent = [RunJob(job=new_job(priority=lane)) for lane in lanes]
    sending = [await begin(transport, message) for message in sent]
    order = []
    async with aclosing(transport.subscribe(JOBS, prefetch=1)) as deliveries:
        for _ in sent:
            delivery = await within(anext(deliveries))
            order.append(delivery.message)
            await delivery.ack()
    assert order == [sent[place] for place in (2, 4, 1, 5, 0, 3)]
    await within(asyncio.gather(*sending))


async def test_what_is_urgent_does_not_wait_behind_all_that_is_not(
    transport: Transport, new_job: NewJob, within: Waits
) -> None:
    lanes = [Priority.LOW] * 20 + [Priority.NORMAL] * 20 + [Priority.HIGH]
    sending = [await begin(transport, RunJob(job=new_job(priority=lane))) for lane in lanes]
    await arrived(transport, sending)
    order = []
    async with aclosing(transport.subscribe(JOBS, prefetch=1)) as deliveries:
        for _ in lanes:
            delivery = await within(anext(deliveries))
            order.append(delivery.message.job.priority)
            await delivery.ack()
    await within(asyncio.gather(*sending))
    assert order.index(Priority.HIGH) < 20
    assert sorted(order) == sorted(lanes)


@pytest.mark.parametrize("prefetch", [1, 3])
@pytest.mark.parametrize("done", ["ack", "requeue"])
async def test_no_more_than_prefetch_are_out_at_a_time(
    transport: Transport, new_job: NewJob, within: Waits, prefetch: int, done: str
) -> None:
    sending = [asyncio.ensure_future(send(transport, RunJob(job=new_job()))) for _ in range(prefetch + 2)]
    async with aclosing(transport.subscribe(JOBS, prefetch=prefetch)) as deliveries:
        out = [await within(anext(deliveries)) for _ in range(prefetch)]
        one_more = asyncio.ensure_future(anext(deliveries))
        await turns()
        assert not one_more.done()
        await getattr(out.pop(0), done)()
        out.append(await within(one_more))
        another = asyncio.ensure_future(anext(deliveries))
        await turns()
        assert not another.done()
        await stop(another)
    for task in sending:
        await stop(task)


async def test_a_stream_that_nobody_empties_does_not_hold_up_another(
    transport: Transport, new_job: NewJob, within: Waits
) -> None:
    stuck = [await begin(transport, RunJob(job=new_job())) for _ in range(300)]
    async with aclosing(transport.subscribe(CONTROL, prefetch=1)) as deliveries:
        sending = asyncio.ensure_future(transport.publish(CancelJob(job=new_job())))
        delivery = await within(anext(deliveries))
        assert isinstance(delivery.message, CancelJob)
        await delivery.ack()
        await within(sending)
    for task in stuck:
        await stop(task)


async def test_a_publisher_that_is_cancelled_takes_its_message_back_or_it_is_delivered_whole(
    transport: Transport, new_job: NewJob, within: Waits
) -> None:
    given_up, wanted = RunJob(job=new_job()), RunJob(job=new_job())
    await stop(await begin(transport, given_up))
    sending = asyncio.ensure_future(transport.publish(wanted))
    async with aclosing(transport.subscribe(JOBS, prefetch=1)) as deliveries:
        delivery = await within(anext(deliveries))
        if delivery.message == given_up and not confirms_by_receiver(transport):  # a broker has it
            await delivery.ack()
            delivery = await within(anext(deliveries))
        assert delivery.message == wanted
        await delivery.ack()
        await within(sending)


@pytest.mark.parametrize("done", ["ack", "requeue"])
async def test_a_publisher_that_is_cancelled_while_its_message_is_out_costs_the_receiver_nothing(
    transport: Transport, new_job: NewJob, within: Waits, done: str
) -> None:
    sending = asyncio.ensure_future(transport.publish(RunJob(job=new_job())))
    async with aclosing(transport.subscribe(JOBS, prefetch=1)) as deliveries:
        delivery = await within(anext(deliveries))
        await stop(sending)
        given_up = delivery.message
        await getattr(delivery, done)()
        wanted = RunJob(job=new_job())
        sending = asyncio.ensure_future(transport.publish(wanted))
        delivery = await within(anext(deliveries))
        if delivery.message == given_up and not confirms_by_receiver(transport):  # a broker has it
            await delivery.ack()
            delivery = await within(anext(deliveries))
        assert delivery.message == wanted
        await delivery.ack()
        await within(sending)


async def test_a_receiver_that_is_cancelled_while_it_waits_takes_no_message_along(
    transport: Transport, new_job: NewJob, within: Waits
) -> None:
    async with aclosing(transport.subscribe(JOBS, prefetch=1)) as deliveries:
        waiting = asyncio.ensure_future(anext(deliveries))
        await turns()
        await stop(waiting)
    message = RunJob(job=new_job())
    sending = asyncio.ensure_future(transport.publish(message))
    async with aclosing(transport.subscribe(JOBS, prefetch=1)) as deliveries:
        delivery = await within(anext(deliveries))
        assert delivery.message == message
        await delivery.ack()
        await within(sending)


async def test_an_answer_that_nobody_waits_for_holds_nothing_up(
    transport: Transport, new_job: NewJob, within: Waits
) -> None:
    job = new_job()
    await within(transport.publish(Reply(to="nobody", what="accepted", subject=job.id, data=job)))


async def test_an_open_transport_is_ready(transport: Transport, eventually: Waits) -> None:
    async def ready() -> bool:
        return await transport.ready() is None

    await eventually(ready)


def confirms_by_receiver(transport: Transport) -> bool:
    from protocol.transports.embedded import Embedded  # noqa: PLC0415 - an adapter is loaded by its URL elsewhere

    return isinstance(transport, Embedded)


async def arrived(transport: Transport, sending: list[asyncio.Task[None]]) -> None:
    """Until a broker has all of it; where the receiver confirms, nobody could wait for that."""
    if not confirms_by_receiver(transport):
        await asyncio.gather(*sending)


async def begin(transport: Transport, message: Message) -> asyncio.Task[None]:
    """Publish in a task of its own, which has begun when this returns."""
    task = asyncio.ensure_future(transport.publish(message))
    await asyncio.sleep(0)
    return task


async def turns(count: int = 50) -> None:
    """Let everything that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def stop(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

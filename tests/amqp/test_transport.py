"""amqp:// against a real broker and a bad wire: what is promised holds while everything around it fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial

import aio_pika
import pytest

from protocol.adapters import BadConfig
from protocol.envelopes import decode, encode
from protocol.messages import CONTROL, EVENTS, JOBS, CancelJob, JobChanged, RunJob
from protocol.transports import NotSent, open_transport
from protocol.transports.amqp import link, taking, topology

WAIT = 90.0


async def published(transport, message) -> None:
    """As the outbox does it: again and again, until somebody is responsible."""
    while True:
        try:
            return await transport.publish(message)
        except NotSent:
            await asyncio.sleep(0.1)


async def take(deliveries, *, within: float = WAIT):
    async with asyncio.timeout(within):
        return await anext(deliveries)


async def depth(url: str, queue: str) -> int:
    """Messages that are ready in *queue*."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        found = await channel.declare_queue(queue, passive=True)
        return int(found.declaration_result.message_count or 0)


async def has(url: str, queue: str, count: int) -> bool:
    return await depth(url, queue) >= count


async def dead(url: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("rowmill.dead.v1", passive=True)
        found = []
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            found.append(message)
        return found


async def send(url: str, body: bytes, *, key: str = "job.run", **properties) -> None:
    """What any program may put there."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange("rowmill", ensure=False)
        await exchange.publish(aio_pika.Message(body, **properties), key)


@pytest.fixture(autouse=True)
def no_settling(monkeypatch) -> None:
    """Only a kill of the broker needs that, and each test has queues of its own."""
    monkeypatch.setattr(topology, "SETTLED", 0.0)


@pytest.fixture
async def transport(url: str) -> AsyncIterator:
    async with open_transport(url) as opened:
        yield opened


async def test_a_message_is_there_when_the_broker_comes_back_from_a_kill(node, transport, new_job, monkeypatch):
    monkeypatch.setattr(topology, "SETTLED", 2.0)
    await published(transport, RunJob(job=new_job()))
    node.kill()
    with pytest.raises(NotSent):
        await transport.publish(RunJob(job=new_job()))
    node.start()
    late = new_job()
    await asyncio.gather(node.up(), published(transport, RunJob(job=late)))
    deliveries = transport.subscribe(JOBS, prefetch=4)
    got = [await take(deliveries), await take(deliveries)]
    for delivery in got:
        await delivery.ack()
    assert got[-1].message.job == late


async def test_what_was_in_hand_when_the_link_broke_comes_again(url, proxy, new_job):
    async with open_transport(proxy.through(url)) as transport:
        await published(transport, RunJob(job=new_job()))
        deliveries = transport.subscribe(JOBS, prefetch=4)
        first = await take(deliveries)
        proxy.reset()
        again = await take(deliveries)
        assert again.message == first.message
        await first.ack()  # on the dead channel: nothing happens, and nothing is raised
        await again.ack()


async def test_a_frozen_link_is_noticed_and_made_anew(eventually, url, proxy, new_job, monkeypatch):
    monkeypatch.setattr(link, "HEARTBEAT", 2)
    async with open_transport(proxy.through(url)) as transport, open_transport(url) as other:
        deliveries = transport.subscribe(JOBS, prefetch=4)
        await published(transport, RunJob(job=new_job()))
        await (await take(deliveries)).ack()
        links = proxy.links
        proxy.freeze()
        asking = asyncio.create_task(published(transport, RunJob(job=new_job())))
        await published(other, RunJob(job=new_job()))
        await eventually(lambda: proxy.links >= links + 2, WAIT)  # both have given up the frozen ones
        proxy.thaw()
        async with asyncio.timeout(WAIT):
            await asking
        for _ in range(2):
            await (await take(deliveries)).ack()


async def test_who_may_not_take_asks_ever_more_seldom_says_why_and_takes_once_it_may(
    *, eventually, url, node, proxy, transport, new_job, caplog
):
    await published(transport, message := RunJob(job=new_job()))
    async with open_transport(proxy.through(url).replace("guest:guest", "deaf:deaf")) as deaf:
        asking = asyncio.create_task(take(deaf.subscribe(JOBS, prefetch=4)))
        for asked in 1, 2, 3, 4:
            began = asyncio.get_running_loop().time()
            await eventually(lambda asked=asked: proxy.links > asked)
        assert asyncio.get_running_loop().time() - began >= link.AGAIN[3]
        [told] = [entry.getMessage() for entry in caplog.records if entry.levelname == "WARNING"]
        assert "ACCESS_REFUSED" in told
        await node.control("set_permissions", "-p", url.rpartition("/")[2], "deaf", "^rowmill", "^rowmill", "^rowmill")
        delivery = await asking
        assert delivery.message == message
        await delivery.ack()


async def test_a_queue_deleted_by_an_operator_is_there_again_and_taken_from(url, transport, new_job):
    deliveries = {stream: transport.subscribe(stream, prefetch=4) for stream in (JOBS, EVENTS, CONTROL)}
    asking = {stream: asyncio.create_task(take(each)) for stream, each in deliveries.items()}
    samples = {JOBS: RunJob(job=new_job()), EVENTS: JobChanged(job=new_job()), CONTROL: CancelJob(job=new_job())}
    await published(transport, samples[JOBS])
    await (await asking[JOBS]).ack()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for queue in topology.QUEUES:
            await channel.queue_delete(queue.name)
    asking[JOBS] = asyncio.create_task(take(deliveries[JOBS]))
    for stream, message in samples.items():
        await published(transport, message)
        delivery = await asking[stream]
        assert delivery.message == message
        await delivery.ack()


async def test_an_exchange_deleted_by_an_operator_is_there_again(eventually, url, transport, new_job):
    await published(transport, RunJob(job=new_job()))
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.exchange_delete("rowmill")
    async with asyncio.timeout(WAIT):
        await published(transport, RunJob(job=new_job()))
    await eventually(partial(has, url, "rowmill.jobs.v1", 2), WAIT)


async def test_who_does_not_ask_holds_nothing(eventually, url, transport, new_job, monkeypatch):
    monkeypatch.setattr(taking, "HOLD", 0.2)
    jobs = [new_job() for _ in range(5)]
    for job in jobs:
        await published(transport, RunJob(job=job))
    deliveries = transport.subscribe(JOBS, prefetch=4)
    await (await take(deliveries)).ack()
    await eventually(partial(has, url, "rowmill.jobs.v1", 4), WAIT)
    left = []
    for _ in range(4):
        left.append((delivery := await take(deliveries)).message.job.id)
        await delivery.ack()
    assert sorted(left) == sorted(job.id for job in jobs[1:])


GARBAGE = {
    "no JSON": b"\x00\xff garbage",
    "JSON of another kind": b"[1, 2, 3]",
    "no envelope": b"{}",
    "deep": b"[" * 100_000,
    "empty": b"",
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_set_aside_with_a_reason_and_blocks_nobody(eventually, url, transport, new_job, name):
    deliveries = transport.subscribe(JOBS, prefetch=1)
    await published(transport, RunJob(job=new_job()))
    await (await take(deliveries)).ack()
    said = {"content_type": "application/cloudevents+json", "headers": {"colour": "red"}}
    await send(url, GARBAGE[name], **said)
    await published(transport, RunJob(job=new_job()))
    await (await take(deliveries)).ack()
    [message] = await eventually(partial(dead, url), WAIT)
    assert message.body == GARBAGE[name]
    assert message.headers["colour"] == "red"
    assert "(others submit under job.submit): not a message of ours" in message.headers["x-rowmill-reason"]


async def test_other_poison_is_set_aside_too(eventually, url, transport, new_job):
    deliveries = transport.subscribe(JOBS, prefetch=1)
    await published(transport, RunJob(job=new_job()))
    await (await take(deliveries)).ack()
    first = {"priority": 9}  # RabbitMQ 4.3 delivers by priority, and the next job ends the waiting
    envelope = json.loads(encode(RunJob(job=new_job())))
    await send(url, json.dumps(envelope | {"type": "rowmill.job.run.v2"}).encode(), type="version", **first)
    await send(url, b"x" * 9 * 2**20, type="size", **first)
    await send(url, b"x", headers={"long": "x" * 100_000}, type="header", **first)
    await send(url, encode(JobChanged(job=new_job())), type="stream", **first)
    await published(transport, RunJob(job=new_job()))
    await (await take(deliveries)).ack()
    await eventually(partial(has, url, "rowmill.dead.v1", 4), WAIT)
    found = await dead(url)
    assert max(len(message.body) for message in found) == 9 * 2**20
    assert all(message.headers["x-rowmill-reason"] for message in found)


async def test_an_alarm_of_the_broker_stops_publishing_and_no_more(eventually, node, transport, new_job):
    await published(transport, RunJob(job=new_job()))
    deliveries = transport.subscribe(JOBS, prefetch=1)
    await (await take(deliveries)).ack()
    await node.control("set_vm_memory_high_watermark", "absolute", "1000")
    try:
        job = new_job()
        asking = asyncio.create_task(published(transport, RunJob(job=job)))
        await eventually(transport.ready, WAIT)
        assert "alarm" in str(await transport.ready())
        assert not asking.done()
    finally:
        await node.control("set_vm_memory_high_watermark", "0.4")
    async with asyncio.timeout(WAIT):
        await asking
    delivery = await take(deliveries)
    assert delivery.message.job == job
    await delivery.ack()


async def test_a_broker_has_one_owner(url, transport):
    await transport.own(JOBS, "one")
    async with open_transport(url) as same, open_transport(url) as other:
        await same.own(JOBS, "one")
        with pytest.raises(BadConfig, match="another consumer with a database of its own"):
            await other.own(JOBS, "two")


async def test_an_owner_is_refused_while_it_takes_once_another_came(eventually, url, proxy, new_job, monkeypatch):
    monkeypatch.setattr(topology, "OWNER_EXPIRES", 500)
    async with open_transport(proxy.through(url)) as first, open_transport(url) as second:
        await first.own(JOBS, "one")
        deliveries = first.subscribe(JOBS, prefetch=1)
        asking = asyncio.create_task(take(deliveries))
        await eventually(partial(consumers, url, "rowmill.jobs.v1"), WAIT)
        proxy.freeze()
        proxy.reset()
        await owned(second, "two")
        proxy.thaw()
        with pytest.raises(BadConfig):
            await asking


async def owned(transport, store: str) -> None:
    async with asyncio.timeout(WAIT):
        while True:
            try:
                return await transport.own(JOBS, store)
            except BadConfig:
                await asyncio.sleep(0.1)


async def consumers(url: str, queue: str) -> int:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        try:
            found = await channel.declare_queue(queue, passive=True)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return 0
        return int(found.declaration_result.consumer_count or 0)


async def test_messages_are_persistent_events_that_any_client_can_read(url, transport, new_job):
    job = new_job(kind="sales")
    async with await aio_pika.connect(url) as connection:
        await transport.ready()
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("rowmill.events", "job.queued.*")
        await transport.publish(JobChanged(job=job))
        async with queue.iterator(timeout=WAIT) as found:
            message = await anext(found)
            await message.ack()
    assert message.routing_key == "job.queued.sales"
    assert message.delivery_mode is aio_pika.DeliveryMode.PERSISTENT
    assert message.content_type == "application/cloudevents+json"
    assert decode(message.body) == JobChanged(job=job)

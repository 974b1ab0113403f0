"""What a hostile or careless peer may send by AMQP: it is set aside, and holds up no other message."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aiormq import spec
from aiormq.connection import FrameReceiver
from pamqp import frame

from protocol.envelopes import encode
from protocol.job import Source
from protocol.messages import JOBS, JobChanged, RunJob, SubmitJob
from protocol.transports import open_transport
from protocol.transports.amqp import topology
from protocol.transports.amqp.wire import Reader
from tests.amqp.test_transport import WAIT, dead, published, take
from tests.rabbitmq import RIGHTS, SUBMITTING

ROOT = Path(__file__).parent.parent.parent
CONTENT_TYPE, HEADERS, CORRELATION, TIMESTAMP = 1 << 15, 1 << 13, 1 << 10, 1 << 6
PREFETCH = 2


class Spelled(spec.Basic.Properties):
    """Properties as bytes, whatever they say."""

    __slots__ = ("spelling",)

    def marshal(self) -> bytes:
        return bytes(self.spelling)


def properties(flags: int, spelling: bytes) -> Spelled:
    made = Spelled(content_type="x", message_id="x")
    made.spelling = struct.pack(">H", CONTENT_TYPE | flags) + short(b"text/csv") + spelling
    return made


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def headers(value: bytes, name: bytes = b"kind") -> bytes:
    table = short(name) + value
    return struct.pack(">I", len(table)) + table


def long(text: bytes, kind: bytes = b"S") -> bytes:
    return kind + struct.pack(">I", len(text)) + text


def nested(depth: int) -> bytes:
    value = b"V"
    for _ in range(depth):
        value = long(value, b"A")
    return value


UNREADABLE = {
    "a correlation id in Latin-1": properties(CORRELATION, short(b"caf\xe9")),
    "a header's name in Latin-1": properties(HEADERS, headers(long(b"x"), b"caf\xe9")),
    "a time in microseconds": properties(TIMESTAMP, struct.pack(">Q", 1_700_000_000_000_000)),
    "a header's time after all times": properties(HEADERS, headers(b"T" + struct.pack(">Q", 2**63))),
    "headers 300 deep": properties(HEADERS, headers(nested(300))),
    "headers 2000 deep": properties(HEADERS, headers(nested(2000))),
}
UNWRITABLE = {
    "a header in Latin-1": properties(HEADERS, headers(long(b"caf\xe9"))),
    "a large double": properties(HEADERS, headers(b"d" + struct.pack(">d", 1e300))),
}


@pytest.fixture
async def transport(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setattr(topology, "SETTLED", 0.0)
    async with open_transport(url) as opened:
        yield opened


async def send(url: str, key: str, forged: Spelled) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await (await connection.channel()).get_underlay_channel()
        await channel.basic_publish(b"a,b", exchange="rowmill", routing_key=key, properties=forged)


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_cannot_be_read_of_a_message_holds_up_no_other(url, transport, new_job, name):
    deliveries = transport.subscribe(JOBS, prefetch=PREFETCH)
    await published(transport, RunJob(job=new_job()))
    await (await take(deliveries)).ack()
    await send(url, "job.run", UNREADABLE[name])
    await published(transport, RunJob(job=new_job()))
    await (await take(deliveries)).ack()


@pytest.mark.parametrize("name", UNREADABLE)
async def test_of_a_submission_that_cannot_be_read_the_body_is_set_aside(eventually, url, transport, new_job, name):
    deliveries = transport.subscribe(JOBS, prefetch=PREFETCH)
    await published(transport, RunJob(job=new_job()))
    await (await take(deliveries)).ack()
    await send(url, "job.submit", UNREADABLE[name])
    await published(transport, RunJob(job=new_job()))
    first = await take(deliveries)
    if not isinstance(first.message, RunJob):
        await first.bury("no content type")
        await (await take(deliveries)).ack()
    [message] = await eventually(partial(dead, url), WAIT)
    assert message.body == b"a,b"


@pytest.mark.parametrize("name", UNWRITABLE)
async def test_what_cannot_be_sent_on_of_a_message_is_left_out(eventually, url, transport, new_job, name):
    deliveries = transport.subscribe(JOBS, prefetch=PREFETCH)
    await published(transport, RunJob(job=new_job()))
    await (await take(deliveries)).ack()
    for _ in range(2 * PREFETCH):
        await send(url, "job.submit", UNWRITABLE[name])
        await (await take(deliveries)).bury("of no use")
    [message, *_] = await eventually(partial(dead, url), WAIT)
    assert (message.body, message.headers["x-rowmill-reason"]) == (b"a,b", "of no use")


FORGED = {
    "a path for its id": {"id": "../" * 4 + "etc"},
    "another id": {"id": "A" * 32},
    "a long kind": {"kind": "k" * 300},
    "a long trace": {"traceparent": "00-" + "0" * 200_000},
    "a version that no database can store": {"version": 2**70},
    "a table of less than nothing": {"source": Source.model_construct(name="a.csv", size=-1, sha256="0" * 64)},
    "a time of nowhere": {"created_at": datetime(2026, 3, 1)},  # noqa: DTZ001
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
async def test_a_job_that_nobody_made_is_set_aside(eventually, url, transport, new_job, forged):
    """Its id would be a part of paths; an event that can never be sent or stored would be tried for ever."""
    deliveries = transport.subscribe(JOBS, prefetch=PREFETCH)
    await published(transport, RunJob(job=new_job()))
    await (await take(deliveries)).ack()
    body = encode(RunJob(job=new_job().model_copy(update=forged)))
    async with await aio_pika.connect(url) as connection:
        exchange = await (await connection.channel()).get_exchange("rowmill", ensure=False)
        await exchange.publish(aio_pika.Message(body), "job.run")
    await published(transport, RunJob(job=(after := new_job())))
    assert (await take(deliveries)).message.job == after
    [message] = await eventually(partial(dead, url), WAIT)
    assert message.body == body


DELIVERIES = [
    spec.Basic.Deliver("ours", 200, exchange="xx", routing_key="job.xx"),
    spec.Basic.GetOk(200, redelivered=False, exchange="xx", routing_key="job.xx", message_count=3),
]


@pytest.mark.parametrize("delivery", DELIVERIES, ids=["delivered", "asked for"])
async def test_names_that_are_no_text_do_not_end_the_connection(delivery):
    reader, spelled = Reader(), frame.marshal(delivery, 1)
    reader.feed_data(spelled.replace(b"xx", b"\xe9\xff") + spelled)
    receiver = FrameReceiver(reader)
    mended = [(await receiver.get_frame())[2] for _ in range(2)]
    assert [(one.delivery_tag, one.exchange, one.routing_key) for one in mended] == [
        (200, "??", "job.??"),
        (200, "xx", "job.xx"),
    ]


async def test_another_service_with_the_rights_of_the_readme_may_submit_and_follow_and_no_more(
    node, url, transport, new_job
):
    deliveries = transport.subscribe(JOBS, prefetch=PREFETCH)
    await published(transport, RunJob(job=new_job()))
    await (await take(deliveries)).ack()
    where = url.rpartition("/")[2]
    await node.control("set_topic_permissions", "-p", where, "other", "rowmill", SUBMITTING, "")
    async with await aio_pika.connect(url.replace("guest:guest", "other:other")) as connection:
        channel = await connection.channel()
        heard = await channel.declare_queue(exclusive=True)
        await heard.bind("rowmill.events", "#")
        await published(transport, JobChanged(job=new_job()))
        assert (await heard.get(timeout=WAIT)).type == "rowmill.job.queued.v1"
        exchange = await channel.get_exchange("rowmill", ensure=False)
        await exchange.publish(aio_pika.Message(b"a,b"), "job.submit")
        assert isinstance((await take(deliveries)).message, SubmitJob)
        with pytest.raises(aio_pika.exceptions.ChannelClosed, match="ACCESS_REFUSED"):
            await exchange.publish(aio_pika.Message(encode(RunJob(job=new_job()))), "job.run")


def test_the_readme_gives_another_service_just_those_rights() -> None:
    configure, write, read = RIGHTS["other"]
    told = (ROOT / "README.md").read_text()
    assert f"rabbitmqctl set_permissions other '{configure}' '{write}' '{read}'" in told
    assert f"rabbitmqctl set_topic_permissions other rowmill '{SUBMITTING}' ''" in told

"""What other services send: taken in both spellings, once, answered, or refused with every reason and set aside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aio_pika
import pytest

from consumer.places import IN_HAND
from consumer.worker import AT_ONCE
from protocol.job import FINAL
from tests.amqp.fleet import Fleet, until

WAIT = 90.0
MANY, WAVE = IN_HAND + 32, AT_ONCE // 2  # messages: more than there are places
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Sender:
    """Another service: knows the contract and a plain AMQP client."""

    channel: aio_pika.abc.AbstractChannel
    replies: aio_pika.abc.AbstractQueue
    events: aio_pika.abc.AbstractQueue
    heard: list[aio_pika.abc.AbstractIncomingMessage] = field(default_factory=list)

    async def send(self, body: bytes | dict[str, Any], **properties: Any) -> None:
        kind = "text/csv" if isinstance(body, bytes) else "application/json"
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        properties = {"reply_to": self.replies.name, "correlation_id": "one", "content_type": kind} | properties
        exchange = await self.channel.get_exchange("rowmill", ensure=False)
        await exchange.publish(aio_pika.Message(raw, **properties), "job.submit")

    async def reply(self) -> tuple[str, dict[str, Any]]:
        """The next answer: its type and its data."""
        message = await _next(self.replies)
        assert message.correlation_id == "one"
        envelope = json.loads(message.body)
        assert envelope["type"] == message.type
        return str(message.type), envelope["data"]

    async def dead(self) -> aio_pika.abc.AbstractIncomingMessage:
        return await _next(await self.channel.get_queue("rowmill.dead.v1", ensure=False))


async def _next(queue: aio_pika.abc.AbstractQueue) -> aio_pika.abc.AbstractIncomingMessage:
    found: list[aio_pika.abc.AbstractIncomingMessage] = []

    async def look() -> bool:
        found.extend([message] if (message := await queue.get(no_ack=True, fail=False)) else [])
        return bool(found)

    await until(look, "a message", within=WAIT)
    return found[0]


@pytest.fixture
async def sender(node, url) -> AsyncIterator[Sender]:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        replies = await channel.declare_queue(exclusive=True)
        events = await channel.declare_queue(exclusive=True)
        await channel.declare_exchange("rowmill.events", "topic", durable=True)
        await events.bind("rowmill.events", "job.#")
        yield Sender(channel, replies, events)


@pytest.fixture
async def fleet(launch, tmp_path) -> Fleet:
    (tmp_path / "shared").mkdir()
    return await launch(SOURCES=(tmp_path / "shared").as_uri())


async def test_submissions(fleet: Fleet, sender: Sender, table: bytes, tmp_path):
    """One fleet for many rules, because two processes take seconds to start."""
    await a_bare_table_becomes_a_job_that_the_service_shows(fleet, sender, table)
    await a_table_inside_json_becomes_a_job(fleet, sender, table)
    await the_same_message_makes_one_job_and_is_answered_each_time(fleet, sender, table)
    await direct_reply_to_is_answered_like_a_queue(fleet, sender, table)
    await what_is_wrong_is_told_all_at_once_and_the_message_is_set_aside(sender, table)
    await what_cannot_be_read_at_all_is_refused(sender, table)
    await an_allowed_file_is_fetched_and_no_other(fleet, sender, table, tmp_path)
    await more_messages_than_may_be_in_hand_all_become_jobs_that_end(fleet, sender, table)
    await until(lambda: len(fleet.files()) > 0, "files")
    jobs = await listed(fleet)
    assert {job["id"] for job in jobs} == {name.split("/")[1] for name in fleet.files() if name.startswith("uploads/")}


async def listed(fleet: Fleet) -> list[dict[str, Any]]:
    async with fleet.session.get(f"{fleet.url}/v1/jobs?limit=200") as answer:
        return list((await answer.json())["jobs"])


async def a_bare_table_becomes_a_job_that_the_service_shows(fleet, sender, table):
    await sender.send(
        table, headers={"kind": "sales", "email": "someone@example.org", "filename": "a.csv", "traceparent": TRACE}
    )
    what, job = await sender.reply()
    assert what == "rowmill.job.accepted.v1"
    assert (job["kind"], job["source"]["name"], job["source"]["size"]) == ("sales", "a.csv", len(table))
    what, done = await sender.reply()
    assert what == "rowmill.job.succeeded.v1"
    assert done["report"]["numbers"]["kept"] == 7
    assert (await fleet.finished(job["id"]))["state"] == "succeeded"
    types = [json.loads((await _next(sender.events)).body)["type"] for _ in range(2)]
    assert types[0] == "rowmill.job.queued.v1"
    await until(lambda: len(fleet.mails()) == 1, "one mail")
    assert await fleet.ask("DELETE", job["id"]) == 204
    await until(lambda: fleet.files() == [], "no file left")


async def a_table_inside_json_becomes_a_job(fleet, sender, table):
    asked = {"kind": "sales", "params": {"sigma": 1.5}, "priority": "high", "email": []}
    await sender.send(asked | {"source": {"text": table.decode(), "name": "b.csv"}})
    _, job = await sender.reply()
    assert (job["params"], job["priority"], job["source"]["name"]) == ({"sigma": 1.5}, "high", "b.csv")
    assert (await sender.reply())[0] == "rowmill.job.succeeded.v1"


async def the_same_message_makes_one_job_and_is_answered_each_time(fleet, sender, table):
    before = len(await listed(fleet))
    for _ in range(3):
        await sender.send(table, headers={"kind": "sales"}, message_id="the same")
    answers = [await sender.reply() for _ in range(4)]
    assert len({job["id"] for _, job in answers}) == 1
    await until(partial(_has, fleet, before + 1), "one more job")
    await sender.send(table + b"East,A,1,1,0\n", headers={"kind": "sales"}, message_id="the same")
    while (answer := await sender.reply())[0] != "rowmill.job.refused.v1":
        assert answer[1]["id"] == answers[0][1]["id"]
    assert answer[1]["type"] == "/problems/key_reused"
    assert b"message_id" in str((await sender.dead()).headers["x-rowmill-reason"]).encode()
    assert len(await listed(fleet)) == before + 1


async def direct_reply_to_is_answered_like_a_queue(fleet, sender, table):
    direct = await sender.channel.get_queue("amq.rabbitmq.reply-to", ensure=False)
    heard: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
    await direct.consume(heard.put, no_ack=True)
    await sender.send(table, headers={"kind": "sales"}, reply_to="amq.rabbitmq.reply-to")
    async with asyncio.timeout(WAIT):
        assert [(await heard.get()).type for _ in range(2)] == ["rowmill.job.accepted.v1", "rowmill.job.succeeded.v1"]
    assert "nobody waits for the reply" not in fleet.consumer.log()


async def _has(fleet: Fleet, count: int) -> bool:
    return len(await listed(fleet)) == count


async def what_is_wrong_is_told_all_at_once_and_the_message_is_set_aside(sender, table):
    bad = {"kind": "sales", "params": {"sigma": "x", "other": 1}, "email": ["a@x.org, b@x.org"], "colour": "red"}
    await sender.send(bad | {"source": {"text": "region,product\na,b\n", "name": "c.csv"}})
    what, problem = await sender.reply()
    assert what == "rowmill.job.refused.v1"
    assert problem["status"] == 422
    codes = [fault["code"] for fault in problem["errors"]]
    assert codes == [
        "unknown_param",
        "bad_param",
        "bad_email",
        "unknown_field",
        "missing_column",
        "missing_column",
        "missing_column",
    ]
    message = await sender.dead()
    assert json.loads(message.body)["colour"] == "red"
    assert "colour" in message.headers["x-rowmill-reason"]


async def what_cannot_be_read_at_all_is_refused(sender, table):
    for body, properties, code in (
        (b"PK\x03\x04" + b"\0" * 100, {}, "not_a_table"),
        (b"", {}, "invalid"),
        (b"{not json", {"content_type": "application/json"}, "malformed"),
        (b'{"kind": "sales"}', {"content_type": "application/json"}, "invalid"),
        (table, {"content_type": "application/pdf"}, "malformed"),
        (b"a,b\n" + b"x,y\n" * 2_400_000, {}, "too_large"),
        (table, {"headers": {"kind": "sales", "long": "x" * 100_000, "params": "[1]"}}, "invalid"),
    ):
        await sender.send(body, **({"headers": {"kind": "sales"}} | properties))
        what, problem = await sender.reply()
        assert (what, problem["type"]) == ("rowmill.job.refused.v1", f"/problems/{code}")
        assert (await sender.dead()).body == body


async def an_allowed_file_is_fetched_and_no_other(fleet, sender, table, tmp_path):
    shared = tmp_path / "shared"
    (shared / "d.csv").write_bytes(table)
    (tmp_path / "secret.csv").write_bytes(table)
    (shared / "link.csv").symlink_to(tmp_path / "secret.csv")
    await sender.send({"kind": "sales", "source": {"url": f"{shared.as_uri()}/d.csv"}}, message_id="fetched")
    what, job = await sender.reply()
    assert (what, job["source"]["name"]) == ("rowmill.job.accepted.v1", "d.csv")
    assert (await sender.reply())[0] == "rowmill.job.succeeded.v1"
    for url in (
        f"{shared.as_uri()}/../secret.csv",
        f"{shared.as_uri()}/%2e%2e/secret.csv",
        f"{shared.as_uri()}/link.csv",
        f"{shared.as_uri()}/missing.csv",
        f"{shared.as_uri()}x/d.csv",
        "https://example.org/d.csv",
        "http://[",
    ):
        await sender.send({"kind": "sales", "source": {"url": url}})
        what, problem = await sender.reply()
        assert (what, problem["type"]) == ("rowmill.job.refused.v1", "/problems/source_refused"), url
        assert json.loads((await sender.dead()).body)["source"]["url"] == url


async def more_messages_than_may_be_in_hand_all_become_jobs_that_end(fleet, sender, table):
    """Each job has the place of its message: none is lost, so taking goes on. In waves: all of one begin at once."""
    expected = len(await listed(fleet))

    async def all_ended() -> bool:
        jobs = await listed(fleet)
        return len(jobs) == expected and all(job["state"] in FINAL for job in jobs)

    for number in range(MANY):
        priority = "low" if number % 8 == 0 else "normal"
        await sender.send(table, headers={"kind": "sales", "priority": priority}, reply_to=None)
        expected += 1
        if expected % WAVE == 0 or number == MANY - 1:
            await until(all_ended, "all ended", within=WAIT)

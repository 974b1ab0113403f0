"""`rowmill doctor` and brokers: each fault is found and named with what to do, and looking changes nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from functools import partial

import aio_pika
import pytest

from protocol import transports
from protocol.adapters import BadConfig
from protocol.findings import Finding, Verdict
from protocol.messages import JOBS, RunJob
from protocol.transports import Transport, open_transport
from protocol.transports.amqp import examination, topology
from tests.amqp.fleet import Fleet, until
from tests.amqp.test_transport import dead, depth, has, published, send, take

WAIT = 90.0


@pytest.fixture(autouse=True)
def no_settling(monkeypatch) -> None:
    monkeypatch.setattr(topology, "SETTLED", 0.0)


async def declared(url: str) -> None:
    async with open_transport(url) as transport:
        await until(partial(is_ready, transport), "ready", within=WAIT)


async def is_ready(transport: Transport) -> bool:
    return await transport.ready() is None


async def examined(url: str) -> dict[str, Finding]:
    return {finding.part: finding for finding in await transports.examine(url)}


def as_user(url: str, user: str) -> str:
    return url.replace("guest:guest", f"{user}:{user}")


async def test_a_broker_that_nobody_has_used_is_well_and_stays_unused(url):
    found = await examined(url)
    assert "nothing is declared yet" in found["topology"].detail
    assert {finding.verdict for finding in found.values()} == {Verdict.OK, Verdict.WARNING}
    assert found["messages"].advice == "Start rowmill consumer and rowmill service."
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await channel.declare_queue("rowmill.jobs.v1", passive=True)


async def test_looking_sends_nothing_and_takes_nothing(eventually, url, new_job):
    async with open_transport(url) as transport:
        await published(transport, RunJob(job=new_job()))
        await eventually(partial(has, url, "rowmill.jobs.v1", 1), WAIT)
        found = await examined(url)
        assert (found["topology"].verdict, found["permissions"].verdict) == (Verdict.OK, Verdict.OK)
        assert [await depth(url, queue.name) for queue in topology.QUEUES] == [0, 1, 0, 0, 0, 0]
        delivery = await take(transport.subscribe(JOBS, prefetch=1))
        assert not delivery.taken.raw.redelivered
        await delivery.ack()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("guest:guest", "guest:wrong", "no user guest with this password"),
        ("/test", "/none", "no virtual host none"),
    ],
)
async def test_a_broker_that_lets_nobody_in_is_a_fault_with_advice_and_no_password(url, old, new, said):
    [finding] = await transports.examine(url.replace(old, new))
    assert (finding.part, finding.verdict) == ("broker", Verdict.FAULT)
    assert said in finding.detail
    assert finding.advice
    assert "wrong" not in finding.detail + finding.advice


async def test_a_broker_that_is_down_or_silent_is_a_fault(monkeypatch):
    monkeypatch.setattr(examination, "PATIENCE", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"amqp://127.0.0.1:{silent.getsockname()[1]}"
        [down] = await transports.examine(url)
        silent.listen()
        [mute] = await transports.examine(url)
    assert "is not reached" in down.detail
    assert "does not answer" in mute.detail
    assert {down.verdict, mute.verdict} == {Verdict.FAULT}


async def test_a_url_without_a_host_is_a_wrong_setting():
    with pytest.raises(BadConfig, match="BROKER_URL: no host"):
        await transports.examine("amqp:///")


async def test_a_queue_that_somebody_else_declared_is_named(url):
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("rowmill.jobs.v1", durable=True)
        await channel.declare_exchange("rowmill.events", "fanout", durable=True)
    found = (await examined(url))["topology"]
    assert found.verdict is Verdict.FAULT
    assert found.detail.endswith("needs it: rowmill.events, rowmill.jobs.v1")


async def test_a_queue_that_is_gone_is_a_warning(url):
    await declared(url)
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.queue_delete("rowmill.service.v1")
    found = (await examined(url))["topology"]
    assert (found.verdict, found.detail) == (Verdict.WARNING, "gone: rowmill.service.v1")


async def test_each_right_that_is_missing_is_named_with_the_command_that_grants_it(node, url):
    await declared(url)
    found = (await examined(as_user(url, "poor")))["permissions"]
    assert found.verdict is Verdict.FAULT
    for queue in ("jobs.high", "jobs", "jobs.low", "service", "control"):
        assert f"read rowmill.{queue}.v1" in found.detail
    for exchange in ("amq.default", "rowmill", "rowmill.events", "rowmill.control", "rowmill.dead"):
        assert f"write to {exchange}" in found.detail
    assert "make queues rowmill.owner" in found.detail
    host = url.rpartition("/")[2]
    granting = rf"rabbitmqctl set_permissions -p {host} poor '^rowmill' '^(rowmill|amq\.default)' '^rowmill'"
    assert found.advice == granting


async def test_the_rights_that_are_advised_are_enough(url, new_job):
    url = as_user(url, "lean")
    async with open_transport(url) as transport:
        await transport.own(JOBS, "one")
        message = RunJob(job=new_job())
        await published(transport, message)
        delivery = await take(transport.subscribe(JOBS, prefetch=1))
        assert delivery.message == message
        await delivery.ack()
        found = await examined(url)
    assert found["permissions"].verdict is Verdict.OK
    assert "no service is connected; 0 jobs wait" in found["messages"].detail


async def test_messages_that_nobody_could_use_are_counted(eventually, url, new_job):
    async with open_transport(url) as transport:
        await published(transport, RunJob(job=new_job()))
        deliveries = transport.subscribe(JOBS, prefetch=1)
        await (await take(deliveries)).ack()
        await send(url, b"garbage")
        asking = asyncio.create_task(take(deliveries))
        await eventually(partial(has, url, "rowmill.dead.v1", 1), WAIT)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        found = (await examined(url))["messages"]
    assert (found.verdict, found.detail.partition(" ")[0]) == (Verdict.WARNING, "1")
    assert len(await dead(url)) == 1


async def test_the_command_finds_a_fleet_at_work_well(launch):
    code, said = await asked(await launch())
    assert [finding["part"] for finding in said["findings"]] == [
        *("broker", "topology", "messages", "permissions"),
        *("database", "files", "records", "mail", "native"),
    ]
    assert (code, {finding["verdict"] for finding in said["findings"]}) == (0, {"ok"}), said
    details = {finding["part"]: finding["detail"] for finding in said["findings"]}
    assert details["messages"] == "consumer and service are connected; 0 jobs wait"
    assert "in use by a running Rowmill" in details["database"]


async def asked(fleet: Fleet) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """What the command says where the consumer runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rowmill", "doctor", "--json"),
        cwd=fleet.consumer.home,
        env=fleet.consumer.environment,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return int(process.returncode or 0), json.loads(out)

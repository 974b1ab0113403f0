"""The contract of messages is valid AsyncAPI, what is really sent keeps it, and foreign clients need no more."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from pydantic import JsonValue

from consumer.submissions import requests
from protocol.messages import SubmitJob
from protocol.transports.amqp import topology
from service.contract.asyncapi import document
from tests.amqp.fleet import Fleet, until
from tests.node import EXAMPLES, node_only, run

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def find_refs(found: Any) -> list[str]:
    if isinstance(found, dict):
        own = [found["$ref"]] if isinstance(found.get("$ref"), str) else []
        return own + [ref for value in found.values() for ref in find_refs(value)]
    return [ref for value in found for ref in find_refs(value)] if isinstance(found, list) else []


def look_up(contract: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        contract = contract[part]
    return contract


def test_every_reference_leads_somewhere() -> None:
    contract = document()
    references = find_refs(contract)
    assert len(references) > 20
    assert all(look_up(contract, reference) is not None for reference in references)


@node_only
def test_the_document_is_valid_asyncapi(packages: Path) -> None:
    path = packages / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0.json"
    schema = json.loads(path.read_text())
    assert list(validator_for(schema)(schema).iter_errors(document())) == []


def test_the_document_names_what_is_declared() -> None:
    exchanges = {
        channel["bindings"]["amqp"]["exchange"]["name"]
        for channel in document()["channels"].values()
        if "bindings" in channel
    }
    assert exchanges <= {name for name, _ in topology.EXCHANGES.values()}


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "sales", "source": {"text": "a,b", "name": "t.csv"}},
        {"kind": "fetch", "params": {"url": "http://x/{i}"}},
    ],
    ids=["with a table", "with parameters that stand in for one"],
)
def test_what_is_understood_keeps_the_contract(asked: dict[str, Any]) -> None:
    contract = document()
    schema = contract["components"]["messages"]["SubmitJson"]["payload"] | {"components": contract["components"]}
    Draft202012Validator(schema).validate(asked)
    request = requests.read(SubmitJob(content_type="application/json", body=json.dumps(asked).encode()))
    assert request.fields.one("kind") == asked["kind"]


@pytest.mark.parametrize("email", [["a@x.org", "b@x.org"], "a@x.org,b@x.org"], ids=["a list", "a text"])
def test_headers_that_are_understood_keep_the_contract(email: JsonValue) -> None:
    headers = {"kind": "sales", "email": email}
    contract = document()
    schema = contract["components"]["messages"]["SubmitTable"]["headers"] | {"components": contract["components"]}
    Draft202012Validator(schema).validate(headers)
    request = requests.read(SubmitJob(content_type="text/csv", body=b"a,b", headers=headers))
    assert request.fields.values["email"] == ["a@x.org", "b@x.org"]


@pytest.mark.parametrize("path", ["submit.py", "submit.mjs"])
def test_an_example_is_short_and_uses_nothing_of_ours(path: str) -> None:
    lines = [line for line in (EXAMPLES / path).read_text().splitlines() if line.strip() and not line.startswith("//")]
    assert len(lines) <= 40
    imported = re.findall(r'^(?:import|from) .*?([\w:"-]+)"?;?$', "\n".join(lines), re.MULTILINE)
    assert not {"protocol", "service", "consumer", "client", "rowmill"} & set(imported)


class Listener:
    """Hears every event, as any client may."""

    def __init__(self, queue: aio_pika.abc.AbstractQueue) -> None:
        self._queue = queue
        self.heard: list[aio_pika.abc.AbstractIncomingMessage] = []

    async def until_ended(self) -> None:
        async def look() -> bool:
            while (message := await self._queue.get(no_ack=True, fail=False)) is not None:
                self.heard.append(message)
            return any(".succeeded." in str(message.type) for message in self.heard)

        await until(look, "the last event")


def checked(message: aio_pika.abc.AbstractIncomingMessage, contract: dict[str, Any], name: str) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(message.body)
    schema = contract["components"]["messages"][name]["payload"] | {"components": contract["components"]}
    Draft202012Validator(schema).validate(envelope)
    assert message.content_type == contract["components"]["messages"][name]["contentType"]
    return envelope


@pytest.fixture
async def fleet(launch) -> Fleet:
    return await launch()


@node_only
async def test_foreign_clients_and_what_they_hear(fleet: Fleet, url: str, table: bytes, packages: Path) -> None:
    async with fleet.session.get(f"{fleet.url}/asyncapi.json") as answer:
        contract = await answer.json()
    async with fleet.session.get(f"{fleet.url}/docs/messages") as answer:
        assert "job.submit" in await answer.text()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("rowmill.events", "job.*.sales")
        await every_event_keeps_the_contract(fleet, Listener(queue), contract, table)
    await each_example_gets_its_answers(packages, url, table)


async def every_event_keeps_the_contract(fleet: Fleet, listener: Listener, contract: Any, table: bytes) -> None:
    job_id = await fleet.submit(table, kind="sales", email="someone@example.org", headers={"traceparent": TRACE})
    await listener.until_ended()
    envelopes = [checked(message, contract, "JobEvent") for message in listener.heard]
    assert {envelope["subject"] for envelope in envelopes} == {job_id}
    assert {envelope["traceparent"] for envelope in envelopes} == {TRACE}
    assert {message.headers["traceparent"] for message in listener.heard} == {TRACE}
    assert {str(message.routing_key).split(".")[1] for message in listener.heard} >= {"running", "succeeded"}
    await until(lambda: len(fleet.mails()) == 1, "one mail")
    assert f"Traceparent: {TRACE}" in fleet.mails()[0].read_text()


async def each_example_gets_its_answers(packages: Path, url: str, table: bytes) -> None:
    (packages / "good.csv").write_bytes(table)
    (packages / "bad.csv").write_bytes(b"a,b\n1,2\n")
    for program in (["node", "submit.mjs"], [sys.executable, "submit.py"]):
        code, out = await run(*program, "good.csv", "sales", folder=packages, AMQP_URL=url)
        assert (code, [line.split(" ")[0] for line in out.splitlines()]) == (
            0,
            ["rowmill.job.accepted.v1", "rowmill.job.succeeded.v1"],
        ), out
        code, out = await run(*program, "bad.csv", "sales", folder=packages, AMQP_URL=url)
        assert (code, out.split(" ")[0]) == (1, "rowmill.job.refused.v1"), out
        assert "revenue" in out

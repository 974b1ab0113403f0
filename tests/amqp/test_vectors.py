"""The worked examples, by message: a table with a few headers, the answer, and the records in PostgreSQL."""

from __future__ import annotations

import json
from functools import partial

import aio_pika

from tests.amqp.conftest import Launch
from tests.amqp.fleet import DEADLINE, Fleet
from tests.postgresql import Server
from tests.vectors import VECTORS, Vector


async def test_every_kind_comes_out_as_worked_by_hand(launch: Launch, url: str, postgresql: Server) -> None:
    fleet = await launch(CHUNK_SIZE="1", RECORDS_URL=postgresql.fresh())
    for vector in VECTORS:
        job_id = await submit(url, vector)
        await fleet.until(partial(is_known, fleet, job_id), "known to the service")
        job = await fleet.finished(job_id)
        vector.check(job, {one["name"]: await fleet.artefact(job_id, one["name"]) for one in job["artefacts"]})
        if vector.records:
            vector.check_records(await records(fleet, vector.kind))


async def is_known(fleet: Fleet, job_id: str) -> bool:
    async with fleet.session.get(f"{fleet.url}/v1/jobs/{job_id}") as answer:
        return answer.status == 200


async def submit(url: str, vector: Vector) -> str:
    """The id of the accepted job."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        replies = await channel.declare_queue(exclusive=True)
        exchange = await channel.get_exchange("rowmill", ensure=False)
        message = aio_pika.Message(
            vector.table, content_type="text/csv", headers={"kind": vector.kind}, reply_to=replies.name
        )
        await exchange.publish(message, "job.submit")
        async with replies.iterator(no_ack=True, timeout=DEADLINE) as answers:
            answer = await anext(answers)
        assert answer.type == "rowmill.job.accepted.v1", answer.body
        return str(json.loads(answer.body)["subject"])


async def records(fleet: Fleet, table: str) -> list[dict[str, object]]:
    async with fleet.session.get(f"{fleet.url}/v1/records/{table}") as answer:
        body = await answer.json()
        assert answer.status == 200, body
        return list(body["records"])

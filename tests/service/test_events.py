"""Server-Sent Events: what comes, what a client that reconnects gets, and what one that does not read can cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from protocol.envelopes import decode
from protocol.job import Job, Report
from protocol.messages import JobChanged
from service.limits import Limits
from service.live import Mailbox
from tests.service.house import DEADLINE, House, keep, soon
from tests.service.test_strangers import count_rest, dropped


class Reader:
    """Reads a stream as the standard says: fields to a blank line, and comments that mean nothing."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer, self.comments = answer, 0

    async def next(self) -> tuple[str, Any] | None:
        """The next event's id and data; None at the end."""
        fields: dict[str, str] = {}
        while line := (await soon(self._answer.content.readline())).decode():
            name, _, value = line.rstrip("\n").partition(":")
            self.comments += line.startswith(":")
            if line == "\n" and "data" in fields:
                return fields["id"], json.loads(fields["data"])
            fields = {} if line == "\n" else fields | {name: value.removeprefix(" ")}
        return None


@asynccontextmanager
async def following(house: House, job_id: str, last: str | None = None) -> AsyncIterator[Reader]:
    headers = {} if last is None else {"Last-Event-ID": last}
    async with house.http.get(f"/v1/jobs/{job_id}/events", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        yield Reader(answer)


async def test_a_follower_sees_the_job_as_it_is_then_each_newer_version_then_the_end(house: House) -> None:
    await house.submit()
    job = await house.consumer.next_job()
    async with following(house, job.id) as events:
        first = await events.next()
        assert first
        assert first[0] == "0"
        assert decode(json.dumps(first[1]).encode()) == JobChanged(job=job)
        job = await house.consumer.start(job)
        job = await house.consumer.tell(job.revise(report=Report(headline="line\nbreak\r\u2028")))
        await house.consumer.finish(job)
        seen = [await events.next() for _ in range(3)]
        assert [(event[0], event[1]["type"].split(".")[2]) for event in seen if event] == [
            ("1", "running"),
            ("2", "progress"),
            ("3", "succeeded"),
        ]
        assert await events.next() is None


@pytest.mark.parametrize(
    ("last", "versions"), [("0", ["1"]), ("1", ["2"]), ("-1", ["1"]), ("9" * 30, ["1"]), ("x", ["1"])]
)
async def test_who_comes_again_gets_what_is_newer_than_the_last_that_was_seen(
    house: House, last: str, versions: list[str]
) -> None:
    await house.submit()
    job = await house.consumer.start(await house.consumer.next_job())
    async with following(house, job.id, last) as events:
        if last == "1":
            await house.consumer.finish(job)
        assert [event[0] for event in [await events.next()] if event] == versions


async def test_who_has_seen_the_end_is_told_not_to_come_again(house: House) -> None:
    await house.submit()
    job = await house.consumer.finish(await house.consumer.next_job())
    async with following(house, job.id, "1") as events:
        assert (await events.next() or "")[0] == "2"
        assert await events.next() is None
    async with house.http.get(f"/v1/jobs/{job.id}/events", headers={"Last-Event-ID": "2"}) as answer:
        assert answer.status == 204
    assert (await house.get(f"/v1/jobs/{'0' * 32}/events"))[0] == 404


async def test_a_quiet_stream_shows_signs_of_life(tmp_path: Path) -> None:
    async with keep(tmp_path, Limits(heartbeat=0.02)) as house:
        await house.submit()
        job = await house.consumer.next_job()
        async with following(house, job.id) as events:
            await events.next()
            reading = asyncio.create_task(events.next())
            async with asyncio.timeout(DEADLINE):
                while events.comments < 2:  # noqa: ASYNC110 - nobody tells of a comment
                    await asyncio.sleep(0.001)
            await house.consumer.start(job)
            assert (await soon(reading))[0] == "1"


async def test_a_service_that_stops_ends_the_stream(tmp_path: Path) -> None:
    async with keep(tmp_path) as house:
        job = await house.submit()
        answer = await house.http.get(f"/v1/jobs/{job['id']}/events")
    events = Reader(answer)
    assert (await events.next() or "")[0] == "0"
    assert await events.next() is None


async def test_followers_are_counted_with_the_watchers_and_turned_away_when_there_are_too_many(tmp_path: Path) -> None:
    async with keep(tmp_path, Limits(clients=1)) as house:
        job = await house.submit()
        async with following(house, job["id"]) as events:
            await events.next()
            status, problem, headers = await house.get(f"/v1/jobs/{job['id']}/events")
            assert (status, problem["type"], headers["Retry-After"]) == (503, "/problems/busy", "10")


async def test_a_follower_that_does_not_read_is_dropped(tmp_path: Path) -> None:
    async with keep(tmp_path, Limits(send=0.2)) as house:
        await house.submit()
        job = await house.consumer.start(await house.consumer.next_job())
        reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]), limit=4096)
        writer.write(f"GET /v1/jobs/{job.id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await soon(reader.readuntil(b"retry: 2000"))
        job = await told_until_dropped(house, job)
        assert await soon(count_rest(reader)) < job.version * 2**20
        writer.close()


async def told_until_dropped(house: House, job: Job) -> Job:
    """Large versions one after the other: they fill what the two kernels hold for the connection."""
    async with asyncio.timeout(30):
        while "1.0" not in await dropped(house):
            job = await house.consumer.tell(job.revise(report=Report(headline="x" * 2**20)))
    return job


async def test_a_version_that_comes_late_is_not_sent_again(new_job: Any) -> None:
    from service.jobs.events import frames  # noqa: PLC0415 - only this test looks inside

    mailbox = Mailbox(closed=True)
    sent = [piece async for piece in frames(new_job(version=3), mailbox, 3, 1.0)]
    assert not [piece for piece in sent if b"data" in piece]

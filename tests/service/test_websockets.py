"""Watching jobs live: what is sent, in which order, and what a client that does not read can cost."""

from __future__ import annotations

import asyncio
import base64
import ctypes
import os
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from protocol.envelopes import decode
from protocol.job import Job, Report, State
from protocol.messages import JobChanged
from service.limits import Limits
from service.live import Hub
from tests.service.house import House, keep, now, soon


@asynccontextmanager
async def watching(house: House, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with house.http.ws_connect(path) as connected:
        yield connected


async def test_a_watcher_sees_the_job_as_it_is_then_each_newer_version_then_the_end(house: House) -> None:
    submitted = await house.submit()
    job = await house.consumer.next_job()
    async with watching(house, f"/v1/jobs/{job.id}/stream") as client:
        first = await soon(client.receive())
        envelope = first.json()
        assert envelope["data"] == submitted
        assert (envelope["specversion"], envelope["subject"]) == ("1.0", job.id)
        assert envelope["type"] == "rowmill.job.queued.v1"
        assert decode(first.data.encode()) == JobChanged(job=job)
        job = await house.consumer.start(job)
        assert (await soon(client.receive())).json()["type"] == "rowmill.job.running.v1"
        job = await house.consumer.tell(job.revise(report=Report(headline="half")))
        assert (await soon(client.receive())).json()["type"] == "rowmill.job.progress.v1"
        await house.consumer.finish(job)
        assert (await soon(client.receive())).json()["type"] == "rowmill.job.succeeded.v1"
        assert (await soon(client.receive())).type is aiohttp.WSMsgType.CLOSE
        assert client.close_code == 1000


async def test_whoever_comes_after_the_end_gets_it_once(house: House) -> None:
    await house.submit()
    job = await house.consumer.finish(await house.consumer.next_job())
    async with watching(house, f"/v1/jobs/{job.id}/stream") as client:
        assert [message.json()["data"]["state"] async for message in client] == ["succeeded"]
        assert client.close_code == 1000


async def test_one_stream_shows_every_job_or_those_that_are_wanted(house: House) -> None:
    async with (
        watching(house, "/v1/stream") as every,
        watching(house, "/v1/stream?kind=profile") as profiles,
        watching(house, "/v1/stream?state=succeeded,failed") as ends,
    ):
        for kind in ("sales", "profile"):
            await house.submit(kind=kind)
            await house.consumer.finish(await house.consumer.next_job())
        for kind in ("sales", "profile"):
            assert {job["kind"] for job in await until_end(every)} == {kind}
        assert {job["kind"] for job in await until_end(profiles)} == {"profile"}
        assert [(await data(ends))["kind"] for _ in range(2)] == ["sales", "profile"]


async def until_end(client: aiohttp.ClientWebSocketResponse) -> list[Any]:
    """What a watcher sees until a job has succeeded; versions in quick succession may be skipped."""
    seen = [await data(client)]
    while seen[-1]["state"] != "succeeded":
        seen.append(await data(client))
    return seen


async def data(client: aiohttp.ClientWebSocketResponse) -> Any:
    return (await soon(client.receive())).json()["data"]


async def test_a_new_job_is_seen_by_those_who_watch_all(house: House) -> None:
    async with watching(house, "/v1/stream") as client:
        job = await house.submit()
        assert await data(client) == job


async def test_a_deleted_job_is_told_to_those_who_watch_all_that_are_like_it(house: House) -> None:
    async with watching(house, "/v1/stream") as every, watching(house, "/v1/stream?kind=profile") as profiles:
        job = await house.submit(kind="sales")
        await house.consumer.finish(await house.consumer.next_job())
        last = (await until_end(every))[-1]
        async with house.http.delete(f"/v1/jobs/{job['id']}") as answer:
            assert answer.status == 204
        told = (await soon(every.receive())).json()
        assert (told["type"], told["subject"], told["data"]) == ("rowmill.job.deleted.v1", job["id"], last)
        assert told["id"] == f"{job['id']}.{last['version']}.deleted"
        await house.submit(kind="profile")
        assert (await data(profiles))["kind"] == "profile"


async def test_a_stream_of_no_job_or_without_a_websocket_is_a_problem(house: House) -> None:
    job = await house.submit()
    assert (await house.get("/v1/stream"))[0] == 426
    assert (await house.get(f"/v1/jobs/{job['id']}/stream"))[0] == 426
    for path, status in ((f"/v1/jobs/{'0' * 32}/stream", 404), ("/v1/stream?state=done", 400)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await house.http.ws_connect(path)
        assert refused.value.status == status


async def test_more_watchers_than_there_may_be_are_turned_away(tmp_path: Path) -> None:
    async with keep(tmp_path, Limits(clients=1)) as house, watching(house, "/v1/stream"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await house.http.ws_connect("/v1/stream")
        assert refused.value.status == 503


async def test_a_foreign_page_may_not_listen(house: House) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await house.http.ws_connect("/v1/stream", origin="https://evil.example")
    assert refused.value.status == 403
    async with house.http.ws_connect("/v1/stream", origin=house.url):
        pass


async def test_a_service_that_stops_says_so_to_those_who_watch(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with keep(tmp_path) as house:
            job = await house.submit()
            client = await stack.enter_async_context(watching(house, f"/v1/jobs/{job['id']}/stream"))
            await soon(client.receive())
            closing = asyncio.create_task(soon(client.receive()))
        assert (await closing).type is aiohttp.WSMsgType.CLOSE
        assert client.close_code == 1001


def big(job: Job, step: int) -> Job:
    """A version whose event is larger than what a connection's buffers take in a few of."""
    return job.revise(report=Report(headline=str(step) * 100_000))


async def connect_and_never_read(house: House, path: str) -> socket.socket:
    """A websocket client with a small window that takes in the answer to its handshake and no more."""
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)  # noqa: FBT003 - its signature
    await loop.sock_connect(client, ("127.0.0.1", int(house.url.rpartition(":")[2])))
    key = base64.b64encode(os.urandom(16)).decode()
    await loop.sock_sendall(
        client,
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode(),
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += await soon(loop.sock_recv(client, 1))
    assert head.startswith(b"HTTP/1.1 101")
    return client


async def test_500_watchers_see_the_end_while_50_that_never_read_are_dropped(tmp_path: Path) -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096 if hard == resource.RLIM_INFINITY else min(4096, hard), hard))
    async with keep(tmp_path, Limits(send=5.0)) as house, AsyncExitStack() as stack:
        await house.submit()
        job = await house.consumer.start(await house.consumer.next_job())
        path = f"/v1/jobs/{job.id}/stream"
        for _ in range(50):
            stack.callback((await connect_and_never_read(house, path)).close)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(house.url, connector=aiohttp.TCPConnector(limit=0))
        )
        readers = [asyncio.create_task(read_on(http, path)) for _ in range(450)]
        await watchers(house, 500)
        before = resident()
        for step in range(10):
            job = await house.consumer.tell(big(job, step))
        await house.consumer.finish(job, report=Report(headline="end"))
        ends = await asyncio.wait_for(asyncio.gather(*readers), 60)
        assert {state for state, _code in ends} == {State.SUCCEEDED}
        assert {code for _state, code in ends} == {1000}
        await watchers(house, 0)
        assert metric(await text(house, "/metrics"), "rowmill_clients_dropped_total") == 50
        assert resident() - before < 150 * 2**20


def resident() -> int:
    """Bytes that are held; what was freed goes back to the system first, where that can be asked for."""
    with suppress(AttributeError):  # glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


async def test_a_mailbox_holds_the_newest_version_of_one_job_and_no_more(house: House) -> None:
    await house.submit()
    job = await house.consumer.next_job()
    hub = Hub()
    with hub.watch(job.id) as mailbox:
        for _ in range(100):
            job = job.revise()
            hub.publish(job)
        event = await mailbox.take()
        assert event
        assert event.job == job
        assert not mailbox._waiting
    assert hub.watchers == 0


async def test_a_deletion_is_told_even_to_who_has_not_yet_seen_the_last_version(house: House) -> None:
    await house.submit()
    job = await house.consumer.next_job()
    hub = Hub()
    with hub.watch_all(2, lambda _job: True) as mailbox:
        hub.publish(job)
        hub.forget(job)
        event = await mailbox.take()
        assert event
        assert event.last
        assert not mailbox._waiting


async def read_on(http: aiohttp.ClientSession, path: str) -> tuple[str, int | None]:
    state = ""
    async with http.ws_connect(path, max_msg_size=0) as client:
        async for message in client:
            state = message.json()["data"]["state"]
        return state, client.close_code


async def watchers(house: House, count: int) -> None:
    """Ask until so many are there: nobody is told when a client comes or goes."""
    async with asyncio.timeout(30):
        while metric(await text(house, "/metrics"), "rowmill_watchers") != count:
            pass


async def text(house: House, path: str) -> str:
    async with house.http.get(path) as answer:
        return await answer.text()


def metric(metrics: str, name: str) -> float:
    return next(float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith(name + " "))


async def test_a_mailbox_that_falls_behind_by_more_jobs_than_it_has_room_for_closes(house: House) -> None:
    await house.submit()
    job = await house.consumer.next_job()
    hub = Hub()
    with hub.watch_all(2, lambda _job: True) as mailbox:
        for number in range(3):
            hub.publish(job.model_copy(update={"id": str(number)}))
        assert await mailbox.take() is None
        assert mailbox.behind


async def test_who_falls_behind_by_more_jobs_than_it_may_is_let_go(tmp_path: Path) -> None:
    async with keep(tmp_path, Limits(send=0.5, backlog=5)) as house:
        client = await connect_and_never_read(house, "/v1/stream")
        await house.submit()
        job = await house.consumer.next_job()
        for number in range(40):
            other = job.model_copy(update={"id": f"{number:032x}", "created_at": now()})
            await house.consumer.tell(big(other, 1))
        await watchers(house, 0)
        client.close()

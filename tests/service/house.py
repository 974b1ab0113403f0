"""A really bound service on a database and a folder of its own, and a consumer small enough to be steered."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from protocol.config import Settings
from protocol.databases import Database, open_database
from protocol.files import Files, open_files
from protocol.job import Artefact, Job, State
from protocol.kinds import KindInfo, NeededColumn
from protocol.messages import CONTROL, JOBS, CancelJob, ConsumerReady, ForgetJob, JobChanged, PruneJob, RetryJob
from protocol.records import RecordColumn, RecordTable
from protocol.transports import Transport, open_transport
from service.app import serve
from service.limits import Limits

DEADLINE = 10.0
TABLE = b"region,product,revenue,quantity,discount\nNorth,A,100,10,0.10\nSouth,B,80,10,0.05\n"
PARAMS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "sigma": {"type": "number", "exclusiveMinimum": 0, "default": 2.0},
        "encoding": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "delimiter": {"anyOf": [{"enum": [",", ";", "\t", "|"], "type": "string"}, {"type": "null"}], "default": None},
        "decimal": {"enum": [".", ","], "type": "string", "default": "."},
    },
}
NEEDED = ("region", "revenue", "quantity", "discount")
SALES = KindInfo(
    name="sales",
    title="Sales",
    params=PARAMS,
    columns=tuple(NeededColumn(name=name, type="text" if name == "region" else "number") for name in NEEDED),
    merges=True,
    build="b1",
)
USERS = KindInfo(
    name="users",
    title="Load users",
    params=PARAMS,
    columns=(NeededColumn(name="real_name", required=False), NeededColumn(name="email")),
    names=("real_name", "email"),
    surplus="ignore",
    table=RecordTable(
        name="users",
        columns=(RecordColumn(name="real_name"), RecordColumn(name="email", length=254, caseless=True)),
        unique=("email",),
    ),
)
PROFILE = KindInfo(name="profile", title="Profile", params=PARAMS)


@dataclass
class Consumer:
    """Takes commands off the real transport; tests say what becomes of the jobs."""

    database: Database
    transport: Transport
    files: Files
    ran: asyncio.Queue[Job] = field(default_factory=asyncio.Queue)
    asked: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)

    async def tell(self, job: Job) -> Job:
        """Return once the service has stored the event: then it confirms it."""
        await soon(self.transport.publish(JobChanged(job=job)))
        return job

    async def announce(self, *kinds: KindInfo, name: str = "double") -> None:
        await soon(self.transport.publish(ConsumerReady(consumer=name, kinds=kinds)))

    async def start(self, job: Job) -> Job:
        return await self.tell(job.move(State.RUNNING, at=now(), reason="taken", attempt=1))

    async def finish(self, job: Job, to: State = State.SUCCEEDED, **changes: Any) -> Job:
        if job.state is State.QUEUED:
            job = await self.start(job)
        return await self.tell(job.move(to, at=now(), reason="done", finished_at=now(), **changes))

    async def make(self, job: Job, name: str, data: bytes, media_type: str = "text/csv") -> Artefact:
        """Store an artefact as a consumer does."""
        await self.files.put(job.artefact_key(name), data)
        return Artefact(
            name=name,
            media_type=media_type,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            url=f"/v1/jobs/{job.id}/artefacts/{name}",
        )

    async def next_job(self) -> Job:
        return await soon(self.ran.get())

    async def next_command(self) -> CancelJob | ForgetJob | PruneJob | RetryJob:
        return await soon(self.asked.get())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_jobs())
            group.create_task(self._take_control())

    async def _take_jobs(self) -> None:
        async for delivery in self.transport.subscribe(JOBS, prefetch=10):
            message = delivery.message
            (self.asked if isinstance(message, RetryJob) else self.ran).put_nowait(
                message if isinstance(message, RetryJob) else message.job
            )
            await delivery.ack()

    async def _take_control(self) -> None:
        async for delivery in self.transport.subscribe(CONTROL, prefetch=10):
            self.asked.put_nowait(delivery.message)
            await delivery.ack()


@dataclass
class House:
    """The running service as a client sees it, and the folder behind it."""

    url: str
    http: aiohttp.ClientSession
    consumer: Consumer
    settings: Settings
    folder: Path

    async def submit(self, table: bytes = TABLE, status: int = 202, **query: str) -> dict[str, Any]:
        query = {"kind": "sales", "filename": "sales.csv"} | query
        headers = {"Content-Type": "text/csv"}
        async with self.http.post("/v1/jobs", data=table, params=query, headers=headers) as answer:
            body = await answer.json(content_type=None)
            assert answer.status == status, body
            return body

    async def get(self, path: str, **options: Any) -> tuple[int, Any, Any]:
        async with self.http.get(path, **options) as answer:
            text = await answer.text()
            return answer.status, (await answer.json(content_type=None) if text else None), answer.headers

    async def until(self, job_id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The job as soon as it is as wanted, by its websocket."""
        async with asyncio.timeout(DEADLINE), self.http.ws_connect(f"/v1/jobs/{job_id}/stream") as socket:
            async for message in socket:
                job = message.json()["data"]
                if wanted(job):
                    return job
        raise AssertionError("the stream ended before the job was as wanted")

    def stored(self) -> list[str]:
        """Every file that is stored, whole or not."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


async def refused_unfinished(house: House, head: str) -> dict[str, Any]:
    """The problem with which a table is refused of which only the beginning comes. Nothing of it is stored."""
    before = house.stored()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    try:
        writer.write(f"{head}Content-Length: 1000000\r\n\r\n".encode() + TABLE)
        answer = (await soon(reader.readuntil(b"\r\n\r\n"))).decode()
        assert answer.startswith("HTTP/1.1 422 ")
        assert "application/problem+json" in answer
        size = int(answer.lower().partition("content-length: ")[2].partition("\r\n")[0])
        problem: dict[str, Any] = json.loads(await soon(reader.readexactly(size)))
    finally:
        writer.close()
    assert house.stored() == before
    return problem


def now() -> datetime:
    return datetime.now(UTC)


async def soon(awaitable: Any) -> Any:
    async with asyncio.timeout(DEADLINE):
        return await awaitable


@asynccontextmanager
async def keep(folder: Path, limits: Limits | None = None, *, kinds: bool = True, **given: Any) -> AsyncIterator[House]:
    settings = Settings(data_dir=folder, _env_file=None, **({"port": 0} | given))
    async with AsyncExitStack() as clients, AsyncExitStack() as stack:  # clients outlive the service
        enter = stack.enter_async_context
        database = await enter(open_database(settings.database_url))
        files = await enter(open_files(settings.files_url))
        transport = await enter(open_transport(settings.broker_url))
        url = await enter(serve(settings, database, files, transport, limits=limits))
        http = await clients.enter_async_context(aiohttp.ClientSession(url))
        consumer = Consumer(database, transport, files)
        running = asyncio.create_task(consumer.run())
        house = House(url, http, consumer, settings, folder / "files")
        try:
            if kinds:
                await consumer.announce(SALES, PROFILE, USERS)
            yield house
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

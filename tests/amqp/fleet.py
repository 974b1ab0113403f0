"""Rowmill as it runs in earnest: a service and a consumer, processes of their own, with a broker between them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.family import all_ended, children, words
from tests.leash import Leash

DEADLINE = 120.0
FINAL = {"succeeded", "failed", "cancelled"}
LOOK = 0.05  # seconds between two looks


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Side:
    """`rowmill service` or `rowmill consumer`: its folder survives its process."""

    name: str
    home: Path
    settings: dict[str, str]
    leash: Leash
    process: asyncio.subprocess.Process | None = None
    family: list[psutil.Process] = field(default_factory=list)

    async def start(self) -> None:
        self.home.mkdir(exist_ok=True)
        with (self.home / "log.jsonl").open("ab") as log:
            command = [sys.executable, "-m", "rowmill", self.name]
            self.process = await asyncio.create_subprocess_exec(
                *command, cwd=self.home, env=self.environment, stdout=log, stderr=log
            )
        self.leash.hold(self.process.pid)

    @property
    def environment(self) -> dict[str, str]:
        others = {name: value for name, value in os.environ.items() if not name.startswith("ROWMILL_")}
        own = {f"ROWMILL_{name}": value for name, value in self.settings.items()}
        return others | own | {"ROWMILL_DATA_DIR": str(self.home / "data")}

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def pause(self) -> None:
        """SIGSTOP: it takes nothing in any more."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    async def kill(self) -> None:
        """SIGKILL; nothing of it stays."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.running:
            family = psutil.Process(self.process.pid).children(recursive=True)
            self.process.send_signal(number)
            async with asyncio.timeout(DEADLINE):
                await self.process.wait()
            await until(lambda: all_ended(family), "gone")
        self.leash.release(self.process.pid)
        return int(self.process.returncode or 0)

    def workers(self) -> list[psutil.Process]:
        """The worker processes: the children of the fork server."""
        assert self.process is not None
        servers = [child for child in children(psutil.Process(self.process.pid)) if "forkserver" in words(child)]
        return [worker for server in servers for worker in children(server)]

    @property
    def memory(self) -> int:
        """Resident bytes of the process itself."""
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def log(self) -> str:
        path = self.home / "log.jsonl"
        return path.read_text(errors="replace") if path.exists() else ""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]


@dataclass
class Fleet:
    """One service and one consumer on *broker*, with files they share."""

    folder: Path
    session: aiohttp.ClientSession
    broker: str
    leash: Leash
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        shared = {"BROKER_URL": self.broker, "FILES_URL": (self.folder / "files").as_uri(), "LOG_FORMAT": "json"}
        shared |= {"WORKERS": "2", "RETRY_DELAY": "0.2"}
        self.service = Side(
            "service", self.folder / "service", {**shared, "PORT": str(self.port), **self.settings}, self.leash
        )
        own = {"METRICS_PORT": str(self.metrics_port)}
        self.consumer = Side("consumer", self.folder / "consumer", {**shared, **own, **self.settings}, self.leash)

    @property
    def sides(self) -> Sequence[Side]:
        return self.service, self.consumer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        for side in self.sides:
            await side.start()
        await self.ready()

    async def start_service(self) -> None:
        await self.service.start()
        await self.ready()

    async def ready(self) -> None:
        """Both sides are up and know of each other."""
        await self.until(self._is_ready, "ready")

    async def _is_ready(self) -> bool:
        for side in self.sides:
            assert side.process is not None
            assert side.running, f"{side.name} ended with {side.process.returncode}\n{side.log()[-3000:]}"
        return (await self.readiness())[0] == 200

    async def readiness(self) -> tuple[int, dict[str, str]]:
        with contextlib.suppress(aiohttp.ClientError):
            async with self.session.get(f"{self.url}/readyz") as answer:
                return answer.status, (await answer.json())["parts"]
        return 0, {}

    async def figures(self) -> dict[str, float]:
        """What both sides have counted, by name and labels."""
        lines: list[str] = []
        for url in (f"{self.url}/metrics", f"http://127.0.0.1:{self.metrics_port}/metrics"):
            async with self.session.get(url) as answer:
                assert answer.status == 200
                lines += [line for line in (await answer.text()).splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    async def stop(self) -> list[int]:
        return [await side.stop() for side in self.sides if side.process]

    async def post(self, table: bytes, **fields: Any) -> tuple[int, dict[str, Any]]:
        form = aiohttp.FormData()
        headers = fields.pop("headers", {})
        for key, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                form.add_field(key, one if isinstance(one, str) else json.dumps(one))
        form.add_field("file", io.BytesIO(table), filename="table.csv", content_type="text/csv")
        async with self.session.post(f"{self.url}/v1/jobs", data=form, headers=headers) as answer:
            return answer.status, await answer.json()

    async def submit(self, table: bytes, **fields: Any) -> str:
        """The id of the accepted job."""
        status, body = await self.post(table, **fields)
        assert status == 202, body
        return str(body["id"])

    async def job(self, job_id: str) -> dict[str, Any]:
        async with self.session.get(f"{self.url}/v1/jobs/{job_id}") as answer:
            found: dict[str, Any] = await answer.json()
            assert answer.status == 200, found
            return found

    async def is_in(self, job_id: str, state: str) -> bool:
        return bool((await self.job(job_id))["state"] == state)

    async def ask(self, method: str, job_id: str, what: str = "") -> int:
        """POST …/cancel or …/retry, or DELETE; the status."""
        async with self.session.request(method, f"{self.url}/v1/jobs/{job_id}{what}") as answer:
            return answer.status

    async def finished(self, job_id: str, *, within: float = DEADLINE) -> dict[str, Any]:
        async with asyncio.timeout(within):
            while (job := await self.job(job_id))["state"] not in FINAL:
                headers = {"Prefer": "wait=20"}
                async with self.session.get(f"{self.url}/v1/jobs/{job_id}", headers=headers) as answer:
                    await answer.read()
            return job

    async def all_finished(self, job_ids: Sequence[str], *, within: float = DEADLINE) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(self.finished(job_id, within=within) for job_id in job_ids)))

    async def watch(self, job_id: str, seen: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first job on its stream for which *seen* holds."""
        async with asyncio.timeout(DEADLINE), self.session.ws_connect(f"{self.url}/v1/jobs/{job_id}/stream") as stream:
            async for message in stream:
                if message.type is aiohttp.WSMsgType.TEXT and seen(job := message.json()["data"]):
                    return dict(job)
        raise AssertionError("the stream ended before it was seen")

    async def artefact(self, job_id: str, name: str) -> bytes:
        async with self.session.get(f"{self.url}/v1/jobs/{job_id}/artefacts/{name}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()

    async def until(self, true: Callable[[], Any | Awaitable[Any]], what: str, *, within: float = DEADLINE) -> None:
        try:
            await until(true, what, within=within)
        except AssertionError as exc:
            logs = "\n".join(f"{side.name}: {side.log()[-3000:]}" for side in self.sides)
            raise AssertionError(f"{exc}\n{logs}") from None

    def mails(self) -> list[Path]:
        return sorted((self.consumer.home / "data" / "outbox").glob("*.eml"))

    def files(self) -> list[str]:
        root = self.folder / "files"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def until(true: Callable[[], Any | Awaitable[Any]], what: str, *, within: float = DEADLINE) -> None:
    """Look until *true*, or fail at the deadline."""
    try:
        async with asyncio.timeout(within):
            while True:
                found = true()
                if await found if isinstance(found, Awaitable) else found:
                    return
                await asyncio.sleep(LOOK)
    except TimeoutError:
        raise AssertionError(f"never {what}") from None

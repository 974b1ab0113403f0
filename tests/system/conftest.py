"""A whole Rowmill as a process of its own, used through its public interface and killed at will."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.family import all_ended, children, words

DEADLINE = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Rowmill:
    """One instance: `data` survives its process."""

    data: Path
    session: aiohttp.ClientSession
    settings: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROWMILL_")}
        own = {
            "DATA_DIR": str(self.data),
            "PORT": str(self.port),
            "LOG_FORMAT": "json",
            "WORKERS": "2",
            **self.settings,
        }
        environment |= {f"ROWMILL_{name}": value for name, value in own.items()}
        with (self.data.parent / "log.jsonl").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "rowmill", "up", cwd=self.data.parent, env=environment, stdout=log, stderr=log
            )
        await self.until(self.ready, "ready")

    async def ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, self.log()[-3000:]
        with contextlib.suppress(aiohttp.ClientError):
            async with self.session.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        return False

    async def kill(self) -> None:
        """SIGKILL, as the kernel does it when memory runs out; then nothing of it may be left."""
        assert self.process is not None
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await self.until(lambda: all_ended(family), "gone")

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            family = psutil.Process(self.process.pid).children(recursive=True)
            self.process.terminate()
            async with asyncio.timeout(DEADLINE):
                await self.process.wait()
            await self.until(lambda: all_ended(family), "gone")
        return int(self.process.returncode or 0)

    def workers(self) -> list[psutil.Process]:
        """The worker processes: the children of the fork server."""
        assert self.process is not None
        return [
            grandchild
            for child in children(psutil.Process(self.process.pid))
            if "forkserver" in words(child)
            for grandchild in children(child)
        ]

    def log(self) -> str:
        return (self.data.parent / "log.jsonl").read_text(errors="replace")

    async def submit(self, content: bytes | None, *, name: str = "table.csv", **fields: Any) -> dict[str, Any]:
        """The job, or a failed assertion with the problem."""
        status, body = await self.post(content, name=name, **fields)
        assert status in {200, 202}, body
        return body

    async def post(self, content: bytes | None, *, name: str = "table.csv", **fields: Any) -> tuple[int, Any]:
        form = aiohttp.FormData(default_to_multipart=True)
        for key, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                form.add_field(key, one if isinstance(one, str) else json.dumps(one))
        if content is not None:
            form.add_field("file", io.BytesIO(content), filename=name, content_type="text/csv")
        async with self.session.post(f"{self.url}/v1/jobs", data=form) as answer:
            return answer.status, await answer.json()

    async def job(self, job_id: str) -> dict[str, Any]:
        async with self.session.get(f"{self.url}/v1/jobs/{job_id}") as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def finished(self, job_id: str, *, within: float = DEADLINE) -> dict[str, Any]:
        async with asyncio.timeout(within):
            while (job := await self.job(job_id))["state"] not in {"succeeded", "failed", "cancelled"}:
                async with self.session.get(f"{self.url}/v1/jobs/{job_id}", headers={"Prefer": "wait=20"}) as answer:
                    await answer.read()
            return job

    async def watch(self, job_id: str, seen: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first job on its stream for which *seen* holds."""
        async with asyncio.timeout(DEADLINE), self.session.ws_connect(f"{self.url}/v1/jobs/{job_id}/stream") as socket_:
            async for message in socket_:
                event = message.json()
                if seen(event["data"]):
                    data: dict[str, Any] = event["data"]
                    return data
        raise AssertionError("the stream ended before it was seen")

    async def artefact(self, job_id: str, name: str) -> bytes:
        async with self.session.get(f"{self.url}/v1/jobs/{job_id}/artefacts/{name}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()

    async def records(self, table: str, limit: int = 200) -> list[dict[str, Any]]:
        """All rows of a table of the records, page by page."""
        found: list[dict[str, Any]] = []
        url: str | None = f"/v1/records/{table}?limit={limit}"
        while url:
            async with self.session.get(self.url + url) as answer:
                body = await answer.json()
                assert answer.status == 200, body
            found += body["records"]
            url = body["next"]
        return found

    async def until(self, true: Callable[[], Any | Awaitable[Any]], what: str, *, within: float = DEADLINE) -> None:
        """Look until *true*, or fail at the deadline."""
        try:
            async with asyncio.timeout(within):
                while True:
                    found = true()
                    if await found if isinstance(found, Awaitable) else found:
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"never {what}\n{self.log()[-3000:]}") from None

    def mails(self) -> list[Path]:
        return sorted((self.data / "outbox").glob("*.eml"))

    def files(self) -> list[str]:
        """What lies in the file store."""
        root = self.data / "files"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


Start = Callable[..., Awaitable[Rowmill]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts instances, each in a folder of its own; stops what still runs."""
    begun: list[Rowmill] = []
    async with aiohttp.ClientSession() as session:

        async def begin(**settings: str) -> Rowmill:
            home = tmp_path / f"rowmill{len(begun)}"
            home.mkdir()
            instance = Rowmill(home / "data", session, settings)
            begun.append(instance)
            await instance.start()
            return instance

        try:
            yield begin
        finally:
            for instance in begun:
                await instance.stop()


@pytest.fixture
def sales() -> Callable[[int], bytes]:
    """A sales table of about so many bytes, some of its rows dirty."""

    def make(size: int) -> bytes:
        block = "".join(
            f"{('North', 'South', 'East', 'West')[n % 4]},P{n:05d},{'abc' if n % 97 == 0 else n % 1000 / 7:.8}"
            f",{n % 13},{n % 5 / 100}\n"
            if n % 97
            else f"North,P{n:05d},abc,1,0.1\n"
            for n in range(10_000)
        )
        return ("region,product,revenue,quantity,discount\n" + block * (size // len(block) + 1)).encode()

    return make

"""A Rowmill of the benchmark's own: a process, a folder that goes away, a client, and its memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

BLOCK_ROWS = 20_000
DIRTY = 7  # which row of a hundred


def sales_block() -> bytes:
    """Some rows of a sales table, one in a hundred of them dirty."""
    regions = ("North", "South", "East", "West")
    rows = [f"{regions[n % 4]},P{n % 5000:05d},{_revenue(n)},{n % 13 + 1},{n % 30 / 100}" for n in range(BLOCK_ROWS)]
    return ("\n".join(rows) + "\n").encode()


def _revenue(n: int) -> str:
    return "n/a" if n % 100 == DIRTY else f"{n % 9973 / 7:.2f}"


def write_sales(path: Path, size: int) -> Path:
    """A sales table of about *size* bytes."""
    block = sales_block()
    with path.open("wb") as out:
        out.write(b"region,product,revenue,quantity,discount\n")
        for _ in range(size // len(block) + 1):
            out.write(block)
    return path


def resident(process: psutil.Process) -> float:
    """Megabytes."""
    return process.memory_info().rss / 2**20


@dataclass
class Peaks:
    """The most memory (MB resident) that the parent and any of its workers were seen with."""

    parent: float = 0.0
    worker: float = 0.0
    seen: set[int] = field(default_factory=set)

    def look(self, pid: int) -> None:
        parent = psutil.Process(pid)
        self.parent = max(self.parent, resident(parent))
        for child in parent.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                self.worker = max(self.worker, resident(child))


@dataclass
class Instance:
    url: str
    pid: int
    session: aiohttp.ClientSession

    async def submit(self, path: Path, kind: str = "sales") -> str:
        with path.open("rb") as data:
            where = f"{self.url}/v1/jobs?kind={kind}&filename={path.name}"
            async with self.session.post(where, data=data) as answer:
                body: dict[str, Any] = await answer.json()
                assert answer.status == 202, body
                return str(body["id"])

    async def finished(self, job_id: str) -> dict[str, Any]:
        while True:
            async with self.session.get(f"{self.url}/v1/jobs/{job_id}", headers={"Prefer": "wait=30"}) as answer:
                job: dict[str, Any] = await answer.json()
            if job["state"] in {"succeeded", "failed", "cancelled"}:
                assert job["state"] == "succeeded", job["problem"]
                return job


@contextlib.asynccontextmanager
async def instance(**settings: str) -> AsyncIterator[tuple[Instance, Path]]:
    """A running instance and a folder for the benchmark's files; both go away."""
    with tempfile.TemporaryDirectory(prefix="rowmill-bench-") as folder:
        async with running(Path(folder), **settings) as rowmill:
            yield rowmill, Path(folder)


@contextlib.asynccontextmanager
async def running(folder: Path, **settings: str) -> AsyncIterator[Instance]:
    """An instance whose data stay in *folder*, for another one to take up."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"DATA_DIR": f"{folder}/data", "PORT": str(port), "LOG_FORMAT": "json", **settings}
    environment = os.environ | {f"ROWMILL_{name}": value for name, value in own.items()}
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "rowmill", "up", cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
            await _ready(session, f"http://127.0.0.1:{port}")
            yield Instance(f"http://127.0.0.1:{port}", process.pid, session)
    finally:
        with contextlib.suppress(ProcessLookupError):  # the benchmark may have killed it
            process.terminate()
        await process.wait()


async def _ready(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(120):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)

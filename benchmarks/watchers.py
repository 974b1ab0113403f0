"""A thousand websocket watchers of one job: how many deliveries a second a service makes, each on its own or coalesced.

On their own: each version is told once everybody has the one before. Coalesced: versions are told as fast as they are
stored; who is behind gets the newest, which counts as a delivery of all that it stands for. The service shares a
process with whoever tells it of versions, over the embedded transport; the watchers have one of their own.

    python benchmarks/watchers.py [--watchers 1000] [--seconds 5] [--rounds 3] [--markdown] [--json watchers.json]
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent.parent))

import sheet

from protocol import config
from protocol.databases import open_database
from protocol.files import open_files
from protocol.job import Job, Progress, Source, State
from protocol.messages import JobChanged
from protocol.transports import Transport, open_transport
from service import app

ID = "0" * 32
VERSION = re.compile(rb'"version":(\d+)')
AT_ONCE = 32  # versions on their way into the service, when they are told as fast as they are stored
GOALS = {"each on its own": 50_000, "coalesced": 1_000_000}


class Watcher(asyncio.Protocol):
    """Reads frames, and knows the newest version in them."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd, self._data, self._open = crowd, b"", False
        self.version = -1

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._open:
            head, found, self._data = self._data.partition(b"\r\n\r\n")
            if not found:
                self._data = head
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._open = True
        while self._frame():
            pass

    def _frame(self) -> bool:
        """Take one frame that is there as a whole."""
        data = self._data
        if len(data) < 4:
            return False
        size, begin = data[1] & 127, 2
        if size == 126:
            size, begin = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, begin = int.from_bytes(data[2:10], "big"), 10
        if len(data) < begin + size:
            return False
        if data[0] & 15 == 1 and (found := VERSION.search(data, begin, begin + size)):
            self._crowd.see(self, int(found[1]))
        self._data = data[begin + size :]
        return True


class Crowd:
    """All watchers; prints each version that all of them have."""

    def __init__(self, size: int) -> None:
        self._size, self._behind, self.frames = size, {}, 0  # type: ignore[var-annotated]
        self._said = -1

    def see(self, watcher: Watcher, version: int) -> None:
        self.frames += 1
        self._behind[version] = self._behind.get(version, 0) + 1
        if watcher.version >= 0:
            self._behind[watcher.version] -= 1
            if not self._behind[watcher.version]:
                del self._behind[watcher.version]
        watcher.version = version
        if self._behind[version] == self._size and version > self._said:
            self._said = version
            print(version, self.frames, flush=True)


async def watch(url: str, count: int) -> None:
    """The process of the watchers."""
    where, crowd = urlsplit(url), Crowd(count)
    lines = [f"GET /v1/jobs/{ID}/stream HTTP/1.1", f"Host: {where.netloc}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13", "", ""]
    for _ in range(count):
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: Watcher(crowd), where.hostname, where.port
        )
        transport.write("\r\n".join(lines).encode())
    await asyncio.Event().wait()


def running_job() -> Job:
    now = datetime.now(UTC)
    source = Source(name="sales.csv", size=10**9, sha256="0" * 64)
    return Job(id=ID, kind="sales", source=source, created_at=now).move(State.RUNNING, at=now, reason="taken")


def later(job: Job) -> Job:
    return job.revise(progress=Progress(phase="reading", bytes_total=10**9, bytes_done=job.version * 1000))


class Audience:
    """What the watchers' process says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        self._lines, self.frames = process.stdout, 0

    async def until(self, version: int) -> None:
        """Everybody has this version, or a later one."""
        async with asyncio.timeout(120):
            while True:
                seen, frames = map(int, (await self._lines.readline()).split())
                if seen >= version:
                    self.frames = frames
                    return


async def one_by_one(transport: Transport, job: Job, audience: Audience, seconds: float) -> tuple[Job, int]:
    """How many versions were told and seen by all."""
    told, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        job = later(job)
        await transport.publish(JobChanged(job=job))
        await audience.until(job.version)
        told += 1
    return job, told


async def at_once(transport: Transport, job: Job, audience: Audience, seconds: float) -> tuple[Job, int]:
    told, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        versions = []
        for _ in range(AT_ONCE):
            job = later(job)
            versions.append(JobChanged(job=job))
        await asyncio.gather(*map(transport.publish, versions))
        told += AT_ONCE
    await audience.until(job.version)
    return job, told


async def measure(watchers: int, seconds: float) -> dict[str, tuple[float, float]]:
    """Deliveries a second, and frames a second, for both ways."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    with tempfile.TemporaryDirectory(prefix="rowmill-bench-") as folder:
        settings = config.load(data_dir=Path(folder), port=0)
        async with (
            open_database(settings.database_url) as database,
            open_files(settings.files_url) as files,
            open_transport("embedded://") as transport,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(app.run(settings, database, files, transport, stop=stop, ready=ready.set_result))
            url, job = await ready, running_job()
            await transport.publish(JobChanged(job=job))
            process = await asyncio.create_subprocess_exec(
                sys.executable, __file__, "--watch", url, str(watchers), stdout=asyncio.subprocess.PIPE
            )
            audience, found = Audience(process), {}
            await audience.until(job.version)
            for name, way in (("each on its own", one_by_one), ("coalesced", at_once)):
                frames, began = audience.frames, time.perf_counter()
                job, told = await way(transport, job, audience, seconds)
                took = time.perf_counter() - began
                found[name] = (told * watchers / took, (audience.frames - frames) / took)
            process.kill()
            await process.wait()
            stop.set()
    return found


def rows(found: dict[str, tuple[float, float]]) -> Iterator[Sequence[object]]:
    yield "way", "deliveries/s", "frames/s", "goal"
    for name, (deliveries, frames) in found.items():
        yield name, f"{deliveries:,.0f}", f"{frames:,.0f}", f"{GOALS[name]:,}"


async def main() -> None:
    parser = sheet.parser(__doc__)
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rounds = [await measure(asked.watchers, asked.seconds) for _ in range(asked.rounds)]
    middle = {
        name: (statistics.median(one[name][0] for one in rounds), statistics.median(one[name][1] for one in rounds))
        for name in GOALS
    }
    sheet.tell(asked, list(rows(middle)), middle)


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most) if most > 0 else 4096, most))
    os.environ.setdefault("ROWMILL_LOG_FORMAT", "console")
    if sys.argv[1:2] == ["--watch"]:
        asyncio.run(watch(sys.argv[2], int(sys.argv[3])))
    else:
        asyncio.run(main())

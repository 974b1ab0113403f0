"""Small jobs (55 KB of sales), one and 32 at a time: Rowmill over HTTP and AMQP beside Celery, Dramatiq and taskiq.

All have the same machine, broker, two worker processes and client, and take turns. What is counted is the CPU time and
memory (weighing.py) of everything but the broker and the client. Peers answer for their own form of the analysis
(peers/analysis.py). Whoever submits waits in that request, for all alike; by message, for the answer. Nobody is polled.
Each job has a table of its own, and what all find in it is compared.

    python benchmarks/small_jobs.py [--jobs 200] [--rounds 3] [--only rowmill-http celery] [--markdown] [--json PATH]
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import math
import os
import random
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import aio_pika
import aiohttp
import psutil

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import sheet  # noqa: E402
import weighing  # noqa: E402

from consumer.executors.processes import QUIET  # noqa: E402
from tests.rabbitmq import Node  # noqa: E402

SIZE = 55_000
KEPT = 0.99  # of the rows, about
COLUMNS = ("", "at once", "jobs", "jobs/s", "p50 ms", "p99 ms", "CPU ms/job", "MB idle", "MB loaded")
RATIOS = ("to Celery", "CPU to it", "to kernel", "to fastest")
PEERS = ("celery", "dramatiq", "taskiq")
FOUND, NEAR = ("kept", "mean", "std", "anomalies"), 1e-9  # sums of doubles depend on their order, ours do not
right: dict[int, dict[str, float]] = {}  # by table
FINAL = {"succeeded", "failed", "cancelled"}
Submit = Callable[[bytes], Awaitable[dict[str, Any]]]


@cache
def table(seed: int) -> bytes:
    """A sales table of SIZE bytes, one row in a hundred dirty."""
    rng = random.Random(seed)
    lines, size = ["region,product,revenue,quantity,discount"], 0
    while size < SIZE:
        revenue = "n/a" if rng.random() > KEPT else f"{rng.uniform(1, 1000):.2f}"
        region = rng.choice(["North", "South", "East", "West"])
        lines.append(f"{region},P{rng.randint(1, 99):03d},{revenue},{rng.randint(1, 40)},{rng.choice([0, 0.05, 0.1])}")
        size += len(lines[-1]) + 1
    return "\n".join([*lines, ""]).encode()


@dataclass(frozen=True)
class Figures:
    name: str
    at_once: int
    jobs: int
    jobs_per_second: float
    p50_ms: float
    p99_ms: float  # with less than 100 jobs the slowest
    cpu_ms_per_job: float
    idle_mb: float
    loaded_mb: float


class Crowd:
    """The processes of one contestant."""

    def __init__(self, *processes: asyncio.subprocess.Process) -> None:
        self._roots = [psutil.Process(process.pid) for process in processes]

    @property
    def pid(self) -> int:
        """Of the first one."""
        return self._roots[0].pid

    def _all(self) -> list[psutil.Process]:
        return [one for root in self._roots for one in weighing.family(root.pid)]

    def cpu(self) -> float:
        """Seconds, children that have ended included."""
        return weighing.cpu(self._all())

    def memory(self) -> float:
        """Megabytes of all together, without the page cache."""
        return weighing.together(self._all())


@contextlib.asynccontextmanager
async def running(folder: Path, commands: Sequence[Sequence[str]], **settings: str) -> AsyncIterator[Crowd]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | settings
    processes = []
    with (folder / "log").open("ab") as log:
        for command in commands:
            run = asyncio.create_subprocess_exec(*command, cwd=folder, env=environment, stdout=log, stderr=log)
            processes.append(await run)
    try:
        yield Crowd(*processes)
    finally:
        family = [one for process in processes for one in _children(process.pid)]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in processes:
            try:
                await asyncio.wait_for(process.wait(), 30)
            except TimeoutError:
                process.kill()
        for one in family:  # some leave theirs behind
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


async def until_up(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(90):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    if answer.status < 400:
                        return
            await asyncio.sleep(0.1)


def body(data: bytes) -> bytes | io.BytesIO:
    """What a form may hold: of many bytes the client would send all at once, and do nothing else meanwhile."""
    return data if len(data) < 2**20 else io.BytesIO(data)


@contextlib.asynccontextmanager
async def peer(
    name: str, broker: str, session: aiohttp.ClientSession, folder: Path
) -> AsyncIterator[tuple[Crowd, Submit]]:
    url, module = f"http://127.0.0.1:{(port := free_port())}", f"benchmarks.peers.with_{name}"
    bins = str(Path(sys.executable).parent)
    celery = [f"{bins}/celery", "-A", module, "worker", "--concurrency", "2", "--loglevel", "WARNING"]
    worker = {
        "celery": celery,
        "kernel": ["env", *(f"{key}={value}" for key, value in QUIET.items()), *celery],
        "dramatiq": [f"{bins}/dramatiq", module, "--processes", "2", "--threads", "1"],
        "taskiq": [f"{bins}/taskiq", "worker", f"{module}:broker", "--workers", "2", "--log-level", "WARNING"],
    }[name]

    async def one(data: bytes) -> dict[str, Any]:
        form = aiohttp.FormData()
        form.add_field("file", body(data), filename="sales.csv", content_type="text/csv")
        async with session.post(f"{url}/jobs?wait=30", data=form) as answer:
            job = await answer.json()
        while job["result"] is None:
            async with session.get(f"{url}/jobs/{job['id']}?wait=30") as answer:
                job = await answer.json()
        assert "kept" in job["result"], job
        return dict(job["result"])

    settings = {"PEER": name, "PEER_BROKER": broker, "PEER_FOLDER": str(folder)}
    async with running(folder, [worker, uvicorn("front", port)], **settings) as crowd:
        await until_up(session, f"{url}/docs")
        yield crowd, one


def uvicorn(module: str, port: int) -> list[str]:
    """How a peer's web side is run, with all that `fastapi[standard]` brings for speed."""
    command = [sys.executable, "-m", "uvicorn", f"benchmarks.peers.{module}:app", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return [*command, "--timeout-keep-alive", "600"]  # a connection that it ends may just be used again


@contextlib.asynccontextmanager
async def rowmill(
    name: str, broker: str, session: aiohttp.ClientSession, folder: Path
) -> AsyncIterator[tuple[Crowd, Submit]]:
    """`rowmill-http` and `rowmill-amqp` are two processes and the broker, `rowmill-embedded` is one and none."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    settings = {
        "ROWMILL_PORT": str(port),
        "ROWMILL_FILES_URL": (folder / "files").as_uri(),
        "ROWMILL_WORKERS": "2",
        "ROWMILL_CHARTS": "false",  # the peers draw none
    }
    run = [sys.executable, "-m", "rowmill"]
    async with contextlib.AsyncExitStack() as stack:
        if name == "rowmill-embedded":
            crowd = await stack.enter_async_context(running(folder, [[*run, "up"]], **settings))
        else:
            settings["ROWMILL_BROKER_URL"] = broker
            sides = []
            for side in ("service", "consumer"):
                own = settings | {"ROWMILL_DATABASE_URL": f"sqlite:///{folder}/{side}.db"}
                sides.append(await stack.enter_async_context(running(folder, [[*run, side]], **own)))
            crowd = Crowd()
            crowd._roots = [root for side in sides for root in side._roots]  # noqa: SLF001
        await until_up(session, f"{url}/readyz")
        by_message = await stack.enter_async_context(sender(broker)) if name == "rowmill-amqp" else None
        yield crowd, by_message or by_http(session, url)


def by_http(session: aiohttp.ClientSession, url: str) -> Submit:
    wait = {"Prefer": "wait=30"}

    async def one(data: bytes) -> dict[str, Any]:
        form = aiohttp.FormData({"kind": "sales"})
        form.add_field("file", body(data), filename="sales.csv", content_type="text/csv")
        async with session.post(f"{url}/v1/jobs", data=form, headers=wait) as answer:
            job = await answer.json()
        while job["state"] not in FINAL:
            async with session.get(f"{url}/v1/jobs/{job['id']}", headers=wait) as answer:
                job = await answer.json()
        assert job["state"] == "succeeded", job["problem"]
        return dict(job["report"]["numbers"])

    return one


@contextlib.asynccontextmanager
async def sender(broker: str) -> AsyncIterator[Submit]:
    """Another service: a table as a message, the answers to a queue of its own."""
    waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def hear(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        job = json.loads(message.body)["data"]
        if job.get("state") in FINAL and message.correlation_id in waiting:
            waiting[message.correlation_id].set_result(job)

    async with await aio_pika.connect(broker) as connection:
        channel = await connection.channel()
        answers = await channel.declare_queue(exclusive=True)
        await answers.consume(hear, no_ack=True)
        exchange = await channel.get_exchange("rowmill", ensure=False)

        async def one(data: bytes) -> dict[str, Any]:
            name = random.randbytes(8).hex()
            waiting[name] = asyncio.get_running_loop().create_future()
            message = aio_pika.Message(
                data,
                content_type="text/csv",
                headers={"kind": "sales", "filename": "sales.csv"},
                message_id=name,
                reply_to=answers.name,
                correlation_id=name,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await exchange.publish(message, routing_key="job.submit")
            job = await waiting[name]
            return dict(job["report"]["numbers"])

        yield one


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def measure(name: str, at_once: int, jobs: int, crowd: Crowd, one: Submit, idle: float) -> Figures:
    tables, took, room = [table(seed) for seed in range(jobs)], [], asyncio.Semaphore(at_once)

    async def timed(data: bytes) -> dict[str, Any]:
        async with room:
            began = time.perf_counter()
            numbers = await one(data)
            took.append(time.perf_counter() - began)
            return numbers

    cpu, began = crowd.cpu(), time.perf_counter()
    results = await asyncio.gather(*map(timed, tables))
    wall, cpu = time.perf_counter() - began, crowd.cpu() - cpu
    for seed, numbers in enumerate(results):
        agree(seed, numbers)
    return Figures(
        name,
        at_once,
        jobs,
        round(jobs / wall, 1),
        round(statistics.median(took) * 1000, 1),
        round(p99(took) * 1000, 1),
        round(cpu / jobs * 1000, 2),
        round(idle, 1),
        round(crowd.memory(), 1),
    )


def agree(seed: int, numbers: dict[str, Any]) -> None:
    """Hold what somebody found in a table against what the first one did."""
    for name, first in right.setdefault(seed, {name: numbers[name] for name in FOUND}).items():
        assert math.isclose(numbers[name], first, rel_tol=NEAR), (seed, name, numbers[name], first)


def p99(took: Sequence[float]) -> float:
    """What 99 of a hundred took at most."""
    return sorted(took)[math.ceil(len(took) * 0.99) - 1]


def slowest(value: float, count: int) -> str:
    """The p99 of so many as it is shown: of less than a hundred it is the slowest, and called that."""
    return f"{value:g}" if count >= 100 else f"{value:g} (slowest of {count})"


async def contest(name: str, broker: str, jobs: int, room: Path) -> list[Figures]:
    """In a folder that stays: to make files costs more where many were just removed, which the next one would pay."""
    start = rowmill if name.startswith("rowmill") else peer
    timeout = aiohttp.ClientTimeout(total=120)
    folder = Path(tempfile.mkdtemp(dir=room))
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session,
        start(name, broker, session, folder) as (crowd, one),
    ):
        await asyncio.gather(*(one(table(seed)) for seed in range(16)))  # pandas is loaded, everything is warm
        idle = crowd.memory()
        alone = await measure(name, 1, max(1, jobs // 2), crowd, one, idle)
        return [alone, await measure(name, 32, jobs, crowd, one, idle)]


def middle(figures: Sequence[Figures]) -> Figures:
    """The median of each figure over the rounds."""
    first, columns = figures[0], [asdict(each) for each in figures]
    numbers = {
        key: round(statistics.median(column[key] for column in columns), 1)
        for key in columns[0]
        if key not in {"name", "at_once", "jobs"}
    }
    return Figures(first.name, first.at_once, first.jobs, **numbers)


def rows(figures: Sequence[Figures]) -> Iterator[Sequence[object]]:
    """The last columns are ratios: of jobs/s, one of CPU time, to whom the same number of jobs was given at once."""
    yield [*COLUMNS, *RATIOS]
    for each in sorted(figures, key=lambda each: (each.at_once, -each.jobs_per_second)):
        others = {other.name: other for other in figures if other.at_once == each.at_once}
        shown = asdict(each) | {"p99_ms": slowest(each.p99_ms, each.jobs)}
        yield [*shown.values(), *ratios(each, others)]


def ratios(mine: Figures, others: dict[str, Figures]) -> Iterator[str]:
    """To Celery, with its CPU time, to Celery with our kernel, and to the fastest that has none of ours."""
    speeds = {name: other.jobs_per_second for name, other in others.items()}
    yield ratio(mine.jobs_per_second, speeds.get("celery"))
    yield ratio(mine.cpu_ms_per_job, others["celery"].cpu_ms_per_job if "celery" in others else None)
    yield ratio(mine.jobs_per_second, speeds.get("kernel"))
    yield ratio(mine.jobs_per_second, max((speeds[name] for name in PEERS if name in speeds), default=None))


def ratio(mine: float, other: float | None) -> str:
    return "-" if other is None else f"{mine / other:.2f}"


CONTESTANTS = ("rowmill-http", "rowmill-amqp", "rowmill-embedded", "kernel", *PEERS)


async def main() -> None:
    parser = sheet.parser(__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, default=CONTESTANTS)
    asked = parser.parse_args()
    found: dict[tuple[str, int], list[Figures]] = {}
    temporary = tempfile.TemporaryDirectory
    with temporary(prefix="rowmill-broker-") as folder, temporary(prefix="rowmill-bench-") as room:
        node = Node(Path(folder))
        node.start()
        try:
            await node.up()
            for _ in range(asked.rounds):
                for name in asked.only:
                    for figures in await contest(name, node.at(node.fresh_host()), asked.jobs, Path(room)):
                        found.setdefault((figures.name, figures.at_once), []).append(figures)
        finally:
            node.end()
    medians = [middle(figures) for figures in found.values()]
    sheet.tell(asked, list(rows(medians)), [asdict(each) for each in medians])


if __name__ == "__main__":
    asyncio.run(main())

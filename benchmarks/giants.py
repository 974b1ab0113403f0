"""A 60 KB job that comes every 0.1 s while four giants are there for two slots: p50 and p99, beside Celery's.

Celery has two workers and the same analysis in plain pandas; a small job waits there until a worker is free. `alone` is
what such a job takes where nothing else runs. For each giant that ends the next one comes, until all small jobs are
done.

    python benchmarks/giants.py [--mb 200] [--jobs 100] [--only rowmill celery] [--markdown] [--json giants.json]
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]

import sheet  # noqa: E402
from instance import write_sales  # noqa: E402
from small_jobs import p99, peer, rowmill, slowest  # noqa: E402

from tests.rabbitmq import Node  # noqa: E402

EVERY = 0.1  # seconds
GIANTS = 4
LIMIT = 1200  # seconds; who takes longer has lost a job
CONTESTANTS = ("rowmill", "celery")
COLUMNS = ("", "alone p50 s", "beside p50 s", "beside p99 s", "jobs", "giant p50 s", "giants")
Submit = Callable[[bytes], Awaitable[object]]


async def measure(one: Submit, giant: bytes, small: bytes, jobs: int) -> dict[str, float]:
    async def timed(data: bytes) -> float:
        began = time.perf_counter()
        await one(data)
        return time.perf_counter() - began

    async def keep_coming() -> list[float]:
        took = []
        while not over.is_set():
            took.append(await timed(giant))
        return took

    over = asyncio.Event()
    await asyncio.gather(*(one(small) for _ in range(4)))  # everything is loaded
    alone = [await timed(small) for _ in range(jobs // 2)]
    async with asyncio.TaskGroup() as group:
        giants = [group.create_task(keep_coming()) for _ in range(GIANTS)]
        begun = []
        for _ in range(jobs):
            await asyncio.sleep(EVERY)
            begun.append(group.create_task(timed(small)))
        beside = await asyncio.gather(*begun)
        over.set()
    ended = [seconds for each in giants for seconds in each.result()]
    return {
        "alone_p50": statistics.median(alone),
        "beside_p50": statistics.median(beside),
        "beside_p99": p99(beside),
        "jobs": len(beside),
        "giant_p50": statistics.median(ended),
        "giants": len(ended),
    }


async def contest(name: str, broker: str, size: int, jobs: int) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rowmill-bench-")))
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)))
        start = rowmill if name == "rowmill" else peer
        contestant = "rowmill-http" if name == "rowmill" else name
        _, one = await stack.enter_async_context(start(contestant, broker, session, folder))
        giant = write_sales(folder / "giant.csv", size).read_bytes()
        async with asyncio.timeout(LIMIT):
            return await measure(one, giant, giant[: giant.rindex(b"\n", 0, 60_000) + 1], jobs)


def rows(found: dict[str, dict[str, float]]) -> Iterator[Sequence[object]]:
    yield COLUMNS
    for name, figures in found.items():
        seconds = {key: round(value, 2) for key, value in figures.items()}
        shown = seconds | {"beside_p99": slowest(seconds["beside_p99"], int(figures["jobs"]))}
        yield [name, *shown.values()]


async def main() -> None:
    parser = sheet.parser(__doc__)
    parser.add_argument("--mb", type=float, default=float(os.environ.get("BENCH_MB", "200")))
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, default=CONTESTANTS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rowmill-broker-") as folder:
        node = Node(Path(folder), settings="")  # the broker's own limits: Celery acknowledges when a giant is done
        node.start()
        try:
            await node.up()
            found = {
                name: await contest(name, node.at(node.fresh_host()), int(asked.mb * 1e6), asked.jobs)
                for name in asked.only
            }
        finally:
            node.end()
    sheet.tell(asked, list(rows(found)), found)


if __name__ == "__main__":
    asyncio.run(main())

"""A 60 KB job that comes every half second while four giants run on two slots: p50 and p99, beside Celery's.

Celery has two workers and the same analysis in plain pandas; a small job waits there until a worker is free. `alone` is
what such a job takes where nothing else runs. Small jobs come as long as there are giants, but no more than `--jobs`.

    python benchmarks/giants.py [--mb 200] [--jobs 20] [--only rowmill celery] [--markdown] [--json giants.json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]

from instance import write_sales  # noqa: E402
from small_jobs import peer, rowmill  # noqa: E402

from tests.rabbitmq import Node  # noqa: E402

EVERY = 0.5  # seconds
GIANTS = 4
LIMIT = 1200  # seconds; who takes longer has lost a job
COLUMNS = ("", "alone p50 s", "beside p50 s", "beside p99 s", "giants s")
Submit = Callable[[bytes], Awaitable[object]]


async def measure(one: Submit, giant: bytes, small: bytes, jobs: int) -> dict[str, float]:
    async def timed(data: bytes) -> float:
        began = time.perf_counter()
        await one(data)
        return time.perf_counter() - began

    await asyncio.gather(*(one(small) for _ in range(4)))  # everything is loaded
    alone = [await timed(small) for _ in range(9)]
    giants = asyncio.gather(*(timed(giant) for _ in range(GIANTS)))
    begun = []
    while not giants.done() and len(begun) < jobs:
        await asyncio.sleep(EVERY)
        begun.append(asyncio.create_task(timed(small)))
    beside = sorted(await asyncio.gather(*begun))
    return {
        "alone_p50": statistics.median(alone),
        "beside_p50": statistics.median(beside),
        "beside_p99": beside[min(len(beside) - 1, int(len(beside) * 0.99))],
        "giants": max(await giants),
    }


async def contest(name: str, broker: str, size: int, jobs: int) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rowmill-bench-")))
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)))
        start = peer("celery", broker, session, folder)
        if name == "rowmill":
            start = rowmill("rowmill-http", broker, session, folder)
        _, one = await stack.enter_async_context(start)
        giant = write_sales(folder / "giant.csv", size).read_bytes()
        async with asyncio.timeout(LIMIT):
            return await measure(one, giant, giant[: giant.rindex(b"\n", 0, 60_000) + 1], jobs)


def show(found: dict[str, dict[str, float]], *, markdown: bool) -> None:
    row = "| {} | {} | {} | {} | {} |" if markdown else "{:10} {:>12} {:>13} {:>13} {:>10}"
    print(row.format(*COLUMNS))
    if markdown:
        print("|---|---:|---:|---:|---:|")
    for name, figures in found.items():
        print(row.format(name, *(f"{figure:.2f}" for figure in figures.values())))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=float(os.environ.get("BENCH_MB", "200")))
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--only", nargs="*", choices=("rowmill", "celery"), default=("rowmill", "celery"))
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", type=Path)
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
    show(found, markdown=asked.markdown)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(main())

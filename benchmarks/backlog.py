"""A consumer that comes late, and thousands of small jobs wait: how fast they are done, and in how much memory."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.amqp.fleet import Fleet
from tests.rabbitmq import Node

JOBS = int(os.environ.get("BENCH_JOBS", "5000"))
AT_ONCE = 8
PATIENCE = 3600.0  # seconds
TABLE = b"region,value_column\n" + b"".join(b"R%d,%d.5\n" % (row % 7, row) for row in range(50))


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Path(folder) / "rabbitmq")
        node.start()
        try:
            await node.up()
            async with aiohttp.ClientSession() as session:
                fleet = Fleet(Path(folder), session, node.at(node.fresh_host()), node.leash, {"CHARTS": "false"})
                await work_off(fleet)
                await fleet.stop()
        finally:
            node.end()


async def work_off(fleet: Fleet) -> None:
    await fleet.start()
    await fleet.consumer.stop()
    began = time.perf_counter()
    await submit_all(fleet)
    print(f"{JOBS:,} jobs of {len(TABLE)} bytes accepted in {time.perf_counter() - began:.1f} s, no consumer there")
    await fleet.consumer.start()
    began, peaks = time.perf_counter(), []
    while (states := await count(fleet)) != Counter(succeeded=JOBS):
        assert time.perf_counter() - began < PATIENCE, states
        peaks.append(fleet.consumer.memory / 1e6)
        await asyncio.sleep(0.5)
    seconds = time.perf_counter() - began
    first, last = max(peaks[: len(peaks) // 2]), max(peaks[len(peaks) // 2 :])
    print(f"all done in {seconds:.1f} s, {JOBS / seconds:.0f} jobs/s")
    print(f"consumer, most resident memory: {first:.0f} MB in the first half of that time, {last:.0f} MB in the second")


async def submit_all(fleet: Fleet) -> None:
    left = iter(range(JOBS))

    async def submit() -> None:
        for _ in left:
            await fleet.submit(TABLE, kind="summary")

    await asyncio.gather(*(submit() for _ in range(AT_ONCE)))


async def count(fleet: Fleet) -> Counter[str]:
    """Jobs by state, as the service sees them."""
    async with fleet.session.get(f"{fleet.url}/metrics") as answer:
        lines = [line for line in (await answer.text()).splitlines() if line.startswith("rowmill_jobs{")]
    return +Counter({line.split('"')[1]: int(float(line.rpartition(" ")[2])) for line in lines})


if __name__ == "__main__":
    asyncio.run(main())

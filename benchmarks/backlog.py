"""A consumer that comes late, and thousands of small jobs wait: how fast they are done, and in how much memory.

python benchmarks/backlog.py [--jobs 5000] [--markdown] [--json PATH]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parent.parent))

import sheet

from tests.amqp.fleet import Fleet
from tests.rabbitmq import Node

COLUMNS = ("jobs", "bytes each", "accepted in s", "done in s", "jobs/s", "consumer MB, first half", "second half")
AT_ONCE = 8
PATIENCE = 3600.0  # seconds
TABLE = b"region,value_column\n" + b"".join(b"R%d,%d.5\n" % (row % 7, row) for row in range(50))


async def main() -> None:
    parser = sheet.parser(__doc__)
    parser.add_argument("--jobs", type=int, default=5000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Path(folder) / "rabbitmq")
        node.start()
        try:
            await node.up()
            async with aiohttp.ClientSession() as session:
                fleet = Fleet(Path(folder), session, node.at(node.fresh_host()), node.leash, {"CHARTS": "false"})
                row = await work_off(fleet, asked.jobs)
                await fleet.stop()
        finally:
            node.end()
    sheet.tell(asked, [COLUMNS, row], dict(zip(COLUMNS, row, strict=True)))


async def work_off(fleet: Fleet, jobs: int) -> tuple[float, ...]:
    await fleet.start()
    await fleet.consumer.stop()
    began = time.perf_counter()
    await submit_all(fleet, jobs)
    accepted = time.perf_counter() - began
    await fleet.consumer.start()
    began, peaks = time.perf_counter(), []
    while (states := await count(fleet)) != Counter(succeeded=jobs):
        assert time.perf_counter() - began < PATIENCE, states
        peaks.append(fleet.consumer.memory / 1e6)
        await asyncio.sleep(0.5)
    seconds = time.perf_counter() - began
    first, last = max(peaks[: len(peaks) // 2], default=0.0), max(peaks[len(peaks) // 2 :], default=0.0)
    return jobs, len(TABLE), round(accepted, 1), round(seconds, 1), round(jobs / seconds), round(first), round(last)


async def submit_all(fleet: Fleet, jobs: int) -> None:
    left = iter(range(jobs))

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

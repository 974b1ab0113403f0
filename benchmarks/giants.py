"""A 60 KB job beside four giants on two slots: how long it takes while they run, against how long it takes alone."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from pathlib import Path

from instance import Instance, instance, write_sales

GIANT = int(os.environ.get("BENCH_MB", "200")) * 10**6
ROUNDS = 9


async def main() -> None:
    async with instance(WORKERS="2") as (rowmill, folder):
        giant, small = write_sales(folder / "giant.csv", GIANT), folder / "small.csv"
        with giant.open("rb") as source:
            head = source.read(60_000)
        small.write_bytes(head[: head.rindex(b"\n") + 1])
        alone = [await _time(rowmill, small) for _ in range(ROUNDS)]
        giants = await asyncio.gather(*(rowmill.submit(giant) for _ in range(4)))
        beside = [await _time(rowmill, small) for _ in range(ROUNDS)]
        running = [await _state(rowmill, job) for job in giants].count("running")
        await asyncio.gather(*(rowmill.finished(job) for job in giants))
    print(f"alone:  median {statistics.median(alone):.2f} s, longest {max(alone):.2f} s")
    print(f"beside: median {statistics.median(beside):.2f} s, longest {max(beside):.2f} s; {running} giants still ran")


async def _time(rowmill: Instance, small: Path) -> float:
    began = time.perf_counter()
    await rowmill.finished(await rowmill.submit(small))
    return time.perf_counter() - began


async def _state(rowmill: Instance, job_id: str) -> str:
    async with rowmill.session.get(f"{rowmill.url}/v1/jobs/{job_id}") as answer:
        return str((await answer.json())["state"])


asyncio.run(main())

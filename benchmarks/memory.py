"""A 1 GB upload and its `sales` job: seconds, and the most memory of the parent process and of any worker."""

from __future__ import annotations

import asyncio
import os
import time

from instance import Peaks, instance, write_sales

SIZE = int(os.environ.get("BENCH_MB", "1000")) * 10**6


async def main() -> None:
    async with instance() as (rowmill, folder):
        table = write_sales(folder / "sales.csv", SIZE)
        peaks, began = Peaks(), time.perf_counter()
        watching = asyncio.create_task(_watch(peaks, rowmill.pid))
        job_id = await rowmill.submit(table)
        uploaded = time.perf_counter()
        job = await rowmill.finished(job_id)
        ended = time.perf_counter()
        watching.cancel()
    rows = job["progress"]["rows_done"]
    print(f"{SIZE / 1e6:,.0f} MB, {rows:,} rows: upload {uploaded - began:.1f} s, job {ended - uploaded:.1f} s")
    print(f"peak resident: parent {peaks.parent:.0f} MB, largest other process {peaks.worker:.0f} MB")


async def _watch(peaks: Peaks, pid: int) -> None:
    while True:
        peaks.look(pid)
        await asyncio.sleep(0.1)


asyncio.run(main())

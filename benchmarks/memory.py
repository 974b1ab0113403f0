"""A 1 GB upload and its `sales` job: seconds, and the most memory of the parent process and of any worker.

python benchmarks/memory.py [--mb 1000] [--markdown] [--json PATH]
"""

from __future__ import annotations

import asyncio
import time

import sheet
from instance import Peaks, instance, write_sales

COLUMNS = ("MB", "rows", "upload, s", "job, s", "peak resident MB, parent", "largest other process")


async def main() -> None:
    parser = sheet.parser(__doc__)
    parser.add_argument("--mb", type=float, default=1000)
    asked = parser.parse_args()
    async with instance() as (rowmill, folder):
        table = write_sales(folder / "sales.csv", int(asked.mb * 1e6))
        peaks, began = Peaks(), time.perf_counter()
        watching = asyncio.create_task(_watch(peaks, rowmill.pid))
        job_id = await rowmill.submit(table)
        uploaded = time.perf_counter()
        job = await rowmill.finished(job_id)
        ended = time.perf_counter()
        watching.cancel()
    seconds = round(uploaded - began, 1), round(ended - uploaded, 1)
    row = asked.mb, job["progress"]["rows_done"], *seconds, round(peaks.parent), round(peaks.worker)
    sheet.tell(asked, [COLUMNS, row], dict(zip(COLUMNS, row, strict=True)))


async def _watch(peaks: Peaks, pid: int) -> None:
    while True:
        peaks.look(pid)
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main())

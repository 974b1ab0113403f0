"""How true the time left is: each ETA of a job on a large table, held against when the job did end.

    python benchmarks/eta.py [--mb 1000] [--kind sales] [--record FILE]

From the first fifth of the job's time on. `--record` keeps the readings, as the tests replay them: seconds, phase,
bytes done, the ETA.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from pathlib import Path

from benchmarks import made, sheet
from benchmarks.instance import Instance, instance

Reading = tuple[float, str, int, float | None]
COLUMNS = ("kind", "MB", "seconds", "ETAs", "off by, median", "at worst")
END = frozenset({"succeeded", "failed", "cancelled"})


async def watch(rowmill: Instance, job_id: str) -> list[Reading]:
    """Each version of the job from its start on."""
    readings: list[Reading] = []
    began = 0.0
    async with rowmill.session.ws_connect(f"{rowmill.url}/v1/jobs/{job_id}/stream", max_msg_size=0) as socket:
        async for message in socket:
            job = message.json()["data"]
            if job["state"] == "running":
                began = began or time.monotonic()
                progress = job["progress"]
                at = round(time.monotonic() - began, 3)
                readings.append((at, progress["phase"], progress["bytes_done"], progress["eta_seconds"]))
            elif job["state"] in END:
                assert job["state"] == "succeeded", job["problem"]
                readings.append((round(time.monotonic() - began, 3), "done", 0, 0.0))
    return readings


def errors(readings: list[Reading]) -> list[float]:
    """How far off each ETA was, as a share of the truth or, at the very end, of a fifth of the job."""
    end = readings[-1][0]
    told = [(at, eta) for at, _, _, eta in readings[:-1] if eta is not None and at >= end / 5]
    return [abs(eta - (end - at)) / max(end - at, end / 5) for at, eta in told]


async def main() -> None:
    parser = sheet.parser(__doc__)
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--kind", default="sales")
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    async with instance(MAX_UPLOAD="8GiB") as (rowmill, folder):
        path = made.write(folder / "table.csv", given.mb * 10**6)
        readings = await watch(rowmill, await rowmill.submit(path, given.kind))
    if given.record:
        given.record.write_text(json.dumps(readings))
    off = errors(readings)
    row = given.kind, given.mb, readings[-1][0], len(off), f"{statistics.median(off):.0%}", f"{max(off):.0%}"
    sheet.tell(given, [COLUMNS, row], {"seconds": readings[-1][0], "off": off})


if __name__ == "__main__":
    asyncio.run(main())

"""Work that waits: `fetch` of 2,000 items, one at a time and ten at a time, from a web server that misbehaves.

Of a hundred items one fails, one is slow (ten times the latency) and one in a thousand hangs until `timeout`. What is
told is the seconds from the first request to the last, by the server's clock, the ratio of the two, and the consumer's
memory. Nothing may be lost: every item is in `outcomes.csv`, each failure with its reason.

    BENCH_ITEMS=2000 BENCH_LATENCY=0.05 python benchmarks/waiting.py
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from instance import Instance, Peaks, instance

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "system"))

from outside import Api, open_api  # noqa: E402

ITEMS = int(os.environ.get("BENCH_ITEMS", "2000"))
LATENCY = float(os.environ.get("BENCH_LATENCY", "0.05"))  # seconds
TIMEOUT = 2.0  # seconds, for the ones that hang
CONCURRENCY = (1, 10)


def fate(number: int) -> str:
    return "hang" if number % 1000 == 77 else {10: "500", 20: "slow"}.get(number % 100, "ok")


@dataclass
class Timed(Api):
    """Knows when it was first and last at work."""

    first: float = 0.0
    last: float = 0.0

    async def item(self, request: web.Request) -> web.StreamResponse:
        self.first = self.first or time.perf_counter()
        try:
            return await super().item(request)
        finally:
            self.last = time.perf_counter()


async def main() -> None:
    took = {}
    for concurrency in CONCURRENCY:
        async with open_api(fate, LATENCY, make=Timed) as api, instance(FETCH_HOSTS=api.url) as (rowmill, _):
            peaks = Peaks()
            watching = asyncio.create_task(_watch(peaks, rowmill.pid))
            outcomes = await _fetch(rowmill, api, concurrency)
            watching.cancel()
            took[concurrency] = api.last - api.first
        _check(outcomes)
        memory = f"parent {peaks.parent:.0f} MB, largest other process {peaks.worker:.0f} MB"
        said = Counter(row["outcome"] for row in outcomes)
        print(f"{concurrency} at a time: {took[concurrency]:.1f} s; {dict(said)}; {memory}", flush=True)
    print(f"ratio {took[1] / took[10]:.1f}")


async def _fetch(rowmill: Instance, api: Api, concurrency: int) -> list[dict[str, str]]:
    params = {"url": f"{api.url}/item/{{i}}", "last": ITEMS, "timeout": TIMEOUT, "tries": 2, "wait": 0.1}
    asked = {"kind": "fetch", "params": json.dumps(params | {"concurrency": concurrency})}
    async with rowmill.session.post(f"{rowmill.url}/v1/jobs", params=asked) as answer:
        assert answer.status == 202, await answer.text()
        job = await rowmill.finished((await answer.json())["id"])
    async with rowmill.session.get(f"{rowmill.url}/v1/jobs/{job['id']}/artefacts/outcomes.csv") as answer:
        return list(csv.DictReader(io.StringIO(await answer.text())))


def _check(outcomes: list[dict[str, str]]) -> None:
    """Nothing is lost, and each failure is listed."""
    fates = {row["url"].rpartition("/")[2]: row for row in outcomes}
    assert len(outcomes) == len(fates) == ITEMS, (len(outcomes), len(fates))
    for number in range(1, ITEMS + 1):
        failed = fate(number) in {"500", "hang"}
        row = fates[str(number)]
        assert row["outcome"] == ("rejected" if failed else "fetched"), row
        assert row["detail"], row


async def _watch(peaks: Peaks, pid: int) -> None:
    while True:
        peaks.look(pid)
        await asyncio.sleep(0.2)


asyncio.run(main())

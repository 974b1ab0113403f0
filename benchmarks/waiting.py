"""Work that waits: `fetch` of 2,000 items, one at a time and ten at a time, from a web server that misbehaves.

Of a hundred items one fails, one is slow (ten times the latency) and one in a thousand hangs until `timeout`. What is
told is the seconds from the first request to the last, by the server's clock, the ratio of the two, and the consumer's
memory. Nothing may be lost: every item is in `outcomes.csv`, each failure with its reason.

    python benchmarks/waiting.py [--items 2000] [--latency 0.05] [--markdown] [--json PATH]
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import sheet
from aiohttp import web
from instance import Instance, Peaks, instance

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "system"))

from outside import Api, open_api  # noqa: E402

TIMEOUT = 2.0  # seconds, for the ones that hang
CONCURRENCY = (1, 10)
COLUMNS = ("at a time", "seconds", "fetched", "rejected", "parent MB", "largest other process MB", "times as fast")


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
    parser = sheet.parser(__doc__)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds")
    asked = parser.parse_args()
    took, rows = {}, []
    for concurrency in CONCURRENCY:
        async with open_api(fate, asked.latency, make=Timed) as api, instance(FETCH_HOSTS=api.url) as (rowmill, _):
            peaks = Peaks()
            watching = asyncio.create_task(_watch(peaks, rowmill.pid))
            outcomes = await _fetch(rowmill, api, asked.items, concurrency)
            watching.cancel()
            took[concurrency] = api.last - api.first
        _check(outcomes, asked.items)
        said = Counter(row["outcome"] for row in outcomes)
        memory, ratio = (round(peaks.parent), round(peaks.worker)), took[1] / took[concurrency]
        rows.append(
            (concurrency, round(took[concurrency], 1), said["fetched"], said["rejected"], *memory, round(ratio, 1))
        )
    sheet.tell(asked, [COLUMNS, *rows], [dict(zip(COLUMNS, row, strict=True)) for row in rows])


async def _fetch(rowmill: Instance, api: Api, items: int, concurrency: int) -> list[dict[str, str]]:
    params = {"url": f"{api.url}/item/{{i}}", "last": items, "timeout": TIMEOUT, "tries": 2, "wait": 0.1}
    asked = {"kind": "fetch", "params": json.dumps(params | {"concurrency": concurrency})}
    async with rowmill.session.post(f"{rowmill.url}/v1/jobs", params=asked) as answer:
        assert answer.status == 202, await answer.text()
        job = await rowmill.finished((await answer.json())["id"])
    async with rowmill.session.get(f"{rowmill.url}/v1/jobs/{job['id']}/artefacts/outcomes.csv") as answer:
        return list(csv.DictReader(io.StringIO(await answer.text())))


def _check(outcomes: list[dict[str, str]], items: int) -> None:
    """Nothing is lost, and each failure is listed."""
    fates = {row["url"].rpartition("/")[2]: row for row in outcomes}
    assert len(outcomes) == len(fates) == items, (len(outcomes), len(fates))
    for number in range(1, items + 1):
        failed = fate(number) in {"500", "hang"}
        row = fates[str(number)]
        assert row["outcome"] == ("rejected" if failed else "fetched"), row
        assert row["detail"], row


async def _watch(peaks: Peaks, pid: int) -> None:
    while True:
        peaks.look(pid)
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(main())

"""Normal requests beside slow connections: 300 clients dribble their headers, and 1,000 requests are timed.

The same requests are timed first without them. What is told is the time of a request, in milliseconds.

    python benchmarks/slow_connections.py [--slow 300] [--requests 1000] [--markdown] [--json PATH]
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import sheet
from instance import Instance, instance

COLUMNS = ("", "requests", "p50 ms", "p99 ms", "longest ms")
WARM = 50  # requests before the first that counts
PAUSE = 1.0  # seconds between two bytes of a slow client
HEAD = b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


async def main() -> None:
    parser = sheet.parser(__doc__)
    parser.add_argument("--slow", type=int, default=300)
    parser.add_argument("--requests", type=int, default=1000)
    asked = parser.parse_args()
    async with instance() as (rowmill, _):
        await _times(rowmill, WARM)
        rows = [_row("alone", await _times(rowmill, asked.requests))]
        async with _slow(rowmill.url, asked.slow):
            rows.append(_row(f"beside {asked.slow} slow connections", await _times(rowmill, asked.requests)))
    sheet.tell(asked, [COLUMNS, *rows], [dict(zip(COLUMNS, row, strict=True)) for row in rows])


async def _times(rowmill: Instance, count: int) -> list[float]:
    """One request after the other; the seconds of each."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        async with rowmill.session.get(f"{rowmill.url}/v1/jobs") as answer:
            await answer.read()
            assert answer.status == 200, await answer.text()
        took.append(time.perf_counter() - began)
    return took


def _row(how: str, took: list[float]) -> tuple[object, ...]:
    p50, p99 = (statistics.quantiles(took, n=100)[share - 1] * 1000 for share in (50, 99))
    return how, len(took), round(p50, 2), round(p99, 2), round(max(took) * 1000, 2)


@asynccontextmanager
async def _slow(url: str, count: int) -> AsyncIterator[None]:
    """So many clients that send a byte now and then, and come again when they are cut off."""
    where, begun = urlsplit(url), asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(_dribble(where.hostname or "", where.port or 0, begun)) for _ in range(count)]
        for _ in clients:
            await begun.acquire()
        yield
        for client in clients:
            client.cancel()


async def _dribble(host: str, port: int, begun: asyncio.Semaphore) -> None:
    while True:
        reader, writer = await asyncio.open_connection(host, port)
        begun.release()
        try:
            writer.write(HEAD)
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(PAUSE)
        except ConnectionError:
            pass  # it was cut off, as it should be
        finally:
            writer.close()


if __name__ == "__main__":
    asyncio.run(main())

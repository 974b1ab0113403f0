"""Normal requests beside slow connections: 300 clients dribble their headers, and 1,000 requests are timed.

The same requests are timed first without them. What is told is the time of a request, in milliseconds.

    BENCH_SLOW=300 BENCH_REQUESTS=1000 python benchmarks/slow_connections.py
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from instance import Instance, instance

SLOW = int(os.environ.get("BENCH_SLOW", "300"))
REQUESTS = int(os.environ.get("BENCH_REQUESTS", "1000"))
WARM = 50  # requests before the first that counts
PAUSE = 1.0  # seconds between two bytes of a slow client
HEAD = b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


async def main() -> None:
    async with instance() as (rowmill, _):
        await _times(rowmill, WARM)
        _tell("alone", await _times(rowmill, REQUESTS))
        async with _slow(rowmill.url, SLOW):
            _tell(f"beside {SLOW} slow connections", await _times(rowmill, REQUESTS))


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


def _tell(how: str, took: list[float]) -> None:
    p50, p99 = (statistics.quantiles(took, n=100)[share - 1] * 1000 for share in (50, 99))
    print(
        f"{how}: {len(took):,} requests, p50 {p50:.2f} ms, p99 {p99:.2f} ms, longest {max(took) * 1000:.2f} ms",
        flush=True,
    )


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


asyncio.run(main())

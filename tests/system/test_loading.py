"""Rows into the records by a whole Rowmill that is killed on the way: the table and the counts are a plain loop's."""

from __future__ import annotations

from typing import Any

import pytest

ROWS = 12_000
CHUNK = "8KiB"  # of which the table has about fifty


def table() -> bytes:
    """One row in ten repeats the address of another chunk, one in a hundred has none."""
    return "".join(f"Given Family{n},{address(n)}\n" for n in range(ROWS)).encode()


def address(n: int) -> str:
    if n % 100 == 50:
        return "nobody"
    return f"USER{n - 4007}@example.org" if n % 10 == 9 and n > 4010 else f"user{n}@example.org"


def plain_loop() -> tuple[list[tuple[str, str]], dict[str, int]]:
    first: dict[str, tuple[str, str]] = {}
    counts = {"inserted": 0, "updated": 0, "skipped": 0, "rejected": 0}
    for n in range(ROWS):
        known = address(n).lower() in first
        counts["rejected" if "@" not in address(n) else "skipped" if known else "inserted"] += 1
        if "@" in address(n) and not known:
            first[address(n).lower()] = (f"Given Family{n}", address(n))
    return list(first.values()), counts


def some_are_loaded(job: dict[str, Any]) -> bool:
    """Or all: what is seen of a job may skip what lies between."""
    numbers = (job["report"] or {}).get("numbers", {})
    return bool(numbers.get("inserted", 0) > 0 or job["state"] == "succeeded")


def waits_for_the_records(job: dict[str, Any]) -> bool:
    return bool(job["problem"] and job["problem"]["type"] == "/problems/records_unavailable")


async def holds_what_a_plain_loop_gives(rowmill, job_id: str) -> None:
    job = await rowmill.finished(job_id, within=120)
    rows, counts = plain_loop()
    assert job["state"] == "succeeded", job["problem"]
    assert (job["attempt"], job["problem"]) == (1, None)
    assert job["report"]["numbers"] == counts
    found = await rowmill.records("users", limit=1000)
    assert [(row["real_name"], row["email"]) for row in found] == rows


async def test_killed_twice_while_it_loads_it_loads_each_row_once_and_in_order(start):
    rowmill = await start(CHUNK_SIZE=CHUNK)
    job = await rowmill.submit(table(), kind="users")
    for _ in range(2):
        await rowmill.watch(job["id"], some_are_loaded)
        await rowmill.kill()
        await rowmill.start()
    await holds_what_a_plain_loop_gives(rowmill, job["id"])


@pytest.fixture
def stopped(postgresql):
    """A server with an empty database, which is down; and up again for those who come after."""
    url = postgresql.fresh()
    postgresql.kill()
    try:
        yield postgresql, url
    finally:
        if not postgresql.running:
            postgresql.start()


async def test_a_database_that_is_down_is_waited_for_through_a_kill_and_costs_no_attempt(start, stopped):
    server, url = stopped
    rowmill = await start(CHUNK_SIZE=CHUNK, RECORDS_URL=url)
    job = await rowmill.submit(table(), kind="users")
    await rowmill.watch(job["id"], waits_for_the_records)
    await rowmill.kill()
    server.start()
    await rowmill.start()
    await rowmill.watch(job["id"], some_are_loaded)
    server.kill()  # what was not committed is lost, and the rest of the job has to wait
    server.start()
    await rowmill.kill()
    await rowmill.start()
    await holds_what_a_plain_loop_gives(rowmill, job["id"])

"""A million rows into the records: users beside one ORM insert per row, players beside one Celery job per row.

One row in ten of the users is a repetition, one in a hundred has a bad address. They are loaded twice: undisturbed, and
killed (SIGKILL) and taken up twice on the way; both tables must be the one that a plain loop gives, keys included. The
peers are given the beginning of the same file and their figures are those of a million rows at the same pace. Memory is
the most that all processes of a contestant held together (weighing.py).

    python benchmarks/records.py [--rows 1000000] [--orm-rows 50000] [--each-rows 2000] [--celery-rows 5000]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sheet
from instance import Instance, running
from small_jobs import ROOT
from small_jobs import running as crowd_of
from weighing import watched

from tests.rabbitmq import Node

COLUMNS = ("rows", "", "measured", "MB", "seconds", "CPU s", "seconds to ours", "CPU to ours")
REPEATED, BAD = 10, 100  # one row in so many
PLAYERS = "Name, Team, Position, Height(inches), Weight(lbs), Age\n"
Rows = Iterator[tuple[Any, ...]]


@dataclass(frozen=True)
class Figures:
    name: str
    seconds: float
    cpu: float
    mb: float
    rows: int  # that it was given

    def cells(self, rows: int, of: str, base: Figures) -> list[str]:
        """For *rows*, and how often that is the *base*."""
        times, given = rows / self.rows, f"{self.rows:,} rows given" if self.rows != rows else "all"
        seconds, cpu = self.seconds * times, self.cpu * times
        numbers = seconds, cpu, seconds / base.seconds, cpu / base.cpu
        return [f"{rows:,} {of}", self.name, given, f"{self.mb:,.0f}", *(f"{number:,.1f}" for number in numbers)]


def write_users(path: Path, rows: int) -> dict[str, int]:
    """What has to become of them."""
    counts = {"inserted": 0, "updated": 0, "skipped": 0, "rejected": 0}
    with path.open("w") as out:
        for n in range(rows):
            repeated, bad = n % REPEATED == REPEATED - 1, n % BAD == BAD // 2
            email = f"user{n}.example.org" if bad else f"{'USER' if repeated else 'user'}{n - 7 * repeated}@example.org"
            out.write(f"Given{n % 997} Family{n},{email}\n")
            counts["rejected" if bad else "skipped" if repeated else "inserted"] += 1
    return counts


def plain_users(path: Path) -> Rows:
    """The table that a plain loop gives: the first of each address."""
    seen: set[str] = set()
    with path.open(newline="") as file:
        for name, email in csv.reader(file):
            if "@" in email and email.lower() not in seen:
                seen.add(email.lower())
                yield len(seen), name, email


def write_players(path: Path, rows: int) -> None:
    with path.open("w") as out:
        out.write(PLAYERS)
        for n in range(rows):
            height = "" if n % 101 == 0 else 60 + n * 7919 % 25
            out.write(f"Player {n}, T{n % 30:02d}, Catcher, {height}, {150 + n % 90}, {18 + n % 25}.5\n")


def plain_players(path: Path) -> Rows:
    """Keys and averages that a plain loop gives."""
    total = 0
    with path.open(newline="") as file:
        next(file)
        for seen, row in enumerate(csv.reader(file)):
            height = int(row[3].strip() or 0)
            yield seen + 1, int(total / seen) if seen else height
            total += height


def stored(folder: Path, query: str) -> Rows:
    with contextlib.closing(sqlite3.connect(folder / "data" / "records.db")) as connection:
        yield from connection.execute(query)


def same(found: Rows, expected: Rows) -> None:
    count = 0
    for one, other in zip(found, expected, strict=True):
        assert one == other, (one, other)
        count += 1
    print(f"  {count:,} rows in the table, each as a plain loop has it", file=sys.stderr)


async def mill(folder: Path, path: Path, kind: str) -> tuple[Figures, dict[str, Any]]:
    """From the first byte of the upload to the last row in the table."""
    async with running(folder, WORKERS="2") as rowmill, watched(rowmill.pid) as watch:
        watch.begin()
        began = time.perf_counter()
        job = await rowmill.finished(await rowmill.submit(path, kind))
        seconds = time.perf_counter() - began
        watch.end()
    name = f"Rowmill, `{kind}`, two workers"
    return Figures(name, seconds, watch.cpu, watch.all, job["progress"]["rows_done"]), job["report"]["numbers"]


async def mill_killed(folder: Path, path: Path, rows: int) -> dict[str, Any]:
    """The same, killed when about a third and when about two thirds are in the table."""
    settings = {"WORKERS": "2", "CHUNK_SIZE": "1MiB"}
    async with running(folder, **settings) as rowmill:
        job = await rowmill.submit(path, "users")
        await killed(rowmill, job, rows // 3)
    async with running(folder, **settings) as rowmill:
        await killed(rowmill, job, rows * 2 // 3)
    async with running(folder, **settings) as rowmill:
        return dict((await rowmill.finished(job))["report"]["numbers"])


async def killed(rowmill: Instance, job_id: str, loaded: int) -> None:
    while True:
        async with rowmill.session.get(f"{rowmill.url}/v1/jobs/{job_id}") as answer:
            job = await answer.json()
        assert job["state"] in {"queued", "running"}, job["state"]
        numbers = (job["report"] or {}).get("numbers", {})
        if numbers.get("inserted", 0) + numbers.get("skipped", 0) >= loaded:
            break
        await asyncio.sleep(0.02)
    print(f"  killed with {numbers['inserted']:,} rows reported as inserted", file=sys.stderr)
    os.kill(rowmill.pid, signal.SIGKILL)


async def orm(path: Path, folder: Path, rows: int, commit: str) -> Figures:
    script = Path(__file__).parent / "peers" / "one_by_one.py"
    found = await ask(folder, str(script), str(path), str(folder / f"{commit}.db"), str(rows), commit)
    name = f"SQLAlchemy ORM, an insert for each row, committed {'at the end' if commit == 'once' else 'each time'}"
    return Figures(name, found["seconds"], found["cpu"], found["mb"], rows)


async def celery(path: Path, folder: Path, rows: int) -> Figures:
    node = Node(folder / "broker")
    node.start()
    try:
        await node.up()
        module = "benchmarks.peers.row_by_row"
        settings = {"PEER_BROKER": node.at(node.fresh_host()), "PEER_FOLDER": str(folder)}
        worker = [f"{Path(sys.executable).parent}/celery", "-A", module, "worker", "--concurrency", "2"]
        async with crowd_of(folder, [[*worker, "--loglevel", "WARNING"]], **settings) as crowd:
            await ask(folder, "-m", module, str(path), "2", **settings)  # everything is loaded
            return await one_job_per_row(path, folder, rows, crowd.pid, settings)
    finally:
        node.end()


async def one_job_per_row(path: Path, folder: Path, rows: int, worker: int, settings: dict[str, str]) -> Figures:
    async with watched(worker) as watch:
        watch.begin()
        found = await ask(folder, "-m", "benchmarks.peers.row_by_row", str(path), str(rows), **settings)
        watch.end()
    with contextlib.closing(sqlite3.connect(folder / "players.db")) as connection:
        query = "SELECT id + 1, current_average_height FROM players ORDER BY id"
        same(connection.execute(query), (row for row, _ in zip(plain_players(path), range(rows), strict=False)))
    cpu, mb = found["cpu"] + watch.cpu, found["mb"] + watch.all
    return Figures("Celery, a job for each row, two workers", found["seconds"], cpu, mb, rows)


async def ask(folder: Path, *arguments: str, **settings: str) -> dict[str, Any]:
    """What a Python program prints as its last line, and its memory."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | settings
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE
    )
    async with watched(process.pid) as watch:
        watch.begin()
        out, _ = await process.communicate()
    assert process.returncode == 0
    return {**json.loads(out.splitlines()[-1]), "mb": watch.all}


async def users(folder: Path, asked: argparse.Namespace) -> list[Figures]:
    path = folder / "users.csv"
    expected = write_users(path, asked.rows)
    for name in ("plain", "killed"):
        (folder / name).mkdir()
    figures, numbers = await mill(folder / "plain", path, "users")
    assert numbers == expected, numbers
    numbers = await mill_killed(folder / "killed", path, asked.rows)
    assert numbers == expected, numbers
    for name in ("plain", "killed"):
        same(stored(folder / name, "SELECT id, real_name, email FROM users ORDER BY id"), plain_users(path))
    each = await orm(path, folder, min(asked.rows, asked.each_rows), "each")
    return [figures, await orm(path, folder, min(asked.rows, asked.orm_rows), "once"), each]


async def players(folder: Path, asked: argparse.Namespace) -> list[Figures]:
    path = folder / "players.csv"
    write_players(path, asked.rows)
    (folder / "mill").mkdir()
    figures, numbers = await mill(folder / "mill", path, "players")
    assert (numbers["rows"], numbers["inserted"]) == (asked.rows, asked.rows)
    same(stored(folder / "mill", "SELECT id, current_average_height FROM players ORDER BY id"), plain_players(path))
    return [figures, await celery(path, folder, min(asked.rows, asked.celery_rows))]


async def main() -> None:
    parser = sheet.parser(__doc__)
    for name, usual in (("rows", 1_000_000), ("orm-rows", 50_000), ("each-rows", 2_000), ("celery-rows", 5_000)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = parser.parse_args()
    rows, found = [], {}
    for part in (users, players):
        with tempfile.TemporaryDirectory(prefix="rowmill-bench-") as folder:
            figures = await part(Path(folder), asked)
        rows += [one.cells(asked.rows, part.__name__, figures[0]) for one in figures]
        found[part.__name__] = [asdict(one) for one in figures]
    sheet.tell(asked, [COLUMNS, *rows], found)


if __name__ == "__main__":
    asyncio.run(main())

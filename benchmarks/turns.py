"""One contestant's turn at a table: seconds, CPU time and memory of all its processes, and the files that it wrote.

Rowmill's turn is the consumer itself with the job as its only message (consumer.lap), or the whole service.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from instance import running
from weighing import Watch, adopt, cpu_of_ended, watched

from consumer.executors import child

ROOT = Path(__file__).parent.parent
LONGEST_LINE = 2**26
SETTINGS = {"CHARTS": "false", "MAX_UPLOAD": "64GiB"}  # no peer draws
PATHS = [str(ROOT)]  # where modules are found


@dataclass(frozen=True)
class Turn:
    """What it took, and what came of it: memory in MB, of `worker` the largest process, `all` of all together."""

    seconds: float
    cpu: float
    worker: float
    all: float
    found: Mapping[str, Any] = field(default_factory=dict)
    files: Path = Path()


async def peer(what: str, table: Path, folder: Path, cores: int) -> Turn:
    """*what* is `module:function` in benchmarks/peers. As for ours the table is stored anew: it is read faster then."""
    stored = folder / "table.csv"
    await asyncio.to_thread(shutil.copyfile, table, stored)
    command = ("-m", "benchmarks.peers.turn", what, str(stored), str(cores))
    async with _started(folder, cores, *command) as process:
        async with watched(process.pid) as watch:
            async for line in process.stdout or ():
                answer = json.loads(line)
                watch.begin() if "ready" in answer else watch.end()
        if await process.wait():
            raise RuntimeError(f"{what} failed:\n{(folder / 'log').read_text()[-2000:]}")
    return Turn(answer["seconds"], answer["cpu"], watch.worker, watch.all, answer["found"], folder)


async def engine(kind: str, table: Path, folder: Path, cores: int) -> Turn:
    """From the claim of the job to its final state in the consumer's database: plan, mill, select, finish.

    Its CPU time is known once all its processes have ended, so what they take to end is in it.
    """
    child.be_parent()
    adopt()
    earlier = await cpu_of_ended()
    course = {"table": str(table), "kind": kind, "params": {}, "slots": cores}
    async with _started(folder, cores, "-m", "consumer.lap", json.dumps(course)) as process:
        async with watched(process.pid) as watch:
            word: dict[str, Any] = {}
            async for line in process.stdout or ():
                if not word:
                    watch.begin()
                word = json.loads(line)
        if await process.wait() or word["job"]["state"] != "succeeded":
            raise RuntimeError(f"{kind} failed: {word}\n{(folder / 'log').read_text()[-2000:]}")
    watch.cpu = await cpu_of_ended() - earlier - watch.before
    return _turn(word["seconds"], watch, word["job"], folder)


async def service(kind: str, table: Path, folder: Path, cores: int) -> Turn:
    """From the 202 that ends the upload to the client's seeing the job finished."""
    async with running(folder, WORKERS=str(cores), **SETTINGS) as rowmill:
        bind(rowmill.pid, cores)
        async with watched(rowmill.pid) as watch:
            job_id = await rowmill.submit(table, kind)
            watch.begin()
            began = time.perf_counter()
            job = await rowmill.finished(job_id)
            seconds = time.perf_counter() - began
            watch.end()
    return _turn(seconds, watch, job, folder)


def _turn(seconds: float, watch: Watch, job: dict[str, Any], folder: Path) -> Turn:
    """*watch* has looked its last."""
    files = folder / "data" / "files" / "results" / job["id"] / "artefacts"
    return Turn(seconds, watch.cpu, watch.worker, watch.all, job["report"]["numbers"], files)


@contextlib.asynccontextmanager
async def _started(folder: Path, cores: int, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    own = SETTINGS | {"DATA_DIR": str(folder / "data")}
    environment = (
        os.environ | {"PYTHONPATH": os.pathsep.join(PATHS)} | {f"ROWMILL_{name}": value for name, value in own.items()}
    )
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            cwd=folder,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=LONGEST_LINE,
        )
    try:
        bind(process.pid, cores)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def bind(pid: int, cores: int) -> None:
    """Give a process, and those it starts, so many of our cores."""
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))[:cores]
        for one in (pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))):
            os.sched_setaffinity(one, mine)

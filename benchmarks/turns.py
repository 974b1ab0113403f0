"""One contestant's turn at a table: seconds, CPU time and memory of all its processes, and the files that it wrote.

Rowmill's turn is the consumer itself with the job as its only message (consumer.lap), or the whole service.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
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

from consumer.executors import child, weight

ROOT = Path(__file__).parent.parent
LOOK_EVERY = 0.05  # seconds: at CPU time and peaks, which costs little
WEIGH_EVERY = 10  # looks: at private memory, which the system sums up on a core that is being timed
LONGEST_LINE = 2**26
SETTINGS = {"CHARTS": "false", "MAX_UPLOAD": "64GiB"}  # no peer draws
PATHS = [str(ROOT)]  # where modules are found


@dataclass(frozen=True)
class Turn:
    """What it took, and what came of it: memory in MB, of `worker` the largest process, `private` of all together."""

    seconds: float
    cpu: float
    worker: float
    private: float
    found: Mapping[str, Any] = field(default_factory=dict)
    files: Path = Path()


@dataclass
class Watch:
    """Looks at a process and its children until it is told to stop."""

    pid: int
    worker: float = 0.0
    private: float = 0.0
    _cpu: dict[int, float] = field(default_factory=dict)
    _before: float = 0.0
    _family: list[psutil.Process] = field(default_factory=list)

    def begin(self) -> None:
        """Forget what was before: from here on it is the job."""
        self._weigh()
        self._look()
        for process in self._family:
            _forget_peak(process)
        self.worker = self.private = 0.0
        self._before = sum(self._cpu.values())

    @property
    def cpu(self) -> float:
        return sum(self._cpu.values()) - self._before

    def _look(self) -> None:
        for process in self._family:
            with contextlib.suppress(psutil.Error, OSError):
                self._cpu[process.pid] = sum(process.cpu_times()[:2])
                self.worker = max(self.worker, _peak(process) / 1e6)

    def _weigh(self) -> None:
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self.pid)
            self._family = [root, *root.children(recursive=True)]
        private = 0.0
        for process in self._family:
            with contextlib.suppress(psutil.Error, OSError):
                private += process.memory_full_info().uss / 1e6
        self.private = max(self.private, private)

    async def run(self) -> None:
        for nth in itertools.count(1):
            await asyncio.sleep(LOOK_EVERY)
            self._look()
            if nth % WEIGH_EVERY == 0:
                self._weigh()


def _forget_peak(process: psutil.Process) -> None:
    """Have Linux begin anew to note the most memory that is resident."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def _peak(process: psutil.Process) -> int:
    """The most bytes resident since then, or those of now where the system does not tell."""
    with contextlib.suppress(OSError, ValueError):
        return weight.noted(Path(f"/proc/{process.pid}/status"))
    return int(process.memory_info().rss)


@contextlib.asynccontextmanager
async def watched(watch: Watch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()


async def peer(what: str, table: Path, folder: Path, cores: int) -> Turn:
    """*what* is `module:function` in benchmarks/peers. As for ours the table is stored anew: it is read faster then."""
    stored = folder / "table.csv"
    await asyncio.to_thread(shutil.copyfile, table, stored)
    command = ("-m", "benchmarks.peers.turn", what, str(stored), str(cores))
    async with _started(folder, cores, *command) as process:
        watch = Watch(process.pid)
        async with watched(watch):
            async for line in process.stdout or ():
                answer = json.loads(line)
                if "ready" in answer:
                    watch.begin()
        if await process.wait():
            raise RuntimeError(f"{what} failed:\n{(folder / 'log').read_text()[-2000:]}")
    return Turn(answer["seconds"], answer["cpu"], watch.worker, watch.private, answer["found"], folder)


async def engine(kind: str, table: Path, folder: Path, cores: int) -> Turn:
    """From the claim of the job to its final state in the consumer's database: plan, mill, select, finish."""
    child.be_parent()
    course = {"table": str(table), "kind": kind, "params": {}, "slots": cores}
    async with _started(folder, cores, "-m", "consumer.lap", json.dumps(course)) as process:
        watch = Watch(process.pid)
        async with watched(watch):
            word: dict[str, Any] = {}
            async for line in process.stdout or ():
                if not word:
                    watch.begin()
                word = json.loads(line)
        if await process.wait() or word["job"]["state"] != "succeeded":
            raise RuntimeError(f"{kind} failed: {word}\n{(folder / 'log').read_text()[-2000:]}")
    return _turn(word["seconds"], watch, word["job"], folder)


async def service(kind: str, table: Path, folder: Path, cores: int) -> Turn:
    """From the 202 that ends the upload to the client's seeing the job finished."""
    async with running(folder, WORKERS=str(cores), **SETTINGS) as rowmill:
        bind(rowmill.pid, cores)
        watch = Watch(rowmill.pid)
        async with watched(watch):
            job_id = await rowmill.submit(table, kind)
            watch.begin()
            began = time.perf_counter()
            job = await rowmill.finished(job_id)
            seconds = time.perf_counter() - began
    return _turn(seconds, watch, job, folder)


def _turn(seconds: float, watch: Watch, job: dict[str, Any], folder: Path) -> Turn:
    """*watch* has looked its last."""
    files = folder / "data" / "files" / "results" / job["id"] / "artefacts"
    return Turn(seconds, watch.cpu, watch.worker, watch.private, job["report"]["numbers"], files)


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

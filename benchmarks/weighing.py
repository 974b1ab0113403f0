"""What processes take: CPU time and memory, counted alike for everybody who is compared.

Memory is what a process holds beside the page cache: anonymous and shared pages. `together` counts a page that several
hold in equal parts, so once (Pss_Anon and Pss_Shmem), `largest` each process for itself (RssAnon and RssShmem). What is
mapped from files, libraries or a table, is counted nowhere: the system may have it back at any time. Peaks are the most
that was seen: every 50 ms of a process for itself, and of all together as often as that costs 2 % of a core at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PR_SET_CHILD_SUBREAPER = 36
LOOK_EVERY = 0.05  # seconds
SHARE = 0.02  # of a core, to weigh all together
PROPORTIONAL = re.compile(r"^Pss_(?:Anon|Shmem): +(\d+) kB", re.MULTILINE)
RESIDENT = re.compile(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", re.MULTILINE)


def family(pid: int) -> list[psutil.Process]:
    """The process and all below it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def cpu(processes: Iterable[psutil.Process]) -> float:
    """Seconds, those of children that have ended included."""
    seconds = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            seconds += sum(process.cpu_times()[:4])
    return seconds


def adopt() -> None:
    """Have those whose parents end become children of this process, which then learns what they took (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)


async def cpu_of_ended() -> float:
    """Seconds of all children that this process ever had; waits for those that are about to end."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ChildProcessError):
            while True:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):  # noqa: ASYNC222 - which does not block
                    await asyncio.sleep(0.01)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def together(processes: Iterable[psutil.Process]) -> float:
    """Megabytes; where the system does not tell parts, those that nobody else has."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            found = _sum(PROPORTIONAL, process.pid, "smaps_rollup")
            total += process.memory_full_info().uss if found is None else found
    return total / 1e6


def largest(processes: Iterable[psutil.Process]) -> float:
    """Megabytes of the one that holds most."""
    most = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            found = _sum(RESIDENT, process.pid, "status")
            most = max(most, process.memory_info().rss if found is None else found)
    return most / 1e6


def _sum(what: re.Pattern[str], pid: int, file: str) -> int | None:
    """Bytes, where this system has such figures."""
    path = Path(f"/proc/{pid}/{file}")
    found = what.findall(path.read_text()) if path.exists() else []
    return sum(map(int, found)) * 1024 if found else None


@dataclass
class Watch:
    """Looks at a process and all below it until it is told to stop."""

    pid: int
    worker: float = 0.0
    all: float = 0.0
    cpu: float = 0.0
    before: float = 0.0  # seconds of CPU time, until it began
    _family: list[psutil.Process] = field(default_factory=list)
    _due: float = 0.0

    def begin(self) -> None:
        """Forget what was before: from here on it is the job."""
        self.worker = self.all = 0.0
        self._weigh()
        self.before = cpu(self._family)

    def end(self) -> None:
        """Look a last time, while its processes are there."""
        self.cpu = cpu(family(self.pid)) - self.before
        self._weigh()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.worker = max(self.worker, largest(self._family))
            if time.monotonic() >= self._due:
                self._weigh()

    def _weigh(self) -> None:
        began = time.thread_time()
        self._family = family(self.pid)
        self.worker = max(self.worker, largest(self._family))
        self.all = max(self.all, together(self._family))
        self._due = time.monotonic() + (time.thread_time() - began) / SHARE


@contextlib.asynccontextmanager
async def watched(pid: int) -> AsyncIterator[Watch]:
    watch = Watch(pid)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()

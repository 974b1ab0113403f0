"""processes://N - worker processes on this machine, each in a pool of its own.

One process to a pool gives exact blame: a dead worker takes one piece of work with it, and a limit or a cancel
kills one process.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, suppress
from functools import partial
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from consumer.executors import Answer, NoWorker, Overdue, WorkerLost, child

log = logging.getLogger(__name__)
# Threads of a numeric library would fight over the cores that the slots already use, and not survive the fork; and
# Arrow's own allocators keep 40 MB more than the system's once their work is done, and are no faster at it; the
# system's keeps another 10 MB for each thread that Arrow starts, unless all share one arena. What a slice of a table
# took is kept for the next one: given back, its pages would be cleared by the system again and again.
QUIET = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ARROW_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(16 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20),
}
TRIES = 3
START = 60.0  # seconds for a process to be there; the first ones wait until the fork server has loaded everything


class Slot:
    def __init__(self, context: ForkServerContext, begin: Callable[[], None]) -> None:
        self._context, self._begin = context, begin
        self._pool: ProcessPoolExecutor | None = None

    async def run(self, step: str, *arguments: Any, limit: float) -> Answer:
        future = await self._submit(step, arguments)
        try:
            async with asyncio.timeout(limit):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            self.kill()
            raise Overdue from None
        except asyncio.CancelledError:
            self.kill()
            raise
        except Exception as exc:  # its process died, or what went in or came out cannot be sent
            self.kill()
            raise WorkerLost(str(exc)) from exc

    async def _submit(self, step: str, arguments: tuple[Any, ...]) -> Future[Answer]:
        for _ in range(TRIES):
            try:
                pool = self._pool or await self._start()
                # Where a worker died idle, this raises at once; nobody's work was lost, so it is just started anew.
                return pool.submit(child.perform, step, arguments)
            except BrokenProcessPool:
                self.kill()
        raise NoWorker(f"{TRIES} worker processes died before they had work")

    async def _start(self) -> ProcessPoolExecutor:
        try:
            return await self._fork()
        except BrokenProcessPool:
            raise
        except Exception as exc:  # of the system, which has no room for it, or of the fork server, which has died
            raise NoWorker(f"no worker process can be started: {exc!r}") from exc

    async def _fork(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(1, self._context, initializer=self._begin)
        try:
            async with asyncio.timeout(START):
                # In a thread: to fork, the parent waits for the fork server, and the loop must not.
                await asyncio.wrap_future(await asyncio.to_thread(pool.submit, child.hello))
        except BaseException:
            # In a thread too: the submit may still hold the pool's lock.
            asyncio.get_running_loop().run_in_executor(None, _end, pool)
            raise
        self._pool = pool
        return pool

    async def warm_up(self) -> None:
        with suppress(BrokenProcessPool):
            await self._start()

    def kill(self) -> None:
        """End the worker now; the next call starts another."""
        pool, self._pool = self._pool, None
        if pool is not None:
            _end(pool)


def _end(pool: ProcessPoolExecutor) -> None:
    processes = pool._processes  # noqa: SLF001 - there is no other way to kill one, and a shutdown forgets them
    pool.shutdown(wait=False, cancel_futures=True)
    for process in list(processes.values()):
        if process.is_alive():  # else its number may be another's by now
            process.kill()
            log.info("worker ended", extra={"action": "kill", "pid": process.pid})


def prepare(*, patient: bool = False) -> ForkServerContext:
    """Start the process from which the workers are forked: it loads what they need while this one goes on.

    All of them and this one are *patient* where it answers nobody.
    """
    if patient:
        _wait_for_others()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["consumer.executors.forkserver"])
    os.environ.update(QUIET)
    child.be_parent()
    # From this thread, the main one: the kernel takes the end of the thread that forked for the parent's end.
    forkserver.ensure_running()
    return context


def _wait_for_others() -> None:
    """Until their time slices end, instead of breaking in (Linux).

    Where all cores are busy, an event loop that breaks into a worker each millisecond has both of them fetch anew what
    they had in the processor's caches. What an operator has chosen stays.
    """
    if sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_OTHER:
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Sequence[Slot]]:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    memory, nice = int(options.get("memory", -1)), int(options.get("nice", 0))
    begin = partial(child.prepare, memory, compiled=options.get("native") != "0", nice=nice)
    context = prepare()
    slots = [Slot(context, begin) for _ in range(int(parts.netloc))]
    try:
        if "lazy" not in options:
            await asyncio.gather(*(slot.warm_up() for slot in slots))
        yield slots
    finally:
        for slot in slots:
            slot.kill()

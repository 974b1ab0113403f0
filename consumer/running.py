"""How work runs and ends: tasks that go together, and the jobs of this process, one run of a job at a time.

Knows nothing of what a run does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast
from weakref import WeakValueDictionary


async def together(work: Iterable[Awaitable[None]]) -> None:
    """All of *work*, or the first error, with nothing left running."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        await end(*tasks)


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel those that still run, and see them go."""
    pending = [task for task in tasks if not task.done()]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


async def outlast(work: Coroutine[Any, Any, None], grace: float | None = None) -> None:
    """Run *work*; when cancelled, leave it *grace* seconds to come to its own end, or as long as it takes."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=grace)
        await end(task)
        raise


class Running:
    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._tasks)

    @asynccontextmanager
    async def alone(self, job_id: str) -> AsyncIterator[None]:
        """The calling task is the job's run; a retry waits here until the cancelled run has been cleared away."""
        async with self._lock(job_id):
            self._tasks[job_id] = cast("asyncio.Task[Any]", asyncio.current_task())
            try:
                yield
            finally:
                del self._tasks[job_id]

    @asynccontextmanager
    async def ended(self, job_id: str) -> AsyncIterator[None]:
        """End the job's run, if there is one, and keep others from starting until what has to be done then is done."""
        if (task := self._tasks.get(job_id)) is not None:
            task.cancel()
        async with self._lock(job_id):
            yield

    async def wind_up(self, grace: float) -> None:
        """Let what runs finish for *grace* seconds, then end it."""
        if tasks := list(self._tasks.values()):
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()

    def _lock(self, job_id: str) -> asyncio.Lock:
        return self._locks.setdefault(job_id, asyncio.Lock())

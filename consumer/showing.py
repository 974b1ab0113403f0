"""Reports of a job's chunks so far, made beside the work on them, which none of these can fail."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from consumer.running import end

log = logging.getLogger(__name__)
EVERY = 0.5  # seconds between two reports
Show = Callable[[Callable[[], None]], Awaitable[None]]  # calls what it is given when it has been lent a slot


class Showing:
    """One report at a time. None is left under way when this is closed."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._last, self._lent = 0.0, False

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            await end(self._task)

    def offer(self, show: Show) -> None:
        """Have *show* make a report, if another one is due."""
        now = time.monotonic()
        if now - self._last >= EVERY and (self._task is None or self._task.done()):
            self._last, self._lent = now, False
            self._task = asyncio.create_task(self.attempt(show))

    async def attempt(self, show: Show) -> None:
        """Have *show* make a report now. That it cannot ends nothing: what is wrong shows in the steps that follow."""
        try:
            await show(self._begin)
        except Exception as exc:  # noqa: BLE001 - of kinds and of the machine alike
            log.info("no report so far: %r", exc, extra={"action": "show"})

    async def conclude(self) -> None:
        """The chunks are done: see the report go that a slot works on. One that waits for a slot comes too late."""
        if self._task is not None and self._lent:
            await asyncio.wait([self._task])
        elif self._task is not None:
            await end(self._task)

    def _begin(self) -> None:
        self._lent = True

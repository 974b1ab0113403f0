"""How much is in hand at a time: places for messages and jobs, and others for jobs that wait more than they work."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from consumer.metrics import Metrics

IN_HAND = 64  # running jobs; beyond that they wait where they are safe
ASIDE = 256  # jobs beside those that wait for a seat or run errands, for hours maybe; they take little but memory


class Places:
    def __init__(self, metrics: Metrics) -> None:
        self._room, self._aside, self._metrics = asyncio.Semaphore(IN_HAND), asyncio.Semaphore(ASIDE), metrics

    async def wait(self) -> None:
        """Until there is a place, which `take` then takes."""
        await self._room.acquire()

    def take(self) -> ExitStack:
        """One place, free again when it is closed."""
        return self._hold(self._room)

    async def take_aside(self) -> ExitStack:
        """One for a job that waits, once there is one."""
        await self._aside.acquire()
        return self._hold(self._aside)

    def _hold(self, room: asyncio.Semaphore) -> ExitStack:
        place = ExitStack()
        place.callback(room.release)
        place.enter_context(self._metrics.in_hand.track_inprogress())
        return place

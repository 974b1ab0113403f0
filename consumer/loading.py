"""Which chunks' rows are loaded: one after another in the order of the file, while later ones are still being made."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import AsyncIterator, Container

from consumer.outcome import Missing
from consumer.store import ConsumerStore
from protocol.records import Counts

log = logging.getLogger(__name__)
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # seconds until it is tried again, if something cannot be had


class Lane:
    def __init__(self, job_id: str, store: ConsumerStore) -> None:
        self._job_id, self._store = job_id, store
        self._offered = asyncio.Event()
        self.loaded: dict[int, Counts] = {}
        self._earlier = Counts()
        self.used = False

    async def recall(self, earlier: dict[str, int]) -> None:
        """What an earlier attempt or an earlier life has loaded, and *earlier* the job that this one goes on from."""
        self._earlier = Counts(**earlier)
        kept = await self._store.checkpoints(self._job_id, "load")
        self.loaded = {index: pickle.loads(body) for index, body in kept.items()}  # noqa: S301 - our own
        self.used = True

    def offer(self) -> None:
        """Another chunk is made."""
        self._offered.set()

    async def follow(self, count: int, made: Container[int]) -> AsyncIterator[int]:
        """The chunks that are still to be loaded, each as soon as it is among those *made*."""
        for index in range(count):
            while index not in made:
                self._offered.clear()
                await self._offered.wait()
            if index not in self.loaded:
                yield index

    async def keep(self, index: int, counts: Counts) -> None:
        await self._store.checkpoint(self._job_id, "load", index, pickle.dumps(counts))
        self.loaded[index] = counts

    @property
    def counts(self) -> Counts:
        """What became of the rows so far."""
        return sum(self.loaded.values(), self._earlier)


async def wait(missed: Missing, times: int) -> None:
    """The longer, the more often it was not to be had."""
    pause = PAUSES[min(times, len(PAUSES) - 1)]
    log.warning("%s Tried again in %g s: %s", missed, pause, missed.why)
    await asyncio.sleep(pause)

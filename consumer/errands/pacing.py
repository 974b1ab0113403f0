"""Which errand is next: in the order of the file, no faster than allowed, those to be tried again behind the others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from consumer.errands import Row


@dataclass(frozen=True)
class Errand:
    """One row's errand: where the row is in the table, and how often it was tried.

    `suspect` says that a process died while it was being done, alone or with others.
    """

    chunk: int
    place: int
    row: Row
    tries: int = 0
    suspect: bool = False

    @property
    def key(self) -> tuple[int, int]:
        return self.chunk, self.place


class Pace:
    """At most *per_second* turns a second, evenly spread."""

    def __init__(self, per_second: float | None) -> None:
        self._gap = 1.0 / per_second if per_second else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        if not self._gap:
            return
        now = asyncio.get_running_loop().time()
        at = max(now, self._next)
        self._next = at + self._gap
        await asyncio.sleep(at - now)


class Line:
    """The errands that wait. One that is put off joins the end of the line when its delay is over."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Errand] = asyncio.Queue()
        self._put_off: dict[tuple[int, int], asyncio.TimerHandle] = {}

    def put(self, errand: Errand, delay: float = 0.0) -> None:
        if delay <= 0:
            self._waiting.put_nowait(errand)
            return
        self._put_off[errand.key] = asyncio.get_running_loop().call_later(delay, self._join, errand)

    def _join(self, errand: Errand) -> None:
        del self._put_off[errand.key]
        self._waiting.put_nowait(errand)

    async def next(self) -> Errand:
        return await self._waiting.get()

    def close(self) -> None:
        for timer in self._put_off.values():
            timer.cancel()

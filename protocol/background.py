"""Work on bytes that stream by, done in a thread: a part at a time, while the next ones come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from threading import Lock

PART = 2**20  # bytes that are worth the way to a thread and back
PIECES = 256  # or so many pieces: each takes memory of its own, however short it is
LINGER = 0.005  # seconds that a thread waits for another part: to be called for it takes 0.1 ms of the event loop
WAITING = 2  # parts, so that a thread that is slow for once holds nobody up
GOES = 16  # parts that a thread does until whoever else waits for one has a turn


class Background:
    """Four parts are in memory at most: the one that is worked on, those that wait, and the one that gathers (`held`).

    One task hands parts on, and threads of the loop's pool do them in order, one after the other.
    """

    def __init__(self, work: Callable[[Iterable[bytes]], None]) -> None:
        self._work, self._size = work, 0
        self._parts: SimpleQueue[list[bytes] | None] = SimpleQueue()  # None: no more comes soon
        self._under_way: asyncio.Task[None] | None = None
        self._changing, self._active = Lock(), False  # whether somebody will look for parts once more
        self._room, self._wanted = asyncio.Event(), False
        self.held: list[bytes] = []

    @property
    def idle(self) -> bool:
        """Whether nothing gathers, waits or is worked on."""
        return not self.held and (self._under_way is None or self._under_way.done())

    async def add(self, piece: bytes) -> None:
        """Take the next piece; what went wrong with one before it is raised here."""
        self.held.append(piece)
        self._size += len(piece)
        if self._size >= PART or len(self.held) >= PIECES:
            await self.flush()

    async def flush(self) -> None:
        """Hand on what has gathered, as soon as few enough others wait."""
        await self._until_room()
        if self.held:
            part = self.rest()
            with self._changing:
                self._parts.put(part)
                called, self._active = self._active, True
            if not called:
                self._under_way = asyncio.create_task(self._call())

    def rest(self) -> list[bytes]:
        """What has gathered, to be handed on no more: it may be too little to be worth a thread."""
        part, self.held, self._size = self.held, [], 0
        return part

    async def pause(self) -> None:
        """Until nothing is worked on."""
        with self._changing:
            if self._active:
                self._parts.put(None)
        if self._under_way and not self._under_way.done():
            await asyncio.wait([self._under_way])
        self._raise()

    async def _until_room(self) -> None:
        self._raise()
        while self._parts.qsize() >= WAITING:
            self._room.clear()
            self._wanted = True
            if self._parts.qsize() >= WAITING:  # else one was taken before anybody could know that it is waited for
                await self._room.wait()
            self._raise()

    def _raise(self) -> None:
        if self._under_way and self._under_way.done():
            self._under_way.result()

    async def _call(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while await loop.run_in_executor(None, self._go, loop):
                pass
        finally:
            self._room.set()

    def _go(self, loop: asyncio.AbstractEventLoop) -> bool:
        """In a thread. Whether there may be more to do."""
        for _ in range(GOES):
            part = self._next()
            if self._wanted:
                self._wanted = False
                loop.call_soon_threadsafe(self._room.set)
            if part is None:
                return False
            self._work(part)
        return True

    def _next(self) -> list[bytes] | None:
        try:
            part = self._parts.get(timeout=LINGER)
        except Empty:
            part = None
        with self._changing:
            if part is None and not self._parts.empty():  # it came at the last moment
                part = self._parts.get()
            self._active = part is not None
        return part

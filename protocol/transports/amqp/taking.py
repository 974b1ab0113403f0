"""Takes the messages of one stream from its queues, for ever, over however many links that needs.

The library's callbacks only register what arrives, because it cancels them when a channel closes; what is done with a
message is the taker's own task. What came over a link that broke comes again, so what is in hand of it is forgotten.
Whoever has enough in hand stops asking: then what has arrived goes back, instead of being held unacknowledged.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from protocol.transports.amqp import topology, wire
from protocol.transports.amqp.link import AGAIN, TROUBLE, Link, no_stray_cancellation

log = logging.getLogger(__name__)
HOLD = 5.0  # seconds that a message may wait here for somebody to ask for it
LOOK = 1.0  # seconds between two looks at whether all is well
ASK = 15.0  # seconds between two questions to the broker whether we still consume


@dataclass(frozen=True, order=True)
class Held:
    """An arrived message nobody has asked for yet; sorts by lane, then by age."""

    lane: int
    number: int
    raw: AbstractIncomingMessage = field(compare=False)


async def _either(over: asyncio.Future[str], event: asyncio.Event) -> None:
    """Until *event* is set or the session is over."""
    waiting = asyncio.ensure_future(event.wait())
    either: list[asyncio.Future[Any]] = [over, waiting]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


class Room:
    """How many messages of one link may be unsettled. It is `open` until that link ends."""

    def __init__(self, places: int) -> None:
        self.open, self.places = True, asyncio.Semaphore(places)


@dataclass(frozen=True)
class Taken:
    """A message in hand. On a link that has ended, settling it does nothing: it comes again."""

    raw: AbstractIncomingMessage
    room: Room

    @property
    def alive(self) -> bool:
        return self.room.open

    async def ack(self) -> None:
        await self._settle(partial(wire.acknowledge, self.raw))

    async def requeue(self) -> None:
        await self._settle(partial(self.raw.nack, requeue=True))

    async def _settle(self, settle: Callable[[], Awaitable[object]]) -> None:
        self.room.places.release()
        if self.alive:
            with suppress(*TROUBLE), no_stray_cancellation():  # the library would wait for ever for a wire that is gone
                async with asyncio.timeout(topology.PATIENCE):
                    await settle()


class Session:
    """One time of consuming, from the first message to the last; `over` says why it ended."""

    def __init__(self, channel: AbstractChannel) -> None:
        loop = asyncio.get_running_loop()
        self.channel, self.over, self.asked = channel, loop.create_future(), loop.time()
        self.tags: dict[str, str] = {}  # by queue

    def end(self, why: str) -> None:
        if not self.over.done():
            self.over.set_result(why)


class Taking:
    def __init__(self, link: Link, lanes: Sequence[topology.Queue], prefetch: int) -> None:
        self._link, self._lanes, self._prefetch = link, lanes, prefetch
        self._number = itertools.count()
        self._held: list[Held] = []
        self._news = asyncio.Event()
        self._wanted = asyncio.Event()
        self._popped = asyncio.Event()
        self._room = Room(prefetch)
        self._unwanted_since: float | None = None
        self._session: Session | None = None
        self._refusals = 0  # in a row
        self._failure: Exception | None = None

    async def next(self) -> Taken:
        """The most urgent message."""
        self._wanted.set()
        try:
            while True:
                room = self._room
                await room.places.acquire()
                if (raw := await self._pop(room)) is not None:
                    return Taken(raw, room)
        finally:
            self._wanted.clear()
            self._unwanted_since = asyncio.get_running_loop().time()

    async def _pop(self, room: Room) -> AbstractIncomingMessage | None:
        """The next message, or None where the link was made anew meanwhile."""
        try:
            while room.open and not self._held and self._failure is None:
                self._news.clear()
                await self._news.wait()
        except asyncio.CancelledError:
            room.places.release()
            raise
        if self._failure:
            raise self._failure
        self._popped.set()
        return heapq.heappop(self._held).raw if room.open else None

    async def keep(self) -> None:
        """Have what arrives at hand, until cancelled."""
        while self._failure is None:
            try:
                with no_stray_cancellation():
                    await self._consume(await self._link.channel())
            except TROUBLE as exc:
                await self._pause(exc)
            except Exception as exc:  # noqa: BLE001 - it belongs to whoever takes
                self._failure = exc
            finally:
                self._forget()

    async def _pause(self, trouble: BaseException) -> None:
        """Until the link may be made again; where the broker is there and refuses, longer each time."""
        wait = self._link.wait
        if not wait:
            if not self._refusals:
                log.warning("nothing is taken, trying on: %s", trouble, extra={"queue": self._lanes[0].name})
            wait = AGAIN[min(self._refusals, len(AGAIN) - 1)]
            self._refusals += 1
        await asyncio.sleep(wait)

    def _forget(self) -> None:
        self._held.clear()
        self._room.open = False
        self._room.places.release()  # for who waits for it
        self._room = Room(self._prefetch)
        self._news.set()

    async def _consume(self, channel: AbstractChannel) -> None:
        """Take from *channel* until that must end."""
        await channel.set_qos(prefetch_count=self._prefetch, timeout=topology.PATIENCE)
        channel.close_callbacks.add(lambda *_: self._end("the link broke"))
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: self._end("the broker ended it"))
        try:
            why = None
            while why is None:
                session = await self._begin(channel)
                why = await self._watch(session) or await self._take_singly(session)
            log.info("taking anew: %s", why, extra={"queue": self._lanes[0].name, "action": "reconnect"})
        finally:
            await self._link.discard(channel)

    def _end(self, why: str) -> None:
        if self._session:
            self._session.end(why)

    async def _begin(self, channel: AbstractChannel) -> Session:
        self._session = session = Session(channel)
        for lane, queue in enumerate(self._lanes):
            asked = await channel.get_queue(queue.name, ensure=False)
            session.tags[queue.name] = await asked.consume(self._arrival(lane), timeout=topology.PATIENCE)
        self._refusals = 0
        return session

    def _arrival(self, lane: int) -> Callable[[AbstractIncomingMessage], Awaitable[None]]:
        async def register(raw: AbstractIncomingMessage) -> None:
            heapq.heappush(self._held, Held(lane, next(self._number), raw))
            self._news.set()

        return register

    async def _watch(self, session: Session) -> str | None:
        """Why this session must end; None where nobody wants what it brings."""
        while not session.over.done():
            await asyncio.wait([session.over], timeout=LOOK)
            now = asyncio.get_running_loop().time()
            if self._unwanted(now):
                await self._let_go(session)
                return None
            if now - session.asked > ASK:
                session.asked = now
                await self._ask(session)
        why: str = session.over.result()
        return why

    async def _take_singly(self, session: Session) -> str | None:
        """Ask for one message each time one is wanted, until there is none: what is given back often gets dropped."""
        while not session.over.done():
            await _either(session.over, self._wanted)
            if self._wanted.is_set() and not await self._get(session.channel):
                return None
            await _either(session.over, self._popped)
        return str(session.over.result())

    async def _get(self, channel: AbstractChannel) -> bool:
        for lane, queue in enumerate(self._lanes):
            asked = await channel.get_queue(queue.name, ensure=False)
            if (raw := await asked.get(fail=False, timeout=topology.PATIENCE)) is not None:
                self._popped.clear()
                await self._arrival(lane)(raw)
                return True
        return False

    def _unwanted(self, now: float) -> bool:
        since = self._unwanted_since
        return bool(self._held) and not self._wanted.is_set() and since is not None and now - since > HOLD

    async def _ask(self, session: Session) -> None:
        """Whether the broker, too, thinks that we consume."""
        for name in session.tags:
            queue = await session.channel.declare_queue(name, passive=True, timeout=topology.PATIENCE)
            if not queue.declaration_result.consumer_count:
                session.end(f"{name} has lost its consumer")

    async def _let_go(self, session: Session) -> None:
        """Take no more, and give back what nobody has asked for: it is safer there, or wanted elsewhere."""
        log.info("enough in hand, taking no more", extra={"queue": self._lanes[0].name, "action": "pause"})
        for name, tag in session.tags.items():
            queue = await session.channel.get_queue(name, ensure=False)
            await queue.cancel(tag, timeout=topology.PATIENCE)
        back, self._held = self._held, []
        async with asyncio.timeout(topology.PATIENCE):
            for held in sorted(back, reverse=True):  # the oldest goes back last, to the front
                await held.raw.nack(requeue=True)

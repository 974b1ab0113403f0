"""embedded:// - both sides in one process. A message is confirmed when its receiver has stored it.

Messages are frozen, so they are handed over as they are.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from protocol import messages
from protocol.findings import Finding
from protocol.job import Priority
from protocol.messages import STREAM_OF, Message, Reply, Stream, Unusable
from protocol.transports import NotSent

log = logging.getLogger(__name__)
M = TypeVar("M", bound=Message)
LANES = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 2}


@dataclass(frozen=True, order=True)
class Waiting:
    """A published message; sorts by lane, then by age."""

    lane: int
    number: int
    message: Message = field(compare=False)
    confirm: asyncio.Future[None] = field(compare=False)


@dataclass(frozen=True)
class Delivery(Generic[M]):
    message: M
    confirm: asyncio.Future[None]
    room: asyncio.Semaphore

    async def ack(self) -> None:
        self.room.release()
        if not self.confirm.done():
            self.confirm.set_result(None)

    async def requeue(self) -> None:
        self.room.release()
        if not self.confirm.done():
            self.confirm.set_exception(NotSent("the receiver asked for it later"))

    async def bury(self, reason: str) -> None:
        log.error("message dropped: %s", reason, extra={"type": messages.type_of(self.message), "action": "bury"})
        await self.ack()


class Embedded:
    def __init__(self) -> None:
        self._queues: defaultdict[str, asyncio.PriorityQueue[Waiting]] = defaultdict(asyncio.PriorityQueue)
        self._number = itertools.count()

    async def publish(self, message: Message, _envelope: bytes | None = None) -> None:
        if isinstance(message, Reply | Unusable):
            return  # there is nobody outside this process to hear of it
        confirm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane = LANES[messages.priority_of(message)]
        queue = self._queues[STREAM_OF[type(message)].name]
        await queue.put(Waiting(lane, next(self._number), message, confirm))
        await confirm

    async def subscribe(self, stream: Stream[M], *, prefetch: int) -> AsyncIterator[Delivery[M]]:
        room = asyncio.Semaphore(prefetch)
        queue = self._queues[stream.name]
        while True:
            await room.acquire()
            waiting = await queue.get()
            if waiting.confirm.cancelled():  # its publisher has gone; the outbox still has it
                room.release()
                continue
            yield Delivery(cast("Any", waiting.message), waiting.confirm, room)

    async def own(self, stream: Stream[Any], store: str) -> None:
        """Nobody else can reach it."""

    async def backlog(self, stream: Stream[Any]) -> int | None:
        """None: the outbox keeps each message until it is taken."""

    async def ready(self) -> str | None:
        return None


@asynccontextmanager
async def connect(_url: str) -> AsyncIterator[Embedded]:
    yield Embedded()


async def examine(_url: str) -> Sequence[Finding]:
    return [Finding(part="broker", detail="none is needed: service and consumer are one process")]

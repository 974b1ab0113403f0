"""One connection with one channel: made when it is needed, made anew when it breaks, not too often."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPConnectionError

from protocol.transports.amqp import topology, wire

log = logging.getLogger(__name__)
TROUBLE = (*CONNECTION_EXCEPTIONS, TimeoutError)  # all that a broker, a wire or the library can do to a call
HEARTBEAT = 10  # seconds; the default of 60 notices a half-open link after three minutes
AGAIN = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds before the next try to connect
MAKING = 15.0  # seconds to connect, look for the queues and perhaps declare them
PARTING = 0.5  # seconds for a polite end
Prepare = Callable[[AbstractChannel], Awaitable[None]]


@contextmanager
def no_stray_cancellation() -> Iterator[None]:
    """A call that the library has cancelled by itself has failed: only who cancels this task cancels it."""
    try:
        yield
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        raise AMQPConnectionError("the library cancelled the call") from None


class Reach:
    """Whether the broker is there, as far as any link knows. One line when that changes, none for each try."""

    def __init__(self) -> None:
        self._there: bool | None = None

    def found(self) -> None:
        if not self._there:
            log.info("broker reached", extra={"action": "connect"})
        self._there = True

    def lost(self, why: BaseException | str) -> None:
        if self._there is not False:
            reason = f"{type(why).__name__}: {why}" if isinstance(why, BaseException) else why
            log.warning("broker not reached, trying on: %s", reason, extra={"action": "reconnect"})
        self._there = False


class Link:
    """*prepare* is run on each new channel. With *confirms* it is for publishing."""

    def __init__(self, url: str, reach: Reach, *, confirms: bool, prepare: Prepare | None = None) -> None:
        self._url, self._reach, self._confirms, self._prepare = url, reach, confirms, prepare
        self._making = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._fails, self._not_before = 0, 0.0

    async def channel(self) -> AbstractChannel:
        """The open channel, or one of TROUBLE where there is none to be had now."""
        async with self._making:
            if self._channel is None or self._channel.is_closed:
                return await self._make()
            return self._channel

    @property
    def wait(self) -> float:
        """Seconds before it is worth trying again."""
        return max(0.0, self._not_before - asyncio.get_running_loop().time())

    async def count(self, queues: Iterable[str]) -> list[int]:
        """How many messages wait in each; on a channel of its own, which a queue that is gone takes along."""
        await self.channel()
        if self._connection is None:
            raise AMQPConnectionError("the link broke")
        with no_stray_cancellation():
            async with await self._connection.channel(publisher_confirms=False) as channel:
                found = [await channel.declare_queue(name, passive=True, timeout=topology.PATIENCE) for name in queues]
        return [queue.declaration_result.message_count or 0 for queue in found]

    async def unblocked(self) -> bool:
        """Whether the broker takes messages; it does not while an alarm for memory or disk is on."""
        try:
            async with asyncio.timeout(0.05):
                await self.until_unblocked()
        except TROUBLE:
            return False
        return True

    async def until_unblocked(self) -> None:
        transport = self._connection and self._connection.transport
        if not transport:
            raise AMQPConnectionError("the link broke")
        await transport.connection.ready()

    async def discard(self, channel: AbstractChannel) -> None:
        """Make no more use of *channel*; another may be open by now."""
        if channel is self._channel:
            await self.close()

    async def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with suppress(*TROUBLE), no_stray_cancellation():
                async with asyncio.timeout(PARTING):
                    await connection.close()

    async def _make(self) -> AbstractChannel:
        if self.wait:
            raise AMQPConnectionError("tried a moment ago")
        await self.close()
        try:
            with no_stray_cancellation():
                async with asyncio.timeout(MAKING):
                    self._channel = channel = await self._open()
        except TROUBLE as exc:
            self._not_before = asyncio.get_running_loop().time() + AGAIN[min(self._fails, len(AGAIN) - 1)]
            self._fails += 1
            self._reach.lost(exc)
            raise
        self._fails = 0
        self._reach.found()
        return channel

    async def _open(self) -> AbstractChannel:
        self._connection = await aio_pika.connect(
            self._url, heartbeat=HEARTBEAT, timeout=topology.PATIENCE, connection_class=wire.Connection
        )
        await topology.ensure(self._connection)
        channel = await self._connection.channel(publisher_confirms=self._confirms, on_return_raises=self._confirms)
        if self._prepare:
            await self._prepare(channel)
        return channel

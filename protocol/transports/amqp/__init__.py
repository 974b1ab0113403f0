"""amqp:// - RabbitMQ: quorum queues, persistent messages, confirms, mandatory; one link to publish, others to take.

A link that breaks is made anew, for ever. A delivery that was in hand when its link broke comes again, and its
acknowledgement on the dead channel does nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelPreconditionFailed, DeliveryError

from protocol.adapters import PREFIX, BadConfig
from protocol.findings import Finding
from protocol.messages import STREAM_OF, BadMessage, Message, Reply, Stream
from protocol.transports import NotSent
from protocol.transports.amqp import examination, spelling, topology, wire
from protocol.transports.amqp.link import PARTING, TROUBLE, Link, Prepare, Reach, no_stray_cancellation
from protocol.transports.amqp.spelling import Spelled
from protocol.transports.amqp.taking import Taken, Taking

log = logging.getLogger(__name__)
M = TypeVar("M", bound=Message)
BURY_AGAIN = 2.0  # seconds
CERTIFICATES = {"cafile", "certfile", "keyfile"}  # amqps: whom to trust, and who we are
DIRECT = "amq.rabbitmq.reply-to."
OWNERS = {"jobs": "consumer", "events": "service"}


@dataclass(frozen=True)
class Delivery(Generic[M]):
    message: M
    taken: Taken
    amqp: Amqp

    async def ack(self) -> None:
        await self.taken.ack()

    async def requeue(self) -> None:
        await self.taken.requeue()

    async def bury(self, reason: str) -> None:
        self.amqp.bury(self.taken, reason)


class Amqp:
    def __init__(self, url: str) -> None:
        self._url, self._reach = url, Reach()
        self._out = Link(url, self._reach, confirms=True)
        self._owned: dict[str, Link] = {}  # by stream
        self._links = [self._out]
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish(self, message: Message, envelope: bytes | None = None) -> None:
        spelled = spelling.spell(message, envelope)
        if isinstance(message, Reply):
            await self._reply(message, spelled)
        else:
            exchange = topology.EXCHANGES[STREAM_OF[type(message)].name][0]
            await self._send(exchange, topology.routing_key(message), spelled)

    async def _reply(self, reply: Reply, spelled: Spelled) -> None:
        try:
            # Direct reply-to is no queue: the broker would deliver the answer and return it as well.
            await self._send("", reply.to, spelled, mandatory=not reply.to.startswith(DIRECT))
        except NotSent as exc:
            if not isinstance(exc.__cause__, DeliveryError):
                raise
            log.info("nobody waits for the reply any more", extra={"to": reply.to, "subject": reply.subject})

    async def _send(self, exchange: str, key: str, message: Spelled, *, mandatory: bool = True) -> None:
        try:
            channel = await self._out.channel()
        except TROUBLE as exc:
            raise NotSent(f"the broker is not reached: {exc}") from exc
        try:
            with no_stray_cancellation():
                async with asyncio.timeout(topology.PATIENCE):
                    await self._out.until_unblocked()
                    await wire.publish(channel, exchange, key, message, mandatory=mandatory)
        except TROUBLE as exc:
            await self._mend(channel, exchange, exc)
            raise NotSent(f"{type(exc).__name__}: {exc}") from exc

    async def _mend(self, channel: AbstractChannel, exchange: str, error: BaseException) -> None:
        """A queue that an operator deleted: declare anew. A link that hangs: connect anew; a blocked one only waits."""
        lost = isinstance(error, DeliveryError) and exchange
        if lost or (isinstance(error, TimeoutError) and await self._out.unblocked()):
            await self._out.discard(channel)

    async def subscribe(self, stream: Stream[M], *, prefetch: int) -> AsyncIterator[Delivery[M]]:
        taking = Taking(self._link_for(stream), topology.LANES[stream.name], prefetch)
        keeper = self._spawn(taking.keep())
        try:
            while True:
                taken = await taking.next()
                try:
                    message = cast("M", spelling.read(taken.raw, stream))
                except BadMessage as exc:
                    self.bury(taken, str(exc))
                else:
                    yield Delivery(message, taken, self)
        finally:
            keeper.cancel()

    def _link_for(self, stream: Stream[Any]) -> Link:
        return self._owned.get(stream.name) or self._new_link()

    def _new_link(self, prepare: Prepare | None = None) -> Link:
        link = Link(self._url, self._reach, confirms=False, prepare=prepare)
        self._links.append(link)
        return link

    def bury(self, taken: Taken, reason: str) -> None:
        """What nobody can use goes where an operator can look at it, beside the flow of the others."""
        log.warning("message set aside: %s", reason, extra={"type": taken.raw.type, "action": "bury"})
        self._spawn(self._bury(taken, reason))

    async def _bury(self, taken: Taken, reason: str) -> None:
        while taken.alive:  # else it comes again
            try:
                await self._send(topology.EXCHANGES["dead"][0], "", spelling.dead(taken.raw, reason))
            except NotSent:
                await asyncio.sleep(BURY_AGAIN)
            else:
                break
        await taken.ack()

    async def own(self, stream: Stream[Any], store: str) -> None:
        link = self._owned[stream.name] = self._new_link(partial(_declare_owner, stream.name, store))
        while True:
            try:
                await link.channel()
            except TROUBLE:
                await asyncio.sleep(max(0.05, link.wait))
            else:
                return

    async def backlog(self, stream: Stream[Any]) -> int | None:
        try:
            counts = await self._out.count([queue.name for queue in topology.LANES[stream.name]])
        except TROUBLE as exc:
            raise NotSent(f"the broker is not reached: {exc}") from exc
        return sum(counts)

    async def ready(self) -> str | None:
        try:
            await self._out.channel()
        except TROUBLE as exc:
            return f"the broker does not answer: {type(exc).__name__}"
        return None if await self._out.unblocked() else "the broker takes no messages: an alarm is on"

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="amqp")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        while self._tasks:  # the library may swallow a cancellation
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=PARTING)
        await asyncio.gather(*(link.close() for link in self._links))


async def _declare_owner(stream: str, store: str, channel: AbstractChannel) -> None:
    try:
        await topology.declare_owner(channel, stream, store)
    except ChannelPreconditionFailed:
        side = OWNERS.get(stream, "process")
        raise BadConfig(
            f"{PREFIX}BROKER_URL: another {side} with a database of its own works on this broker. "
            "Stop it (it counts for another half a minute), or give this one a virtual host of its own."
        ) from None


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Amqp]:
    _check(url)
    amqp = Amqp(url)
    try:
        yield amqp
    finally:
        await amqp.close()


async def examine(url: str) -> Sequence[Finding]:
    _check(url)
    return await examination.examine(url)


def _check(url: str) -> None:
    parts = urlsplit(url)
    if not parts.hostname:
        raise BadConfig(f"{PREFIX}BROKER_URL: no host in it; amqp://user:password@host:5672/vhost is one")
    for name, value in parse_qsl(parts.query):
        # Else it would look like a broker that is not there, for ever.
        if name in CERTIFICATES and not Path(value).is_file():
            raise BadConfig(f"{PREFIX}BROKER_URL: {name}={value} is no file")

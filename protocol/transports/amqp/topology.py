"""What is declared on the broker: the same by whoever comes first, portable from RabbitMQ 3.10 to 4.

Arguments of a queue that exists cannot be changed, so each name carries its version: another set is another name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from protocol.job import Priority
from protocol.messages import JobChanged, Message, priority_of, type_of, what_happened

log = logging.getLogger(__name__)
PATIENCE = 10.0  # seconds for any one call
SETTLED = 2.0  # seconds: a quorum queue that is younger does not survive a kill of its broker, nor what is in it
DEAD_BYTES = 2**30  # of messages that nobody could use; the oldest go first
OWNER_EXPIRES = 30_000  # milliseconds without a consumer, after which another store may work here
EXCHANGES: Mapping[str, tuple[str, ExchangeType]] = {
    "jobs": ("rowmill", ExchangeType.TOPIC),
    "events": ("rowmill.events", ExchangeType.TOPIC),
    "control": ("rowmill.control", ExchangeType.FANOUT),
    "dead": ("rowmill.dead", ExchangeType.FANOUT),
}


@dataclass(frozen=True)
class Queue:
    name: str
    exchange: str  # a key of EXCHANGES
    key: str = ""
    arguments: Mapping[str, Any] | None = None

    @property
    def declared_with(self) -> dict[str, Any]:
        # Where a broker gives up on a message that came back too often (4.x: 20 times), it goes to the dead ones.
        kept = {} if self.exchange == "dead" else {"x-dead-letter-exchange": EXCHANGES["dead"][0]}
        return {"x-queue-type": "quorum", **kept, **(self.arguments or {})}


# The queues of each stream, the most urgent first: quorum queues have no priorities before 4.3, so these are lanes.
LANES: Mapping[str, Sequence[Queue]] = {
    "jobs": (
        Queue("rowmill.jobs.high.v1", "jobs", "high.job.#"),
        Queue("rowmill.jobs.v1", "jobs", "job.#"),
        Queue("rowmill.jobs.low.v1", "jobs", "low.job.#"),
    ),
    "events": (Queue("rowmill.service.v1", "events", "#"),),
    "control": (Queue("rowmill.control.v1", "control"),),
    "dead": (Queue("rowmill.dead.v1", "dead", "", {"x-max-length-bytes": DEAD_BYTES}),),
}
QUEUES = tuple(queue for lanes in LANES.values() for queue in lanes)


def routing_key(message: Message) -> str:
    """`job.<state>.<kind>` for an event, `job.run` for a command, in the lane of its priority."""
    match message:
        case JobChanged(job=job):
            return f"job.{what_happened(job)}.{job.kind}"
        case _:
            plain = type_of(message).removeprefix("rowmill.").removesuffix(".v1")
            lane = priority_of(message)
            return plain if lane is Priority.NORMAL else f"{lane}.{plain}"


async def ensure(connection: AbstractConnection) -> None:
    """Have everything there. What is made anew gets time to settle before anything is put into it."""
    if not await _is_there(connection):
        await _declare(connection)
        log.info("queues declared", extra={"action": "declare"})
        await asyncio.sleep(SETTLED)


async def _is_there(connection: AbstractConnection) -> bool:
    """Asked first, so that a user without the right to declare can work where an operator has declared all."""
    channel = await connection.channel(publisher_confirms=False)
    try:
        for name, kind in EXCHANGES.values():
            await channel.declare_exchange(name, kind, passive=True, timeout=PATIENCE)
        for queue in QUEUES:
            await channel.declare_queue(queue.name, passive=True, timeout=PATIENCE)
    except ChannelNotFoundEntity:
        return False
    await channel.close()
    return True


async def _declare(connection: AbstractConnection) -> None:
    async with await connection.channel(publisher_confirms=False) as channel:
        exchanges = {
            stream: await channel.declare_exchange(name, kind, durable=True, timeout=PATIENCE)
            for stream, (name, kind) in EXCHANGES.items()
        }
        for queue in QUEUES:
            made = await channel.declare_queue(
                queue.name, durable=True, arguments=queue.declared_with, timeout=PATIENCE
            )
            await made.bind(exchanges[queue.exchange], queue.key, timeout=PATIENCE)


async def declare_owner(channel: AbstractChannel, stream: str, store: str) -> None:
    """Say into which database *stream* is taken; the library raises ChannelPreconditionFailed where it is another.

    The broker compares this argument with that of the first who declared, and forgets both soon after the last one
    who consumes has gone.
    """
    arguments: dict[str, Any] = {
        "x-expires": OWNER_EXPIRES,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": store,
    }
    queue = await channel.declare_queue(
        f"rowmill.owner.{stream}.v1", durable=True, arguments=arguments, timeout=PATIENCE
    )
    await queue.consume(ignore, no_ack=True, timeout=PATIENCE)


async def ignore(_message: object) -> None:
    """Nothing is ever sent there."""

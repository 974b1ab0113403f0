"""What `rowmill doctor` asks a broker: is it there, is all declared as it must be, and may this user work with it?

Nothing is sent, taken or left behind. To learn whether a right is there, the broker is asked for something that it
must refuse for another reason, which it looks at after the right: a message that expired before it was sent, or
consuming with a priority that is no number.
"""

from __future__ import annotations

import asyncio
import shlex
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from urllib.parse import unquote, urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import (
    AMQPConnectionError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
    ProtocolSyntaxError,
)
from aiormq.exceptions import ChannelAccessRefused

from protocol.findings import Finding, fault, warning
from protocol.transports.amqp import topology
from protocol.transports.amqp.link import PARTING, TROUBLE, no_stray_cancellation

PATIENCE = 10.0  # seconds for any one question
OLDEST = (3, 10)
WRITTEN_TO = ("", *(name for name, _ in topology.EXCHANGES.values()))  # answers go through the one without a name
READ = tuple(queue.name for queue in topology.QUEUES if queue.exchange != "dead")
Question = Callable[[AbstractChannel], Awaitable[object]]
HIDDEN = warning("messages", "this user may not ask who is connected and what waits", "Grant it what it may not do.")


async def examine(url: str) -> Sequence[Finding]:
    place = _Place(url)
    try:
        async with _connected(url) as connection:
            found = [_greet(place, connection), await _compare(connection)]
            found += [await _look_who_works(connection) if await _may_ask(connection) else HIDDEN]
            return [*found, await _try_rights(connection, place)]
    except TROUBLE as exc:
        return [_explain(place, exc)]


class _Place:
    """A broker's URL in words; the password is in none of them."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.server = f"{parts.hostname}:{parts.port or (5671 if parts.scheme == 'amqps' else 5672)}"
        self.user, self.host = unquote(parts.username or "guest"), unquote(parts.path[1:]) or "/"


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[AbstractConnection]:
    connection = await aio_pika.connect(url, timeout=PATIENCE)
    try:
        yield connection
    finally:
        with suppress(*TROUBLE), no_stray_cancellation():  # while an alarm is on it would not answer
            async with asyncio.timeout(PARTING):
                await connection.close()


def _explain(place: _Place, error: BaseException) -> Finding:
    match error:
        case ProbableAuthenticationError():
            advice = "Correct user and password in ROWMILL_BROKER_URL, or: rabbitmqctl change_password USER PASSWORD"
            return fault("broker", f"{place.server} knows no user {place.user} with this password", advice)
        case ProtocolSyntaxError():
            detail = f"{place.server} lets {place.user} into no virtual host {place.host}"
            return fault("broker", detail, f"rabbitmqctl add_vhost {shlex.quote(place.host)}; {_grant(place)}")
        case AMQPConnectionError(__cause__=ssl.SSLCertVerificationError() as cause):
            advice = "Name the file of its certificate authority: ROWMILL_BROKER_URL=amqps://…?cafile=/path/to/ca.pem"
            return fault("broker", f"{place.server} is not trusted: {cause.verify_message}", advice)
        case TimeoutError():
            detail = f"{place.server} does not answer within {PATIENCE:.0f} s"
            return fault("broker", detail, "See whether the broker is well and no firewall is between.")
    advice = "Start the broker, or correct host and port in ROWMILL_BROKER_URL."
    return fault("broker", f"{place.server} is not reached: {error}", advice)


def _grant(place: _Place) -> str:
    names = shlex.join(["^rowmill", r"^(rowmill|amq\.default)", "^rowmill"])  # to configure, write, read
    return f"rabbitmqctl set_permissions -p {shlex.quote(place.host)} {shlex.quote(place.user)} {names}"


def _greet(place: _Place, connection: AbstractConnection) -> Finding:
    transport = connection.transport
    properties = getattr(transport.connection, "server_properties", {}) if transport else {}
    version = str(properties.get("version", "?"))
    detail = f"RabbitMQ {version} at {place.server}, virtual host {place.host}, user {place.user}"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers and numbers < OLDEST:
        return warning("broker", detail, "Rowmill is tried with RabbitMQ 3.10 to 4: bring it up to date.")
    return Finding(part="broker", detail=detail)


async def _compare(connection: AbstractConnection) -> Finding:
    """What is declared with what must be. What is there is declared once more, which changes nothing."""
    missing, other, hidden = [], [], []
    for name, there, same in _declarations():
        refused = await _asked(connection, there)
        if refused is ChannelNotFoundEntity:
            missing.append(name)
        elif refused is ChannelAccessRefused:
            hidden.append(name)
        elif await _asked(connection, same) is ChannelPreconditionFailed:
            other.append(name)
    if other:
        advice = "Somebody else declared them: delete them when they are empty, or use another virtual host."
        return fault("topology", f"declared in another way than Rowmill needs it: {', '.join(other)}", advice)
    if len(missing) == len(topology.EXCHANGES) + len(topology.QUEUES):
        return Finding(part="topology", detail="nothing is declared yet; whoever starts first does it")
    if hidden:
        return warning("topology", f"this user may not ask for {', '.join(hidden)}", "Grant it what it may not do.")
    if missing:
        advice = "The service and the consumer declare them anew as soon as they need them; start one if none runs."
        return warning("topology", f"gone: {', '.join(missing)}", advice)
    return Finding(part="topology", detail="all exchanges and queues are there")


def _declarations() -> Iterator[tuple[str, Question, Question]]:
    """Each name with two questions: is it there, and is it like ours?"""
    for name, kind in topology.EXCHANGES.values():
        yield name, partial(_declare_exchange, name, kind, passive=True), partial(_declare_exchange, name, kind)
    for queue in topology.QUEUES:
        yield queue.name, partial(_find_queue, queue.name), partial(_declare_queue, queue)


async def _declare_exchange(
    name: str, kind: aio_pika.ExchangeType, channel: AbstractChannel, *, passive: bool = False
) -> None:
    await channel.declare_exchange(name, kind, durable=True, passive=passive, timeout=PATIENCE)


async def _find_queue(name: str, channel: AbstractChannel) -> tuple[int, int]:
    """How many messages wait in it and how many consume."""
    found = (await channel.declare_queue(name, passive=True, timeout=PATIENCE)).declaration_result
    return found.message_count or 0, found.consumer_count or 0


async def _declare_queue(queue: topology.Queue, channel: AbstractChannel) -> None:
    await channel.declare_queue(queue.name, durable=True, arguments=queue.declared_with, timeout=PATIENCE)


async def _may_ask(connection: AbstractConnection) -> bool:
    """Since RabbitMQ 4.3, whoever may not declare a queue may not ask for it either."""
    return await _may(connection, partial(_find_queue, topology.QUEUES[0].name))


async def _look_who_works(connection: AbstractConnection) -> Finding:
    sides = {"consumer": "rowmill.owner.jobs.v1", "service": "rowmill.owner.events.v1"}
    absent = [side for side, queue in sides.items() if not (await _count(connection, queue))[1]]
    dead = (await _count(connection, "rowmill.dead.v1"))[0]
    waiting = sum([(await _count(connection, queue.name))[0] for queue in topology.LANES["jobs"]])
    if dead:
        advice = "The header x-rowmill-reason of each says why; read them, then purge that queue."
        return warning("messages", f"{dead} messages that nobody could use are in rowmill.dead.v1", advice)
    if absent:
        missing, start = " and no ".join(absent), " and ".join(f"rowmill {side}" for side in absent)
        return warning("messages", f"no {missing} is connected; {waiting} jobs wait", f"Start {start}.")
    return Finding(part="messages", detail=f"consumer and service are connected; {waiting} jobs wait")


async def _count(connection: AbstractConnection, queue: str) -> tuple[int, int]:
    try:
        async with await connection.channel(publisher_confirms=False) as channel:
            return await _find_queue(queue, channel)
    except ChannelNotFoundEntity:
        return 0, 0


async def _try_rights(connection: AbstractConnection, place: _Place) -> Finding:
    """Writing comes last: while an alarm is on, a connection is dead from the first message on."""
    refused = [] if await _may(connection, _make) else ["make queues rowmill.owner.…"]
    refused += [f"read {name}" for name in READ if not await _may(connection, partial(_read, name))]
    for name in WRITTEN_TO:
        try:
            granted = await _may(connection, partial(_write, name))
        except TimeoutError:
            advice = "Give it memory or disk; `rabbitmqctl status` says which alarm it is."
            return fault("broker", "it takes no messages: an alarm for memory or disk is on", advice)
        refused += [] if granted else [f"write to {name or 'amq.default'}"]
    if refused:
        return fault("permissions", f"{place.user} may not {', '.join(refused)}", _grant(place))
    return Finding(part="permissions", detail=f"{place.user} may do all that is needed")


async def _may(connection: AbstractConnection, question: Question) -> bool:
    return await _asked(connection, question) is not ChannelAccessRefused


async def _asked(connection: AbstractConnection, question: Question) -> type[BaseException] | None:
    """How the broker refused, None if it did not. A refusal takes its channel along, so each question has its own."""
    channel = await connection.channel(publisher_confirms=True)
    try:
        with no_stray_cancellation():
            await question(channel)
    except (ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed) as exc:
        return type(exc)
    await channel.close()
    return None


async def _make(channel: AbstractChannel) -> None:
    """A queue that goes with its connection, named like those that say who owns a stream."""
    name = f"rowmill.owner.doctor.{uuid.uuid4().hex}"
    await (await channel.declare_queue(name, exclusive=True, timeout=PATIENCE)).delete(timeout=PATIENCE)


async def _read(name: str, channel: AbstractChannel) -> None:
    queue = await channel.get_queue(name, ensure=False)
    await queue.consume(topology.ignore, arguments={"x-priority": "none"}, timeout=PATIENCE)


async def _write(name: str, channel: AbstractChannel) -> None:
    exchange = await channel.get_exchange(name, ensure=False) if name else channel.default_exchange
    await exchange.publish(aio_pika.Message(b"", expiration=-1), "rowmill.doctor", timeout=PATIENCE)

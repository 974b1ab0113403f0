"""A connection whose frames go out together: all that one turn of the event loop brings is one call of the system."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, cast

import aio_pika
import aiormq
import pamqp.frame
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError

from protocol.transports.amqp.spelling import Spelled

log = logging.getLogger(__name__)
PARTS = 3  # of a frame, as the library reads it: the type, channel and size, the rest
DELIVERED, GOT, CONTENT = b"\x01\0\x3c\0\x3c", b"\x01\0\x3c\0\x47", b"\x02\0\x3c\0\0"  # types, how the rest begins
NAMES = 4 + 8 + 1  # where those of the exchange and the routing key begin, behind the method, the delivery's tag, a bit
FLAGS = slice(12, 14)  # which properties there are
INTRICATE = 1 << 13 | 1 << 6 | 1  # headers, a time, still more
ASCII = bytes(byte if byte < 0x80 else ord("?") for byte in range(0x100))  # noqa: PLR2004


class Reader(asyncio.StreamReader):
    """Passes over what the library cannot read of a message, such as a text that is not UTF-8.

    Instead it would end the connection, and the broker would send the same message again, for ever, and no other.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    async def readexactly(self, n: int) -> bytes:
        data = await super().readexactly(n)
        self._parts.append(data)
        if len(self._parts) < PARTS:
            return data
        parts, self._parts = self._parts, []
        kind = parts[0] + data[:4]
        if kind == CONTENT:
            return data if _is_readable(parts) else _without_properties(data)
        if kind == DELIVERED:
            return _with_plain_names(data, NAMES + 1 + data[4])  # behind the consumer's tag, too
        return _with_plain_names(data, NAMES) if kind == GOT else data


def _is_readable(parts: Sequence[bytes]) -> bool:
    content = parts[-1]
    if content[FLAGS.stop : -1].isascii() and not int.from_bytes(content[FLAGS]) & INTRICATE:
        return True  # found out in no time
    try:
        pamqp.frame.unmarshal(b"".join(parts))
    except Exception as exc:  # noqa: BLE001 - whatever it stumbles over
        log.warning("a message is taken without its properties, which cannot be read: %s", exc)
        return False
    return True


def _without_properties(content: bytes) -> bytes:
    """As long as it was: what no flag speaks of is passed over."""
    return content[: FLAGS.start] + bytes(2) + content[FLAGS.stop :]


def _with_plain_names(delivery: bytes, at: int) -> bytes:
    plain = bytearray(delivery)
    for _ in ("exchange", "routing key"):
        start, end = at + 1, at + 1 + plain[at]
        plain[start:end] = plain[start:end].translate(ASCII)
        at = end
    return bytes(plain)


class Wire(asyncio.StreamWriter):
    """Holds what is written until the loop has turned, or until somebody waits for it."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._held: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._held:
            asyncio.get_running_loop().call_soon(self._flush)
        self._held.append(bytes(data))

    async def drain(self) -> None:
        self._flush()
        await super().drain()

    def write_eof(self) -> None:
        self._flush()
        super().write_eof()

    def close(self) -> None:
        self._flush()
        super().close()

    def _flush(self) -> None:
        held, self._held = self._held, []
        if held and not self.is_closing():
            super().writelines(held)


class Wires(TransportFactory):
    async def create(self, url: Any, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop, reader = asyncio.get_running_loop(), Reader()
        protocol = asyncio.StreamReaderProtocol(reader)
        given = options.pop("ssl_context_provider")
        tls = await given.get_context() if url.scheme == "amqps" else None
        try:
            transport, _ = await loop.create_connection(lambda: protocol, url.host, url.port, ssl=tls, **options)
        except OSError as exc:
            raise AMQPConnectionError(*exc.args) from exc
        return reader, Wire(transport, protocol, reader, loop)


class Connection(aio_pika.Connection):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.kwargs["transport_factory"] = Wires()


async def publish(channel: AbstractChannel, exchange: str, key: str, message: Spelled, *, mandatory: bool) -> None:
    """Until the broker has confirmed *message*; others may publish as soon as it is on its way to the wire."""
    under = cast("aiormq.Channel", await channel.get_underlay_channel())
    await under.basic_publish(
        message.body,
        exchange=exchange,
        routing_key=key,
        properties=message.properties,
        mandatory=mandatory,
        wait=False,
    )


async def acknowledge(message: AbstractIncomingMessage) -> None:
    """Say that *message* is ours. Should that not reach the broker, it comes again."""
    if message.delivery_tag is not None:
        await message.channel.basic_ack(message.delivery_tag, wait=False)

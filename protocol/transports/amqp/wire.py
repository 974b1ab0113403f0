"""A connection whose frames go out together: all that one turn of the event loop brings is one call of the system."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError

from protocol.transports.amqp.spelling import Spelled


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
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
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

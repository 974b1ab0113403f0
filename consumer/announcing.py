"""Says which kinds this consumer can run, on start and then regularly: services learn them from nowhere else."""

from __future__ import annotations

import asyncio
import logging
import socket

from consumer.execution import Mill
from consumer.executors import Done
from protocol.kinds import KindInfo
from protocol.messages import ConsumerReady
from protocol.transports import NotSent, Transport

log = logging.getLogger(__name__)
EVERY = 15.0  # seconds
SOON = 0.5  # seconds after it could not be said


async def load_kinds(mill: Mill) -> tuple[KindInfo, ...]:
    """The kinds as the pool describes them: this process may not import any."""
    async with mill.sharing.any_slot() as slot:
        answer = await slot.run("describe", limit=mill.chunk_timeout)
    if not isinstance(answer, Done):
        raise TypeError(f"the kinds cannot be loaded: {answer}")
    kinds: tuple[KindInfo, ...] = answer.value
    return kinds


async def announce(transport: Transport, kinds: tuple[KindInfo, ...]) -> None:
    ready = ConsumerReady(consumer=socket.gethostname(), kinds=kinds)
    while True:
        try:
            await transport.publish(ready)
        except NotSent as exc:
            log.debug("kinds not announced: %s", exc)  # the transport says when it is cut off
            await asyncio.sleep(SOON)
        else:
            await asyncio.sleep(EVERY)

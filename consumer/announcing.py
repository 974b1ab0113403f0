"""Says which kinds this consumer can run, on start and then regularly: services learn them from nowhere else."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import assert_never

from consumer import origins
from consumer.executors import Answer, Done, NotNow, Overdue, Raised, Refused, WorkerLost
from consumer.mill import Mill
from consumer.origins import Origin, Unfit
from protocol.kinds import KindInfo
from protocol.messages import ConsumerReady
from protocol.transports import NotSent, Transport

log = logging.getLogger(__name__)
EVERY = 15.0  # seconds
PATIENCE = 60.0  # seconds for a kind to be imported
TRIES = 3  # times that a process may die while it loads a kind
SOON = 0.5  # seconds after it could not be said


async def load_kinds(mill: Mill) -> tuple[KindInfo, ...]:
    """The kinds as the pool describes them: this process may not import any.

    One that cannot be described is left out, and the log says which and why: the others are not to suffer from it.
    """
    known, unfit = await asyncio.to_thread(lambda: (origins.origins(), origins.unfit()))
    described = [await _describe(mill, origin) for origin in known.values()]
    for left_out in (*unfit, *(one for one in described if isinstance(one, Unfit))):
        _tell(left_out)
    return tuple(one for one in described if isinstance(one, KindInfo))


async def _describe(mill: Mill, origin: Origin) -> KindInfo | Unfit:
    for _ in range(TRIES):
        try:
            async with mill.sharing.visit(f"kind {origin.name}", 1.0) as slot:
                answer = await slot.run("describe", origin.name, limit=PATIENCE)
        except Overdue:
            return origin.unfit(f"it was not loaded after {PATIENCE:g} s")
        except WorkerLost:
            continue
        return _described(origin, answer)
    return origin.unfit(f"the process that loaded it died, {TRIES} times")


def _described(origin: Origin, answer: Answer) -> KindInfo | Unfit:
    match answer:
        case Done(value):
            info: KindInfo = value
            return info
        case Raised(error, where, trace):
            return origin.unfit(f"{error}{where and f' ({where})'}", trace)
        case Refused(_, faults):
            return origin.unfit(" ".join(fault.detail for fault in faults))
        case NotNow(detail):
            return origin.unfit(detail)
        case other:
            assert_never(other)


def _tell(left_out: Unfit) -> None:
    more = {"exception": left_out.trace} if left_out.trace else {}
    extra = {"kind": left_out.name, "action": "leave out", **more}
    log.error("kind %s of %s is left out: %s", left_out.name, left_out.package, left_out.why, extra=extra)


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

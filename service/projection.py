"""Turns the consumer's events into the service's view, and tells whoever watches."""

from __future__ import annotations

import asyncio
import logging
from typing import assert_never

from protocol import log as lines
from protocol.messages import EVENTS, ConsumerReady, JobChanged
from protocol.transports import Delivery, Transport
from service.live import Hub
from service.offers import Offers
from service.store import Store

log = logging.getLogger(__name__)
PREFETCH = 64
PAUSE = 0.5  # seconds after an event could not be stored


async def project(transport: Transport, store: Store, offers: Offers, hub: Hub, *, identity: str) -> None:
    """Apply events for ever, into the database *identity*. The order does not matter: versions decide."""
    await transport.own(EVENTS, identity)
    async with asyncio.TaskGroup() as group:
        async for delivery in transport.subscribe(EVENTS, prefetch=PREFETCH):
            with lines.about(**_whom(delivery.message)):
                group.create_task(_take(delivery, store, offers, hub))


async def _take(delivery: Delivery[JobChanged | ConsumerReady], store: Store, offers: Offers, hub: Hub) -> None:
    try:
        await _apply(delivery.message, store, offers, hub)
    except Exception:
        log.exception("event not stored; it comes again")
        await asyncio.sleep(PAUSE)
        await delivery.requeue()
    else:
        await delivery.ack()


async def _apply(message: JobChanged | ConsumerReady, store: Store, offers: Offers, hub: Hub) -> None:
    match message:
        case JobChanged(job=job):
            if await store.apply(job):
                hub.publish(job)
        case ConsumerReady():
            await offers.record(message)
        case _:
            assert_never(message)


def _whom(message: JobChanged | ConsumerReady) -> dict[str, str]:
    return {"job": message.job.id} if isinstance(message, JobChanged) else {"consumer": message.consumer}

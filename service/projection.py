"""Turns the consumer's events into the service's view, and tells whoever watches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.messages import EVENTS, ConsumerReady, JobChanged
from protocol.transports import Delivery, Transport
from service.live import Hub
from service.offers import Offers
from service.store import Store

log = logging.getLogger(__name__)
PREFETCH = 64
PAUSE = 0.5  # seconds after an event could not be stored
Event = JobChanged | ConsumerReady


async def project(transport: Transport, store: Store, offers: Offers, hub: Hub, *, identity: str) -> None:
    """Apply events for ever, into the database *identity*. The order does not matter: versions decide."""
    await transport.own(EVENTS, identity)
    arrived: asyncio.Queue[Delivery[Event]] = asyncio.Queue()  # never more than the prefetch
    async with asyncio.TaskGroup() as group:
        view = View(store, offers, hub, group)
        group.create_task(_gather(transport, arrived), name="events")
        while True:
            await view.take(await _all_of(arrived))


async def _gather(transport: Transport, arrived: asyncio.Queue[Delivery[Event]]) -> None:
    async for delivery in transport.subscribe(EVENTS, prefetch=PREFETCH):
        arrived.put_nowait(delivery)


async def _all_of(arrived: asyncio.Queue[Delivery[Event]]) -> list[Delivery[Event]]:
    """What has come while the events before it were stored, one at least: they share a unit of work."""
    return [await arrived.get(), *(arrived.get_nowait() for _ in range(arrived.qsize()))]


@dataclass(frozen=True)
class View:
    store: Store
    offers: Offers
    hub: Hub
    group: asyncio.TaskGroup

    async def take(self, deliveries: Sequence[Delivery[Event]]) -> None:
        """Store and acknowledge; where that fails, each beside the others, so that none holds them up."""
        try:
            await self._apply([delivery.message for delivery in deliveries])
        except Exception:  # noqa: BLE001 - whose fault it is will show
            for delivery in deliveries:
                self.group.create_task(self._take_alone(delivery))
        else:
            for delivery in deliveries:
                await delivery.ack()

    async def _take_alone(self, delivery: Delivery[Event]) -> None:
        try:
            await self._apply([delivery.message])
        except Exception:
            log.exception("event not stored; it comes again", extra=_whom(delivery.message))
            await asyncio.sleep(PAUSE)
            await delivery.requeue()
        else:
            await delivery.ack()

    async def _apply(self, events: Sequence[Event]) -> None:
        for job in await self.store.apply([event.job for event in events if isinstance(event, JobChanged)]):
            self.hub.publish(job)
        for event in events:
            if isinstance(event, ConsumerReady):
                await self.offers.record(event)


def _whom(event: Event) -> dict[str, str]:
    return {"job": event.job.id} if isinstance(event, JobChanged) else {"consumer": event.consumer}

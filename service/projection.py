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
    arrived = Arrived()
    async with asyncio.TaskGroup() as group:
        view = View(store, offers, hub, group)
        group.create_task(arrived.gather(transport), name="events")
        while True:
            await view.take(await arrived.take())


class Arrived:
    """What has come while the events before it were stored: they share one unit of work."""

    def __init__(self) -> None:
        self._deliveries: list[Delivery[Event]] = []
        self._any = asyncio.Event()

    async def gather(self, transport: Transport) -> None:
        async for delivery in transport.subscribe(EVENTS, prefetch=PREFETCH):
            self._deliveries.append(delivery)
            self._any.set()

    async def take(self) -> list[Delivery[Event]]:
        await self._any.wait()
        self._any.clear()
        taken, self._deliveries = self._deliveries, []
        return taken


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

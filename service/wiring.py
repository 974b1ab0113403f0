"""What every handler works with: one value, made in `app.py` and found under SERVICE in the application."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from protocol.config import Settings
from protocol.files import Files
from protocol.outbox import Outbox
from protocol.signing import Signer
from protocol.transports import Transport
from service.door.keys import Keys
from service.door.quotas import Failures, Quotas
from service.door.sessions import Sessions
from service.door.tickets import Tickets
from service.jobs.reading import Reading
from service.limits import Limits
from service.live import Hub
from service.metrics import Metrics
from service.offers import Offers
from service.store import Store
from service.submissions.uploads import Slots
from service.tus.holds import Holds
from service.tus.parcels import Parcels


@dataclass(frozen=True)
class Service:
    settings: Settings
    files: Files
    transport: Transport
    outbox: Outbox
    store: Store
    offers: Offers
    slots: Slots
    records: Reading
    signer: Signer
    keys: Keys
    sessions: Sessions
    quotas: Quotas
    parcels: Parcels
    tickets: Tickets = field(default_factory=Tickets)
    failures: Failures = field(default_factory=Failures)
    limits: Limits = field(default_factory=Limits)
    hub: Hub = field(default_factory=Hub)
    holds: Holds = field(default_factory=Holds)
    metrics: Metrics = field(default_factory=Metrics)
    keys_held: set[str] = field(default_factory=set)  # idempotency keys of requests under way
    clock: Callable[[], float] = time.time


SERVICE = web.AppKey("service", Service)

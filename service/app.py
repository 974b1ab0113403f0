"""The service as a whole: its routes, and everything that runs while it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from protocol.adapters import PREFIX, BadConfig
from protocol.config import Settings, is_loopback
from protocol.databases import Database, insist
from protocol.databases.identity import identify
from protocol.files import Files
from protocol.intake import prepare
from protocol.metrics import Registry
from protocol.outbox import Outbox
from protocol.records import check_url
from protocol.signing import load_signer
from protocol.transports import Transport
from service import expectations, operations, retention
from service.contract import docs
from service.door import access, guard, login
from service.door.keys import Keys
from service.door.quotas import Quotas
from service.door.sessions import Sessions
from service.http import listening
from service.jobs import api, artefacts, bulk, events, records, reject_calls, streams
from service.jobs.reading import Reading
from service.limits import Limits
from service.metrics import Metrics, counted
from service.offers import Offers
from service.pages import views
from service.problems import explain
from service.projection import project
from service.reminders import remind
from service.store import Store
from service.submissions import amendments, previews, submitting, uploads
from service.tus import endpoints, receiving
from service.tus.parcels import Parcels
from service.wiring import SERVICE, Service


async def run(
    settings: Settings,
    database: Database,
    files: Files,
    transport: Transport,
    *,
    stop: asyncio.Event,
    ready: Callable[[str], object],
    registry: Registry | None = None,
) -> None:
    """Serve until *stop* is set; *ready* gets the address once requests are answered there."""
    async with serve(settings, database, files, transport, registry=registry) as url:
        ready(url)
        await stop.wait()


@asynccontextmanager
async def serve(
    settings: Settings,
    database: Database,
    files: Files,
    transport: Transport,
    *,
    limits: Limits | None = None,
    registry: Registry | None = None,
) -> AsyncIterator[str]:
    """A running service; its value is the address that was bound, such as http://127.0.0.1:8080."""
    service = wire(
        settings, database, files, transport, limits=limits or Limits.of(settings), metrics=Metrics(registry)
    )
    await service.store.prepare()
    await service.offers.prepare()
    await service.keys.prepare()
    await service.sessions.prepare()
    await service.parcels.prepare()
    stay_private(service)
    await uploads.sweep(service.store, service.files)
    view = partial(project, transport, service.store, service.offers, service.hub, identity=await identify(database))
    async with listening(service, build(service)) as url, asyncio.TaskGroup() as group:
        chores = [
            group.create_task(service.outbox.relay(transport), name="service relay"),
            group.create_task(view(), name="service view"),
            group.create_task(insist(remind, service), name="service reminders"),
            group.create_task(insist(retention.retain, service), name="service retention"),
            group.create_task(insist(receiving.tidy, service), name="service uploads"),
            group.create_task(asyncio.to_thread(prepare), name="service intake"),
        ]
        try:
            yield url
        finally:
            for chore in chores:
                chore.cancel()


def wire(
    settings: Settings, database: Database, files: Files, transport: Transport, *, limits: Limits, metrics: Metrics
) -> Service:
    check_url(settings.records_url)
    outbox, signer = Outbox(database, owner="service"), load_signer(settings)
    return Service(
        settings=settings,
        files=files,
        transport=transport,
        outbox=outbox,
        store=Store(database, outbox),
        offers=Offers(database),
        slots=uploads.Slots(limits.uploads, limits.queue),
        records=Reading(settings.records_url),
        signer=signer,
        keys=Keys(database),
        sessions=Sessions(database, signer),
        quotas=Quotas(settings),
        parcels=Parcels(database, life=limits.unfinished),
        limits=limits,
        metrics=metrics,
    )


def stay_private(service: Service) -> None:
    """Where others can come in, somebody must have a key."""
    host = service.settings.host
    if not (is_loopback(host) or service.settings.api_keys or service.keys.usable()):
        reason = f"HOST is {host}, no loopback address, and there is no key, so anybody could submit jobs"
        raise BadConfig(f"{PREFIX}{reason}: make one (rowmill keys add NAME) or set {PREFIX}API_KEYS")


def build(service: Service) -> web.Application:
    app = web.Application(middlewares=[counted(service.metrics), views.tell_people, explain, guard.guard])
    app[SERVICE] = service
    app.on_response_prepare.append(guard.harden_answer)
    app.add_routes(ROUTES)
    views.add_pages(app)
    app.router.add_get("/records/{table}", records.show_records)
    app.router.add_get("/jobs/{id}/rejects", reject_calls.show_rejects)
    app.add_routes(login.ROUTES)
    expectations.wait_for_the_guard(app.router)
    return app


ROUTES = (
    web.get("/v1/kinds", api.list_kinds),
    web.post("/v1/jobs", submitting.submit),
    web.post("/v1/preview", previews.show),
    web.get("/v1/jobs", api.list_jobs),
    web.post("/v1/bulk", bulk.act),
    web.get("/v1/jobs/{id}", api.show),
    web.delete("/v1/jobs/{id}", api.delete),
    web.get("/v1/jobs/{id}/log", api.show_log),
    web.get("/v1/jobs/{id}/rejects", reject_calls.list_rejects),
    web.post("/v1/jobs/{id}/cancel", api.cancel),
    web.post("/v1/jobs/{id}/retry", api.retry),
    web.post("/v1/jobs/{id}/repairs", amendments.repair),
    web.post("/v1/jobs/{id}/additions", amendments.append),
    web.get("/v1/jobs/{id}/artefacts/{name}", artefacts.download),
    web.get("/v1/jobs/{id}/stream", streams.stream_job, allow_head=False),
    web.get("/v1/jobs/{id}/events", events.follow_job, allow_head=False),
    web.get("/v1/stream", streams.stream_all, allow_head=False),
    web.get("/v1/records/{table}", records.list_records),
    web.post("/v1/prune", retention.prune),
    web.post("/v1/tickets", access.give_ticket),
    web.get("/v1/keys", access.list_keys),
    web.post("/v1/keys", access.add_key),
    web.post("/v1/keys/{name}/rotate", access.rotate_key),
    web.delete("/v1/keys/{name}", access.revoke_key),
    web.get("/openapi.json", docs.contract),
    web.get("/docs", docs.show),
    web.get("/asyncapi.json", docs.message_contract),
    web.get("/docs/messages", docs.show_messages),
    *endpoints.ROUTES,
    web.get("/livez", operations.alive),
    web.get("/readyz", operations.readiness),
    web.get("/metrics", operations.measure),
)

"""What the service counts, for Prometheus. The registry may hold the consumer's figures too."""

from __future__ import annotations

import time

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.requests = Histogram(
            "rowmill_http_request_seconds",
            "How long requests took, by route, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.uploaded = Counter("rowmill_upload_bytes", "Bytes of tables received.", registry=self.registry)
        self.uploads = Gauge("rowmill_uploads", "Uploads under way.", registry=self.registry)
        self.dropped = Counter("rowmill_clients_dropped", "Clients that did not read.", registry=self.registry)
        self.refused = Counter(
            "rowmill_connections_refused", "Connections beyond those that there may be.", registry=self.registry
        )
        self.watchers = Gauge("rowmill_watchers", "Websockets and waiting requests.", registry=self.registry)
        self.jobs = Gauge("rowmill_jobs", "Jobs by state.", ("state",), registry=self.registry)
        self.outbox = Gauge("rowmill_outbox_age_seconds", "How long the oldest message waits.", registry=self.registry)
        self.ready = Gauge("rowmill_ready", "Whether a part is ready, 1 or 0.", ("part",), registry=self.registry)
        self.queues = Gauge(
            "rowmill_queue_messages",
            "Messages that wait in the broker, as far as it tells.",
            ("stream",),
            registry=self.registry,
        )

    def text(self) -> bytes:
        return generate_latest(self.registry)


def counted(metrics: Metrics) -> Middleware:
    """A middleware that times every request. It counts routes, not paths: those are as many as clients make up."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        began, status = time.monotonic(), 500
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as exc:
            status = exc.status
            raise
        finally:
            resource = request.match_info.route.resource
            route = resource.canonical if resource else "none"
            metrics.requests.labels(route, request.method, status).observe(time.monotonic() - began)
        return response

    return count

"""Figures for Prometheus: one registry to a process, shown by the service or, where there is none, on a port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from protocol.adapters import PREFIX, BadConfig

Registry = CollectorRegistry


def make_registry() -> Registry:
    """With what the system knows of this process: memory, processor time, open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


@asynccontextmanager
async def shown(registry: Registry, host: str, port: int | None) -> AsyncIterator[None]:
    """Answer every GET on *port* with the figures, from a thread that outlasts a busy loop; without a port, nothing."""
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as exc:
        raise BadConfig(f"{PREFIX}METRICS_PORT: cannot listen on {host}:{port}: {exc.strerror}") from None
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()

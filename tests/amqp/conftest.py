"""Fleets at work, and a proxy where a test wants one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from tests.amqp.fleet import Fleet
from tests.leash import Leash
from tests.proxy import Proxy
from tests.rabbitmq import Node
from tests.vectors import SALES


@pytest.fixture
async def proxy(node: Node) -> AsyncIterator[Proxy]:
    async with Proxy(node.port) as proxy:
        yield proxy


Launch = Callable[..., Awaitable[Fleet]]


@pytest.fixture
async def launch(tmp_path: Path, url: str, leash: Leash) -> AsyncIterator[Launch]:
    """Starts fleets, each in a folder of its own; stops what still runs."""
    launched: list[Fleet] = []
    async with aiohttp.ClientSession() as session:

        async def begin(*, broker: str = url, wait: bool = True, **settings: str) -> Fleet:
            folder = tmp_path / f"fleet{len(launched)}"
            folder.mkdir()
            fleet = Fleet(folder, session, broker, leash, settings)
            launched.append(fleet)
            await (fleet.start() if wait else asyncio.gather(*(side.start() for side in fleet.sides)))
            return fleet

        try:
            yield begin
        finally:
            for fleet in launched:
                await fleet.stop()


@pytest.fixture
def table() -> bytes:
    """A small sales table: 7 rows kept, 3 rejected."""
    return SALES


@pytest.fixture
def big_table() -> bytes:
    """One of 60 to 70 chunks of 64 KiB."""
    head, *rows = SALES.splitlines(keepends=True)
    return head + b"".join(rows) * (4 * 2**20 // len(SALES))

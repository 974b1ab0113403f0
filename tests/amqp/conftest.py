"""One RabbitMQ node for all tests of a session, a virtual host for each test, and a proxy where a test wants one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.amqp.fleet import Fleet
from tests.proxy import Proxy
from tests.rabbitmq import Node


@pytest.fixture(scope="session")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("rabbitmq"))
    node.start()
    try:
        yield node
    finally:
        node.end()


@pytest.fixture
async def node(shared_node: Node) -> Node:
    """The node, up again where the test before has killed it."""
    if not shared_node.running:
        shared_node.start()
    await shared_node.up()
    return shared_node


@pytest.fixture
def url(node: Node) -> str:
    """A virtual host that this test has for itself."""
    return node.at(node.fresh_host())


@pytest.fixture
async def proxy(node: Node) -> AsyncIterator[Proxy]:
    async with Proxy(node.port) as proxy:
        yield proxy


Launch = Callable[..., Awaitable[Fleet]]


@pytest.fixture
async def launch(tmp_path: Path, url: str) -> AsyncIterator[Launch]:
    """Starts fleets, each in a folder of its own; stops what still runs."""
    launched: list[Fleet] = []
    async with aiohttp.ClientSession() as session:

        async def begin(*, broker: str = url, wait: bool = True, **settings: str) -> Fleet:
            folder = tmp_path / f"fleet{len(launched)}"
            folder.mkdir()
            fleet = Fleet(folder, session, broker, settings)
            launched.append(fleet)
            await (fleet.start() if wait else asyncio.gather(*(side.start() for side in fleet.sides)))
            return fleet

        try:
            yield begin
        finally:
            for fleet in launched:
                await fleet.stop()


SALES = b"""region,product,revenue,quantity,discount
North,A,100,10,0.10
North,B,120,10,0.00
South,A,80,10,0.05
South,B,110,10,0.05
East,A,90,10,0.20
East,B,1000,10,0.10
West,A,50,0,0.10
West,B,,5,0.10
West,C,abc,5,0.10
West,D,70,7,0.15
"""


@pytest.fixture
def table() -> bytes:
    """A small sales table: 7 rows kept, 3 rejected."""
    return SALES


@pytest.fixture
def big_table() -> bytes:
    """One of 60 to 70 chunks of 64 KiB."""
    head, *rows = SALES.splitlines(keepends=True)
    return head + b"".join(rows) * (4 * 2**20 // len(SALES))

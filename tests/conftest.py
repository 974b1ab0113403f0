"""What tests of several parts need: the real parts on a fresh folder, jobs, and waiting without sleeping."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings

from consumer import native
from protocol.databases import Database, open_database
from protocol.files import Files, open_files
from protocol.job import Job, Source
from protocol.transports import Transport, open_transport
from tests.leash import Leash
from tests.node import install
from tests.postgresql import Server
from tests.rabbitmq import Node

# A machine may be busy: how long one example takes says nothing.
settings.register_profile("rowmill", deadline=None)
settings.load_profile("rowmill")

T = TypeVar("T")
DEADLINE = 60.0
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """What a shell runs in the background has SIGINT ignored, and so would have the programs that tests interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", params=["compiled", "plain"])
def both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test of the module once with compiled code, where there is some, and once without."""
    if request.param == "compiled" and not native.is_there():
        pytest.skip("nothing was compiled: there is no C compiler")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "plain":
            patch.setattr(native, "_loaded", native.NotThere)
        yield


async def _within(work: Awaitable[T], seconds: float = DEADLINE) -> T:
    async with asyncio.timeout(seconds):
        return await work


async def _eventually(condition: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.005)


@pytest.fixture
def within() -> Callable[..., Awaitable[Any]]:
    """`await within(work)`: what *work* comes to, or a failed test after a deadline."""
    return _within


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    """`await eventually(condition)`: its first true value, plain or awaited, or a failed test after a deadline."""
    return _eventually


@pytest.fixture
def new_job() -> Callable[..., Job]:
    """Makes queued jobs, each with an id of its own."""
    numbers = itertools.count(1)

    def make(**given: Any) -> Job:
        values = {
            "id": f"{next(numbers):032x}",
            "kind": "sales",
            "source": Source(name="sales.csv", size=3, sha256="0" * 64),
            "created_at": START,
        }
        return Job(**values | given)

    return make


class Clock:
    """A time that passes only when it is told to."""

    def __init__(self) -> None:
        self.time = START

    def pass_by(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def __call__(self) -> float:
        return self.time.timestamp()

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/database/rowmill.db"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """One PostgreSQL server for all tests that want one; `postgresql.fresh()` is the URL of a database of its own."""
    server = Server()
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.end()


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples and what their lock file names."""
    return install(tmp_path_factory.mktemp("examples") / "copy")


@pytest.fixture(scope="session")
def leash() -> Iterator[Leash]:
    """Ends what still runs when the tests are killed."""
    held = Leash()
    yield held
    held.close()


@pytest.fixture(scope="session")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One RabbitMQ node for all tests that want one; a test may have killed it."""
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
def files_url(tmp_path: Path) -> str:
    return (tmp_path / "files").as_uri()


@pytest.fixture
async def files(files_url: str) -> AsyncIterator[Files]:
    async with open_files(files_url) as opened:
        yield opened


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with open_transport("embedded://") as opened:
        yield opened

"""One service, one browser and, for each test, a fresh visitor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from client_support import Server
from playwright.async_api import Browser, async_playwright

from tests.page import visit
from tests.page.visit import Visit


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("page"), WORKERS="2", CHUNK_SIZE="4KiB")
    yield server
    server.stop()
    server.close()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await visit.launch(playwright)
        yield opened
        await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(
    browser: Browser, service: Server
) -> AsyncIterator[Callable[..., AbstractAsyncContextManager[Visit]]]:
    """Makes visitors, for a test that needs a special one: `async with visitor(color_scheme="dark") as visit`."""
    yield partial(visit.visiting, browser, service)


@pytest_asyncio.fixture(loop_scope="session")
async def guest(browser: Browser, service: Server) -> AsyncIterator[Visit]:
    """A visitor for whom everything must go well: no error in the console, and nothing asked of another host."""
    async with AsyncExitStack() as stack:
        guest = await stack.enter_async_context(visit.visiting(browser, service))
        yield guest
        assert guest.trouble == []
        own = (service.url, service.url.replace("http", "ws"), "data:", "blob:")
        assert [url for url in guest.asked if not url.startswith(own)] == []


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Writes a table: `table(text, name)`."""

    def write(text: str = visit.SALES, name: str = "sales.csv") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write

"""How long a watcher bears that nobody answers: a service that really runs, behind a proxy that sends it away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from client import api
from client.exits import Unreachable
from protocol.job import Job, State
from tests.proxy import Proxy
from tests.service.house import House, keep, soon

PATIENCE = 1.0


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[tuple[House, Proxy, asyncio.Task[Job]]]:
    """A job of which nothing was told for longer than a watcher is patient, and what it waits for."""
    async with keep(folder) as house, Proxy(int(house.url.rpartition(":")[2])) as proxy:
        job = await house.submit()
        async with api.connect(f"http://127.0.0.1:{proxy.port}") as there:
            versions = there.watch(job["id"])
            assert (await soon(anext(versions))).state is State.QUEUED
            coming = asyncio.ensure_future(anext(versions))
            await asyncio.sleep(1.1 * PATIENCE)
            proxy.refuses = True
            proxy.cut()
            await soon(proxy.refused.wait())
            yield house, proxy, coming


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PATIENCE", PATIENCE)


async def test_a_watcher_of_a_quiet_job_asks_again_when_nobody_answers(tmp_path: Path) -> None:
    async with watched(tmp_path) as (house, proxy, coming):
        proxy.refuses = False
        await house.consumer.start(await house.consumer.next_job())
        assert (await soon(coming)).state is State.RUNNING


async def test_a_watcher_gives_up_when_nobody_has_answered_for_as_long_as_it_is_patient(tmp_path: Path) -> None:
    async with watched(tmp_path) as (_, _, coming):
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unreachable):
            await soon(coming)
        assert asyncio.get_running_loop().time() - began > PATIENCE / 2

"""Whatever happens to the process from which the workers are forked, a call of a slot says so, and the next one works.

A module of its own, for it stops and kills that server.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from multiprocessing import forkserver
from typing import Any

import psutil
import pytest
import pytest_asyncio

from consumer.executors import Done, Slot, WorkerLost, open_slots, processes

# One loop for all: a server that was started anew ends with the thread, and so with the loop, that did so.
pytestmark = pytest.mark.asyncio(loop_scope="module")
Waits = Callable[..., Awaitable[Any]]
LONG = 60.0


async def describe(slot: Slot) -> Any:
    return await slot.run("describe", "summary", limit=LONG)


@pytest.fixture(scope="module", autouse=True)
def _later_modules_start_one_anew() -> Iterator[None]:
    yield
    forkserver._forkserver._stop()


@pytest_asyncio.fixture(loop_scope="module")
async def slots() -> AsyncIterator[Sequence[Slot]]:
    async with open_slots("processes://1?lazy=1") as opened:
        yield opened


@pytest.fixture
def server(slots: Sequence[Slot]) -> Iterator[psutil.Process]:
    process = psutil.Process(forkserver._forkserver._forkserver_pid)
    yield process
    if process.is_running():
        process.resume()


async def test_a_server_that_dies_while_it_forks_loses_that_call_alone(
    slots: Sequence[Slot], server: psutil.Process
) -> None:
    server.suspend()
    asked = asyncio.create_task(describe(slots[0]))
    await asyncio.sleep(0.5)  # it waits for the server by now, or will ask one that is dead
    server.kill()
    with pytest.raises(WorkerLost, match="no worker process can be started"):
        await asked
    assert isinstance(await describe(slots[0]), Done)


async def test_a_server_that_hangs_is_not_waited_for_and_no_process_is_left_of_it(
    slots: Sequence[Slot], server: psutil.Process, eventually: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "START", 0.5)
    server.suspend()
    with pytest.raises(WorkerLost, match="no worker process can be started"):
        await describe(slots[0])
    server.resume()
    await eventually(lambda: not server.children())
    monkeypatch.undo()
    assert isinstance(await describe(slots[0]), Done)


async def test_a_process_that_is_not_ready_in_time_is_killed(
    slots: Sequence[Slot], server: psutil.Process, eventually: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "START", 2.0)
    monkeypatch.setattr(processes.child, "hello", signal.pause)
    asked = asyncio.create_task(describe(slots[0]))
    await eventually(server.children)
    with pytest.raises(WorkerLost, match="no worker process can be started"):
        await asked
    await eventually(lambda: not server.children())


async def test_a_call_that_cannot_be_sent_is_lost_like_its_process(slots: Sequence[Slot]) -> None:
    with pytest.raises(WorkerLost, match="local object"):
        await slots[0].run("describe", lambda: None, limit=LONG)
    assert isinstance(await describe(slots[0]), Done)


async def test_a_process_that_has_died_is_not_killed_by_its_number_which_may_be_another_s(
    slots: Sequence[Slot], server: psutil.Process, eventually: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(await describe(slots[0]), Done)
    [worker] = server.children()
    worker.kill()
    await eventually(lambda: not worker.is_running())
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _signal: killed.append(pid))
    slots[0].kill()
    assert killed == []

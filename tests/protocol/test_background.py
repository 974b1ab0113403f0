"""What streams by is worked on in order, a part at a time, and little of it waits in memory."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from protocol.background import GOES, LINGER, PART, PIECES, WAITING, Background


async def test_everything_is_worked_on_in_its_order() -> None:
    done: list[bytes] = []
    background = Background(done.extend)
    pieces = [number.to_bytes(4, "big") * (PART // 16) for number in range(18)]
    for piece in pieces:
        await background.add(piece)
    await background.flush()
    await background.pause()
    assert done == pieces


@pytest.mark.parametrize("parts", [1, GOES, 3 * GOES + 1])
async def test_what_comes_after_a_pause_is_worked_on_too(parts: int) -> None:
    done: list[bytes] = []
    background = Background(done.extend)
    for length in (0.0, 2 * LINGER, 0.0):
        for number in range(parts):
            await background.add(b"%d" % number)
            await background.flush()
        await background.pause()
        assert background.idle
        await asyncio.sleep(length)
    assert done == [b"%d" % number for number in range(parts)] * 3


@pytest.mark.parametrize("piece", [b"x", b"x" * (PART // 4)], ids=["short", "long"])
async def test_no_more_than_four_parts_are_in_memory(piece: bytes) -> None:
    go, done = threading.Event(), list[int]()

    def work(pieces: Iterable[bytes]) -> None:
        assert go.wait(60)
        done.append(len(list(pieces)))

    background, taken = Background(work), 0

    async def fill() -> None:
        nonlocal taken
        while True:
            await background.add(piece)
            taken += 1

    filling = asyncio.create_task(fill())
    for _ in range(3 * PIECES):  # as long as it goes on without the thread
        await asyncio.sleep(0)
    assert taken < (2 + WAITING) * min(PIECES, PART // len(piece))
    go.set()
    filling.cancel()
    await asyncio.wait([filling])
    await background.pause()
    assert done[0] == min(PIECES, PART // len(piece))


async def test_what_comes_when_a_thread_is_about_to_go_is_worked_on_too() -> None:
    gone = threading.Event()

    class Late(SimpleQueue[Any]):
        def get(self, *given: Any, **options: Any) -> Any:
            if self.empty() and not gone.is_set():
                asyncio.run_coroutine_threadsafe(background.add(b"b" * PART), loop).result(60)
                gone.set()
                raise Empty
            return super().get(*given, **options)

    done: list[bytes] = []
    loop, background = asyncio.get_running_loop(), Background(done.extend)
    background._parts = Late()
    await background.add(b"a" * PART)
    assert await asyncio.to_thread(gone.wait, 60)
    await background.pause()
    assert done == [b"a" * PART, b"b" * PART]


async def test_whoever_waits_for_a_thread_gets_one_though_the_work_never_ends() -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    background = Background(lambda _pieces: time.sleep(0.001))

    async def fill() -> None:
        while True:
            await background.add(b"x" * PART)

    filling = asyncio.create_task(fill())
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(asyncio.to_thread(int), 60) == 0
    filling.cancel()
    await asyncio.wait([filling])
    await background.pause()


async def test_what_goes_wrong_in_the_thread_is_told() -> None:
    def work(_pieces: Iterable[bytes]) -> None:
        raise OSError("no space")

    background = Background(work)
    await background.add(b"x")
    await background.flush()
    with pytest.raises(OSError, match="no space"):
        await background.pause()


async def test_what_goes_wrong_is_told_to_whoever_waits_for_room_too() -> None:
    go = threading.Event()

    def work(_pieces: Iterable[bytes]) -> None:
        assert go.wait(60)
        raise OSError("no space")

    async def fill() -> None:
        while True:
            await background.add(b"x" * PART)

    background = Background(work)
    filling = asyncio.create_task(fill())
    await asyncio.sleep(0.1)
    go.set()
    with pytest.raises(OSError, match="no space"):
        await asyncio.wait_for(filling, 60)
    with pytest.raises(OSError, match="no space"):
        await background.add(b"x" * PART)

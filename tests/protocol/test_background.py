"""What streams by is worked on in order, a part at a time, and little of it waits in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

import pytest

from protocol.background import PART, PIECES, Background


async def test_everything_is_worked_on_in_its_order() -> None:
    done: list[bytes] = []
    background = Background(done.extend)
    pieces = [number.to_bytes(4, "big") * (PART // 16) for number in range(18)]
    for piece in pieces:
        await background.add(piece)
    await background.flush()
    await background.pause()
    assert done == pieces


@pytest.mark.parametrize("piece", [b"x", b"x" * (PART // 4)], ids=["short", "long"])
async def test_no_more_than_two_parts_wait(piece: bytes) -> None:
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
    assert taken < 2 * min(PIECES, PART // len(piece))
    go.set()
    filling.cancel()
    await asyncio.wait([filling])
    await background.pause()
    assert done[0] == min(PIECES, PART // len(piece))


async def test_what_goes_wrong_in_the_thread_is_told() -> None:
    def work(_pieces: Iterable[bytes]) -> None:
        raise OSError("no space")

    background = Background(work)
    await background.add(b"x")
    await background.flush()
    with pytest.raises(OSError, match="no space"):
        await background.pause()

"""Bodies that are gathered on their way in: whole, in time, and nobody behind them is forgotten."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

from protocol.background import PART
from service import gathering
from tests.service.house import TABLE, House, soon
from tests.service.test_attacks import connected

ROWS = TABLE + b"North,A,100,10,0.10\n" * (3 * PART // 20)


def head(length: int) -> bytes:
    lines = (
        "POST /v1/jobs?kind=sales HTTP/1.1",
        "Host: localhost",
        "Content-Type: text/csv",
        f"Content-Length: {length}",
    )
    return "\r\n".join([*lines, "", ""]).encode()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    told = (await soon(reader.readuntil(b"\r\n\r\n"))).decode().lower()
    size = int(told.partition("content-length: ")[2].partition("\r\n")[0])
    return int(told.split()[1]), await soon(reader.readexactly(size))


@pytest.mark.parametrize("pieces", [[], [1, 70_000, 2 * PART], [PART, PART, PART], list(range(0, len(ROWS), 99_991))])
async def test_a_long_body_arrives_whole_and_the_next_request_is_answered(
    house: House, pieces: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(pieces) % 2:
        monkeypatch.setattr(gathering, "HELD", 3600.0)  # nothing waits for more that does not come
    async with connected(house, 1) as [(reader, writer)]:
        ends = [*pieces, len(ROWS)]
        writer.write(head(len(ROWS)))
        for begin, end in zip([0, *ends[:-1]], ends, strict=True):
            writer.write(ROWS[begin:end])
            await soon(writer.drain())
            await asyncio.sleep(0.1 if len(pieces) < 4 else 0)  # longer than what came waits for more
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, body = await answer(reader)
        assert (status, json.loads(body)["source"]["sha256"]) == (202, hashlib.sha256(ROWS).hexdigest())
        assert (await answer(reader))[0] == 200


async def test_a_request_right_behind_a_long_body_is_answered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "HELD", 3600.0)
    async with connected(house, 1) as [(reader, writer)]:
        writer.write(head(len(ROWS)) + ROWS + b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert [(await answer(reader))[0] for _ in range(2)] == [202, 200]


@pytest.mark.parametrize("bad", [1, 300_000, PART, 3 * PART])
async def test_what_came_of_a_long_body_is_looked_at_though_no_more_comes(house: House, bad: int) -> None:
    async with connected(house, 1) as [(reader, writer)]:
        writer.write(head(10 * PART) + ROWS[: PART + PART // 2])
        await soon(writer.drain())
        await asyncio.sleep(0.1)
        writer.write(b"\0" * bad)
        assert (await answer(reader))[0] == 415
        assert house.stored() == []

"""What one key may take of the service, and that the others notice nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from protocol import adapters, config
from service.door.quotas import KNOWN, WINDOW, Rate
from tests.service.house import TABLE, House
from tests.service.keyring import ask, locked, make_key

CSV = {"Content-Type": "text/csv"}


async def test_every_answer_to_a_key_says_what_is_left_also_a_refusal(tmp_path: Path) -> None:
    async with locked(tmp_path, key_rate=600) as house:
        key = await make_key(house, "ann", "read")
        paths = ("/v1/jobs", "/v1/jobs/none", "/v1/keys", "/nothing", "/", "/openapi.json")
        for count, path in enumerate(paths, 1):
            async with house.http.get(path, headers=key) as answer:
                assert answer.headers["RateLimit-Policy"] == '"key";q=600;w=60', path
                left, reset = (int(part.partition("=")[2]) for part in answer.headers["RateLimit"].split(";")[1:])
                assert 600 - count <= left < 600, path
                assert 1 <= reset <= 60


async def test_a_key_that_asks_too_often_waits_and_the_others_do_not(tmp_path: Path) -> None:
    async with locked(tmp_path, key_rate=2) as house:
        ann, bob = await make_key(house, "ann"), await make_key(house, "bob")
        assert [(await ask(house, "GET", "/v1/jobs", ann))[0] for _ in range(2)] == [200, 200]
        answer = await until_refused(house, ann)
        assert (await answer.json(content_type=None))["type"] == "/problems/too_many_requests"
        assert 1 <= int(answer.headers["Retry-After"]) <= 30
        assert answer.headers["RateLimit"].startswith('"key";r=0;t=')
        assert (await ask(house, "GET", "/v1/jobs", bob))[0] == 200
        assert (await ask(house, "GET", "/livez", {}))[0] == 200


async def until_refused(house: House, headers: dict[str, str]) -> aiohttp.ClientResponse:
    """On a machine that was busy for half a minute, that takes one request more."""
    async with asyncio.timeout(60):
        while True:
            async with house.http.get("/v1/jobs", headers=headers) as answer:
                await answer.read()
            if answer.status == 429:
                return answer


async def test_without_keys_nobody_is_counted(house: House) -> None:
    async with house.http.get("/v1/jobs") as answer:
        assert "RateLimit" not in answer.headers


def test_requests_come_back_one_by_one_and_never_more_than_there_were() -> None:
    now = [0.0]
    rate = Rate(6, clock=lambda: now[0])
    assert [rate.take("a").granted for _ in range(7)] == [True] * 6 + [False]
    assert rate.take("a").seconds(0) == 10
    now[0] = 10
    assert [rate.take("a").granted for _ in range(2)] == [True, False]
    now[0] = 10 + 100 * WINDOW
    assert [rate.take("a").granted for _ in range(7)] == [True] * 6 + [False]
    for number in range(KNOWN):
        rate.take(str(number))
    assert rate.take("a").granted, "who has not been seen for long is forgotten"


async def test_a_key_has_only_so_many_uploads_under_way(tmp_path: Path) -> None:
    invited, more = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        invited.set()
        yield TABLE
        await more.wait()

    async with locked(tmp_path, key_uploads=1) as house:
        ann, bob = await make_key(house, "ann"), await make_key(house, "bob")
        url = "/v1/jobs?kind=sales&filename=sales.csv"
        first = asyncio.create_task(ask(house, "POST", url, ann | CSV, data=slowly(), expect100=True))
        try:
            async with asyncio.timeout(30):
                await invited.wait()
            status, problem = await ask(house, "POST", url, ann | CSV, data=TABLE)
            assert (status, problem["type"]) == (429, "/problems/too_many_uploads")
            assert (await ask(house, "POST", url, bob | CSV, data=TABLE))[0] == 202
        finally:
            more.set()
        assert (await first)[0] == 202
        assert (await ask(house, "POST", url, ann | CSV, data=TABLE))[0] == 202


async def test_a_key_has_only_so_many_jobs_in_the_queue_however_they_come(tmp_path: Path) -> None:
    async with locked(tmp_path, key_queue=2) as house:
        ann, bob = await make_key(house, "ann"), await make_key(house, "bob")

        async def submit(who: dict[str, str]) -> tuple[int, Any]:
            return await ask(house, "POST", "/v1/jobs?kind=sales", who | CSV, data=TABLE)

        answers = await asyncio.gather(*(submit(ann) for _ in range(6)))
        assert sorted(status for status, _ in answers) == [202, 202, 429, 429, 429, 429]
        assert {body["type"] for status, body in answers if status == 429} == {"/problems/queue_full"}
        assert (await submit(bob))[0] == 202
        while (job := await house.consumer.next_job()).submitted_by != "ann":
            pass
        await house.consumer.start(job)
        assert [(await submit(ann))[0] for _ in range(2)] == [202, 429]
        assert len([path for path in house.stored() if path.startswith("uploads/")]) == 4


@pytest.mark.parametrize("name", ["KEY_RATE", "KEY_UPLOADS", "KEY_QUEUE"])
def test_no_quota_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ROWMILL_{name}", "0")
    with pytest.raises(adapters.BadConfig, match=f"ROWMILL_{name}: "):
        config.load()


async def test_the_floor_of_free_space_is_a_setting(tmp_path: Path) -> None:
    async with locked(tmp_path, disk_floor="1000TiB") as house:
        ann = await make_key(house, "ann")
        async with house.http.post("/v1/jobs?kind=sales", headers=ann | CSV, data=TABLE) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (507, "60")
        assert (await ask(house, "GET", "/readyz", {}))[1]["parts"]["files"] == "too little space left"

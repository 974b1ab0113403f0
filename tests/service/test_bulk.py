"""Filters of the list, and what is done to all that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocol.job import Job, State
from protocol.messages import CancelJob, ForgetJob, RetryJob
from tests.service.house import TABLE, House, keep
from tests.service.keyring import ROOT, locked, make_key


async def names(house: House, **query: str) -> list[str]:
    status, body, _ = await house.get("/v1/jobs", params=query)
    assert status == 200, body
    return [job["source"]["name"] for job in body["jobs"]]


async def bulk(house: House, status: int = 202, **query: str) -> dict[str, Any]:
    async with house.http.post("/v1/bulk", params=query) as answer:
        body: dict[str, Any] = await answer.json(content_type=None)
        assert answer.status == status, body
        return body


async def three(house: House) -> list[Job]:
    """One that is queued, one that failed, one that succeeded; in that order."""
    for name in ("Übersicht May.csv", "100%_sales.csv", "plain.csv"):
        await house.submit(filename=name)
    queued, failed, done = [await house.consumer.next_job() for _ in range(3)]
    return [queued, await house.consumer.finish(failed, State.FAILED), await house.consumer.finish(done)]


async def test_words_are_found_in_names_and_ids_whatever_their_case(house: House) -> None:
    jobs = await three(house)
    assert await names(house, q="übersicht") == ["Übersicht May.csv"]
    assert await names(house, q="may CSV über") == ["Übersicht May.csv"]
    assert await names(house, q=jobs[2].id[:12].upper()) == ["plain.csv"]
    assert await names(house, q="may plain") == []


async def test_no_character_of_a_word_means_more_than_itself(house: House) -> None:
    await three(house)
    assert await names(house, q="%_") == ["100%_sales.csv"]
    assert await names(house, q="_") == ["100%_sales.csv"]
    assert await names(house, q="!") == []
    assert await names(house, q="' OR 1=1 --") == []


async def test_a_list_is_of_a_span_or_between_times(house: House) -> None:
    [first, second, third] = await three(house)
    assert len(await names(house, since="1h")) == 3
    assert await names(house, until="1h") == []
    assert await names(house, since=second.created_at.isoformat(), until=second.created_at.isoformat()) == [
        "100%_sales.csv"
    ]
    assert await names(house, since=third.created_at.isoformat(), until=first.created_at.isoformat()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("since", "yesterday"), ("until", "2026-01-01T00:00:00"), ("since", ""), ("q", "x " * 9), ("q", "x" * 201)],
)
async def test_a_filter_that_makes_no_sense_is_refused_by_name(house: House, name: str, value: str) -> None:
    status, problem, _ = await house.get("/v1/jobs", params={name: value})
    assert (status, problem["type"]) == (400, "/problems/bad_parameter")
    assert f"'{name}'" in problem["detail"]


async def test_a_count_comes_first_and_changes_nothing(house: House) -> None:
    await three(house)
    counts = {action: await bulk(house, 200, action=action, dry_run="true") for action in ("cancel", "retry", "delete")}
    assert {action: count["matching"] for action, count in counts.items()} == {"cancel": 1, "retry": 1, "delete": 2}
    assert {count["done"] for count in counts.values()} == {0}
    assert len(await names(house)) == 3
    assert house.consumer.asked.empty()


async def test_all_that_match_are_acted_on_where_that_is_legal_and_no_others(house: House) -> None:
    queued, failed, done = await three(house)
    assert (await bulk(house, action="cancel", q="sales"))["done"] == 0
    assert (await bulk(house, action="cancel"))["done"] == 1
    assert await house.consumer.next_command() == CancelJob(job=queued)
    assert (await bulk(house, action="retry", state="failed,running"))["done"] == 1
    assert await house.consumer.next_command() == RetryJob(job=failed)
    assert (await bulk(house, action="delete", state="succeeded"))["done"] == 1
    forgotten = await house.consumer.next_command()
    assert isinstance(forgotten, ForgetJob)
    assert forgotten.job.id == done.id
    assert await names(house) == ["100%_sales.csv", "Übersicht May.csv"]
    assert not [path for path in house.stored() if done.id in path]


async def test_jobs_that_came_after_the_count_are_left_out(house: House) -> None:
    await house.submit()
    counted = await bulk(house, 200, action="cancel", dry_run="true")
    await house.submit(filename="later.csv")
    first = await house.consumer.next_job()
    assert (await bulk(house, action="cancel", until=counted["until"]))["done"] == 1
    assert (await house.consumer.next_command()).job.id == first.id


async def test_many_are_done_some_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.jobs.bulk.AT_ONCE", 2)
    for _ in range(5):
        await house.submit()
    address, done = "/v1/bulk?action=cancel", []
    while address:
        async with house.http.post(address) as answer:
            body = await answer.json()
        done.append(body["done"])
        address = body["next"]
    assert done == [2, 2, 1]
    assert len({(await house.consumer.next_command()).job.id for _ in range(5)}) == 5


async def test_a_wrong_action_or_parameter_does_nothing(house: House) -> None:
    await three(house)
    for query in ({}, {"action": "explode"}, {"action": "delete", "limit": "3"}, {"action": "delete", "dry_run": "1"}):
        assert (await bulk(house, 400, **query))["type"] == "/problems/bad_parameter"
    assert len(await names(house)) == 3


async def test_nobody_acts_on_the_jobs_of_others(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        admin, ann = ROOT, await make_key(house, "ann", "submit", "read")
        async with house.http.post("/v1/jobs?kind=sales", data=TABLE, headers=admin) as answer:
            assert answer.status == 202
        async with house.http.post("/v1/bulk?action=cancel", headers=ann) as answer:
            assert (await answer.json())["matching"] == 0
        async with house.http.post("/v1/bulk?action=cancel", headers=admin) as answer:
            assert (await answer.json())["done"] == 1
        async with house.http.post("/v1/bulk?action=cancel") as answer:
            assert answer.status == 401


async def test_a_list_from_before_there_were_words_is_searched_after_the_next_start(tmp_path: Path) -> None:
    async with keep(tmp_path) as house:
        await house.submit(filename="ancient.csv")
        await house.consumer.database.write(lambda tx: tx.execute("UPDATE service_jobs SET sought = NULL"))
        assert await names(house, q="ancient") == []
    async with keep(tmp_path) as house:
        assert await names(house, q="ancient") == ["ancient.csv"]

"""Files go when their time is up, by age or by size; the job, its report and its log stay."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from protocol.job import Job, State
from protocol.messages import PruneJob
from service.limits import Limits
from service.retention import Held, Rules, choose
from tests.service.house import House, keep, now

NOW = 1_000_000.0
OFTEN = Limits(prune=0.05)


def held(*ages: float, size: int = 10) -> list[Held]:
    return [Held(id=f"{age:g}", ended=round((NOW - age) * 1e6), held=size) for age in sorted(ages, reverse=True)]


@pytest.mark.parametrize(
    ("rules", "gone"),
    [
        (Rules(), []),
        (Rules(age=60), ["90", "60"]),
        (Rules(age=100), []),
        (Rules(size=40), []),
        (Rules(size=39), ["90"]),
        (Rules(size=15), ["90", "60", "30"]),
        (Rules(size=1), ["90", "60", "30", "0"]),
        (Rules(age=60, size=15), ["90", "60", "30"]),
        (Rules(age=20, size=1000), ["90", "60", "30"]),
    ],
)
def test_what_is_too_old_goes_and_then_the_oldest_until_the_rest_is_small_enough(rules: Rules, gone: list[str]) -> None:
    assert [one.id for one in choose(held(90, 60, 30, 0), 40, rules, NOW)] == gone


async def ended(house: House, to: State = State.SUCCEEDED, days: float = 0) -> Job:
    await house.submit()
    job = await house.consumer.start(await house.consumer.next_job())
    artefact = await house.consumer.make(job, "summary.csv", b"a\n1\n")
    job = job.move(to, at=now(), reason="done", artefacts=(artefact,))
    at = now() - timedelta(days=days)
    return await house.consumer.tell(job.model_copy(update={"finished_at": at}))


async def prune(house: House, query: str, status: int) -> Any:
    async with house.http.post(f"/v1/prune?{query}") as answer:
        body = await answer.json(content_type=None)
        assert answer.status == status, body
        return body


async def test_the_setting_has_old_files_removed_and_each_job_asked_for_once(tmp_path: Path) -> None:
    async with keep(tmp_path, OFTEN, retention="7d") as house:
        await ended(house, days=6)
        old = await ended(house, days=8)
        assert await house.consumer.next_command() == PruneJob(job=old)
        older = await ended(house, days=9)
        assert await house.consumer.next_command() == PruneJob(job=older)
        assert house.consumer.asked.empty()


async def test_the_size_setting_has_the_oldest_removed(tmp_path: Path) -> None:
    async with keep(tmp_path, OFTEN, retention_size="150") as house:
        first = await ended(house, days=2)
        assert first.held < 150 < 2 * first.held
        await ended(house, days=1)
        assert await house.consumer.next_command() == PruneJob(job=first)


async def test_a_dry_run_says_what_would_go_and_asks_nobody(house: House) -> None:
    old, older = await ended(house, days=8), await ended(house, days=9)
    await ended(house)
    said = await prune(house, "older_than=7d&dry_run=true", 200)
    assert (said["dry_run"], said["count"], said["bytes"]) == (True, 2, old.held + older.held)
    assert [one["id"] for one in said["jobs"]] == [older.id, old.id]
    running = await house.submit()
    async with house.http.post(f"/v1/jobs/{running['id']}/cancel") as answer:
        assert answer.status == 202
    assert (await house.consumer.next_command()).job.id == running["id"]
    assert await prune(house, "older_than=7d", 202) == said | {"dry_run": False}
    assert {(await house.consumer.next_command()).job.id for _ in range(2)} == {old.id, older.id}


async def test_where_no_rule_is_given_those_of_the_settings_are_applied(tmp_path: Path) -> None:
    async with keep(tmp_path, retention="7d") as house:
        old = await ended(house, days=8)
        await ended(house, days=6)
        said = await prune(house, "dry_run=true", 200)
        assert [one["id"] for one in said["jobs"]] == [old.id]


async def test_unfinished_jobs_and_those_whose_files_are_gone_are_left_alone(house: House) -> None:
    await house.submit()
    await house.consumer.start(await house.consumer.next_job())
    job = await ended(house, days=9)
    await house.consumer.tell(job.prune(at=now()))
    deleted = await ended(house, days=9)
    async with house.http.delete(f"/v1/jobs/{deleted.id}") as answer:
        assert answer.status == 204
    assert (await prune(house, "older_than=0s&max_size=1", 202))["count"] == 0


async def test_a_job_without_its_files_keeps_its_record_and_says_that_they_are_gone(house: House) -> None:
    job = await ended(house, State.FAILED)
    await house.consumer.tell(job.prune(at=now()))
    shown = (await house.get(f"/v1/jobs/{job.id}"))[1]
    assert shown["pruned_at"]
    assert [one["gone"] for one in shown["artefacts"]] == [True]
    assert (await house.get(f"/v1/jobs/{job.id}/log"))[1]["log"] == shown["log"]
    status, problem, _ = await house.get(job.artefacts[0].url)
    assert (status, problem["type"]) == (410, "/problems/gone")
    assert now().date().isoformat() in problem["detail"]
    async with house.http.post(f"/v1/jobs/{job.id}/retry") as answer:
        assert answer.status == 409
        assert "submit it again" in (await answer.json(content_type=None))["detail"]
    async with house.http.get(f"/jobs/{job.id}") as answer:
        page = await answer.text()
    assert "when their time was up" in page
    assert job.artefacts[0].url not in page


@pytest.mark.parametrize(
    "query",
    [
        "", "dry_run=yes&older_than=1d", "older_than=soon", "older_than=99999999d", "older_than=", "max_size=big",
        "max_size=" + "9" * 400, "max_size=1%E2%84%AA",
    ],
)  # fmt: skip
async def test_a_rule_that_is_none_is_refused(house: House, query: str) -> None:
    assert (await prune(house, query, 400))["type"] == "/problems/bad_parameter"


async def test_rows_of_an_earlier_version_are_measured_on_start(tmp_path: Path) -> None:
    async with keep(tmp_path) as house:
        job = await ended(house, days=9)
        forget = "UPDATE service_jobs SET ended = NULL, held = NULL"
        await house.consumer.database.write(lambda tx: tx.execute(forget))
    async with keep(tmp_path) as house:
        assert (await prune(house, "older_than=7d&dry_run=true", 200))["bytes"] == job.held

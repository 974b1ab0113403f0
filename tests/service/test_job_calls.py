"""The calls about jobs, over real HTTP."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from protocol.databases import NoSpace, Unwritable
from protocol.job import Job, Progress, State
from protocol.messages import CancelJob, ForgetJob, RetryJob
from service.jobs import waiting
from service.store import Store
from tests.service.house import PROFILE, SALES, TABLE, House, keep, now, soon


async def test_a_submitted_job_is_answered_as_it_is_stored_and_handed_to_the_consumer(house: House) -> None:
    job = await house.submit(params='{"sigma": 1.5}', email="ann@x.org", priority="high")
    assert (job["state"], job["version"], job["kind"], job["priority"]) == ("queued", 0, "sales", "high")
    assert job["source"] == {
        "name": "sales.csv",
        "size": len(TABLE),
        "sha256": hashlib.sha256(TABLE).hexdigest(),
        "media_type": "text/csv",
        "compression": None,
        "received": None,
    }
    assert (job["params"], job["notify"]) == ({"sigma": 1.5}, {"email": ["ann@x.org"], "webhook": []})
    assert await house.consumer.next_job() == Job.model_validate(job)
    assert (house.folder / "uploads" / job["id"]).read_bytes() == TABLE
    status, shown, headers = await house.get(f"/v1/jobs/{job['id']}")
    assert (status, shown, headers["ETag"], headers["Retry-After"]) == (200, job, '"0"', "1")


async def test_the_answer_to_a_submission_says_where_the_job_is(house: House) -> None:
    async with house.http.post("/v1/jobs?kind=sales", data=TABLE) as answer:
        assert answer.status == 202
        assert answer.headers["Location"] == f"/v1/jobs/{(await answer.json())['id']}"


async def test_an_address_given_twice_gets_one_mail(house: House) -> None:
    async with house.http.post("/v1/jobs?kind=sales&email=a@x.org&email=A@X.org&email=", data=TABLE) as answer:
        assert (await answer.json())["notify"]["email"] == ["a@x.org"]


async def test_a_table_with_a_header_only_is_accepted(house: House) -> None:
    await house.submit(TABLE.partition(b"\n")[0] + b"\n")


async def test_the_kind_is_profile_unless_said(house: House) -> None:
    async with house.http.post("/v1/jobs", data=TABLE) as answer:
        assert (await answer.json())["kind"] == "profile"


async def test_a_job_known_by_its_version_is_not_sent_again(house: House) -> None:
    job = await house.submit()
    path = f"/v1/jobs/{job['id']}"
    assert (await house.get(path, headers={"If-None-Match": '"0"'}))[0] == 304
    await house.consumer.start(await house.consumer.next_job())
    status, shown, headers = await house.get(path, headers={"If-None-Match": 'W/"0", "7"'})
    assert (status, shown["version"], headers["ETag"]) == (200, 1, '"1"')


async def test_an_older_event_and_a_repeated_one_change_nothing(house: House) -> None:
    await house.submit()
    job = await house.consumer.next_job()
    done = await house.consumer.finish(job)
    await house.consumer.start(job)
    await house.consumer.tell(done)
    assert (await house.get(f"/v1/jobs/{job.id}"))[1]["state"] == "succeeded"


async def test_a_job_that_never_saw_the_service_appears_by_its_event(house: House) -> None:
    await house.submit()
    job = await house.consumer.next_job()
    stranger = job.model_copy(update={"id": "f" * 32})
    await house.consumer.start(stranger)
    assert (await house.get(f"/v1/jobs/{stranger.id}"))[1]["state"] == "running"


async def test_the_log_holds_every_move(house: House) -> None:
    await house.submit()
    job = await house.consumer.finish(await house.consumer.next_job())
    status, body, _ = await house.get(f"/v1/jobs/{job.id}/log")
    assert status == 200
    assert [(entry["state"], entry["reason"]) for entry in body["log"]] == [
        ("queued", "submitted"),
        ("running", "taken"),
        ("succeeded", "done"),
    ]


async def test_a_job_nobody_knows_is_a_problem_for_every_call(house: House) -> None:
    for job_id in ("0" * 32, "nonsense", "..%2f..", "%00"):
        for method, rest in (
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "/log"),
            ("POST", "/cancel"),
            ("POST", "/retry"),
            ("GET", "/artefacts/x.csv"),
        ):
            async with house.http.request(method, f"/v1/jobs/{job_id}{rest}") as answer:
                problem = await answer.json(content_type="application/problem+json")
                assert (answer.status, problem["status"]) == (404, 404)


async def test_waiting_answers_with_the_finished_job(house: House) -> None:
    async def submit() -> tuple[int, Any, Any]:
        async with house.http.post("/v1/jobs?kind=sales", data=TABLE, headers={"Prefer": "wait=20"}) as answer:
            return answer.status, await answer.json(), answer.headers

    async with asyncio.TaskGroup() as group:
        asked = group.create_task(submit())
        job = await house.consumer.next_job()
        path, headers = f"/v1/jobs/{job.id}", {"Prefer": "respond-async, wait=20"}
        looked = group.create_task(house.get(path, headers=headers))
        job = await house.consumer.start(job)
        await house.consumer.finish(job)
    for status, body, headers in (asked.result(), looked.result()):
        assert (status, body["state"], headers["Preference-Applied"]) == (200, "succeeded", "wait=20")


async def test_waiting_ends_with_the_clients_patience(house: House) -> None:
    async with house.http.post("/v1/jobs?kind=sales", data=TABLE, headers={"Prefer": "wait=1"}) as answer:
        assert (answer.status, (await answer.json())["state"]) == (202, "queued")


async def test_nobody_waits_longer_than_the_limit(house: House) -> None:
    job = await house.submit()
    await house.consumer.finish(await house.consumer.next_job())
    _, _, headers = await house.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=99999"})
    assert headers["Preference-Applied"] == "wait=45"


async def test_those_who_wait_do_not_hold_up_the_end(tmp_path: Path) -> None:
    async with keep(tmp_path) as house:
        job = await house.submit()
        waiting = asyncio.create_task(house.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=60"}))
        await house.consumer.next_job()
        async with house.http.ws_connect(f"/v1/jobs/{job['id']}/stream") as socket:
            await soon(socket.receive())
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 4
    await asyncio.gather(waiting, return_exceptions=True)


async def test_the_same_key_and_content_is_the_same_job(house: House) -> None:
    jobs = []
    for _ in range(2):
        async with house.http.post("/v1/jobs?kind=sales", data=TABLE, headers={"Idempotency-Key": "one"}) as answer:
            assert answer.status == 202
            jobs.append(await answer.json())
    assert jobs[0] == jobs[1]
    assert len(house.stored()) == 1
    assert (await house.get("/v1/jobs"))[1]["jobs"] == [jobs[0]]


@pytest.mark.parametrize("change", [{"params": {"priority": "low"}}, {"data": TABLE + b"West,C,1,1,0\n"}])
async def test_the_same_key_for_something_else_is_refused(house: House, change: dict[str, Any]) -> None:
    key = {"Idempotency-Key": "one"}
    async with house.http.post("/v1/jobs?kind=sales", data=TABLE, headers=key) as answer:
        assert answer.status == 202
    async with house.http.post("/v1/jobs?kind=sales", headers=key, **({"data": TABLE} | change)) as answer:
        assert (answer.status, (await answer.json(content_type=None))["type"]) == (422, "/problems/key_reused")
    assert len(house.stored()) == 1


async def test_a_key_that_is_in_use_right_now_is_a_conflict(house: House) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> Any:
        yield TABLE
        begun.set()
        await go_on.wait()

    async def submit() -> int:
        async with house.http.post("/v1/jobs?kind=sales", data=slow(), headers={"Idempotency-Key": "one"}) as answer:
            return answer.status

    first = asyncio.create_task(submit())
    await soon(begun.wait())
    status = 202
    while status == 202 and not first.done():  # the first request may still be on its way, and even be overtaken
        async with house.http.post("/v1/jobs?kind=sales", data=TABLE, headers={"Idempotency-Key": "one"}) as answer:
            status = answer.status
    go_on.set()
    assert sorted((status, await soon(first))) == [202, 409]


async def test_a_key_must_be_plain(house: House) -> None:
    async with house.http.post("/v1/jobs", data=TABLE, headers={"Idempotency-Key": "a b"}) as answer:
        assert answer.status == 400


async def test_cancel_retry_and_delete_ask_the_consumer_where_the_move_is_legal(house: House) -> None:
    await house.submit()
    queued = await house.consumer.next_job()
    path = f"/v1/jobs/{queued.id}"
    assert await post(house, f"{path}/retry") == 409
    assert await post(house, f"{path}/cancel") == 202
    assert await house.consumer.next_command() == CancelJob(job=queued)
    cancelled = await house.consumer.finish(queued, State.CANCELLED)
    assert await post(house, f"{path}/cancel") == 409
    assert await post(house, f"{path}/retry") == 202
    assert await house.consumer.next_command() == RetryJob(job=cancelled)


async def test_a_retry_is_answered_once_it_is_seen_so_that_nobody_finds_the_old_end_after_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOMENT", 60.0)
    await house.submit()
    failed = await house.consumer.finish(await house.consumer.next_job(), State.FAILED)
    path = f"/v1/jobs/{failed.id}"
    retried = asyncio.create_task(answer_to(house, f"{path}/retry"))
    assert await house.consumer.next_command() == RetryJob(job=failed)
    again = await house.consumer.tell(failed.move(State.QUEUED, at=now(), reason="tried again"))
    status, job = await retried
    assert (status, job["state"], job["version"]) == (202, "queued", again.version)
    assert (await house.get(path))[1]["state"] == "queued"


async def answer_to(house: House, path: str) -> tuple[int, dict[str, Any]]:
    async with house.http.post(path) as answer:
        return answer.status, await answer.json()


async def test_a_job_is_changed_only_in_the_version_that_is_meant(house: House) -> None:
    await house.submit()
    done = await house.consumer.finish(await house.consumer.next_job(), State.FAILED)
    path = f"/v1/jobs/{done.id}"
    for method, rest in (("DELETE", ""), ("POST", "/retry"), ("POST", "/cancel")):
        async with house.http.request(method, path + rest, headers={"If-Match": '"1"'}) as answer:
            assert (answer.status, (await answer.json())["type"]) == (412, "/problems/moved_on")
    async with house.http.delete(path, headers={"If-Match": f'"1", "{done.version}"'}) as answer:
        assert answer.status == 204


async def post(house: House, path: str) -> int:
    async with house.http.post(path) as answer:
        assert answer.content_type == ("application/json" if answer.status == 202 else "application/problem+json")
        return answer.status


async def test_a_running_job_cannot_be_deleted(house: House) -> None:
    await house.submit()
    job = await house.consumer.start(await house.consumer.next_job())
    async with house.http.delete(f"/v1/jobs/{job.id}") as answer:
        assert answer.status == 409
    assert len(house.stored()) == 1


async def test_deleting_removes_every_file_and_a_late_event_brings_nothing_back(house: House) -> None:
    await house.submit()
    job = await house.consumer.start(await house.consumer.next_job())
    artefact = await house.consumer.make(job, "summary.csv", b"a\n1\n")
    job = await house.consumer.finish(job, artefacts=(artefact,))
    async with house.http.delete(f"/v1/jobs/{job.id}") as answer:
        assert answer.status == 204
    assert house.stored() == []
    assert await house.consumer.next_command() == ForgetJob(job=job)
    await house.consumer.tell(job.revise())
    assert (await house.get(f"/v1/jobs/{job.id}"))[0] == 404
    assert (await house.get("/v1/jobs"))[1]["jobs"] == []


async def test_the_list_is_newest_first_and_its_pages_stay_right_while_jobs_come_in(house: House) -> None:
    jobs = [(await house.submit())["id"] for _ in range(5)]
    status, first, headers = await house.get("/v1/jobs?limit=2")
    assert status == 200
    assert headers["Link"] == f'<{first["next"]}>; rel="next"'
    await house.submit()
    _, second, _ = await house.get(first["next"])
    _, third, headers = await house.get(second["next"])
    assert third["next"] is None
    assert "Link" not in headers
    assert [job["id"] for page in (first, second, third) for job in page["jobs"]] == jobs[::-1]


async def test_the_list_filters_by_state_and_kind(house: House) -> None:
    for kind in ("sales", "profile", "sales"):
        await house.submit(kind=kind)
    done = await house.consumer.finish(await house.consumer.next_job())
    assert [job["id"] for job in (await house.get("/v1/jobs?state=succeeded"))[1]["jobs"]] == [done.id]
    for query, count in (("kind=sales", 2), ("kind=sales,profile", 3), ("kind=sales&state=queued&state=failed", 1)):
        status, body, _ = await house.get(f"/v1/jobs?{query}&limit=1")
        shown = len(body["jobs"])
        while body["next"]:
            status, body, _ = await house.get(body["next"])
            shown += len(body["jobs"])
        assert (status, shown) == (200, count), query


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("limit=%D9%A1", "limit"),
        ("state=done", "state"),
        ("kind=%00", "kind"),
        ("cursor=nonsense", "cursor"),
        ("cursor=%C3%A4", "cursor"),
        ("order=asc", "order"),
    ],
)
async def test_a_bad_parameter_of_the_list_is_named(house: House, query: str, name: str) -> None:
    status, problem, _ = await house.get(f"/v1/jobs?{query}")
    assert (status, problem["type"]) == (400, "/problems/bad_parameter")
    assert repr(name) in problem["detail"]


async def test_kinds_are_those_announced_and_outlive_a_restart(tmp_path: Path) -> None:
    async with keep(tmp_path) as house:
        status, body, _ = await house.get("/v1/kinds")
        assert (status, [kind["name"] for kind in body["kinds"]]) == (200, ["profile", "sales", "users"])
        assert body["kinds"][1] == SALES.model_dump(mode="json")
    async with keep(tmp_path, kinds=False) as house:
        assert [kind["name"] for kind in (await house.get("/v1/kinds"))[1]["kinds"]] == ["profile", "sales", "users"]
        await house.consumer.announce(PROFILE.model_copy(update={"title": "New"}), name="other")
        assert (await house.get("/v1/kinds"))[1]["kinds"][0]["title"] == "New"


async def test_jobs_outlive_a_restart_and_reach_the_consumer_then(tmp_path: Path) -> None:
    async with keep(tmp_path) as house:
        job = await house.submit()
        await house.consumer.next_job()
    async with keep(tmp_path, kinds=False) as house:
        assert (await house.get(f"/v1/jobs/{job['id']}"))[1] == job


@pytest.mark.parametrize(
    ("error", "status", "code"), [(NoSpace("full"), 507, "no_space"), (Unwritable("locked"), 503, "busy")]
)
async def test_what_cannot_be_stored_now_is_answered_with_when_to_ask_again(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    async def ask(*_: Any) -> None:
        raise error

    job = await house.submit()
    monkeypatch.setattr(Store, "ask", ask)
    async with house.http.post(f"/v1/jobs/{job['id']}/cancel") as answer:
        assert (answer.status, (await answer.json())["type"]) == (status, f"/problems/{code}")
        assert int(answer.headers["Retry-After"]) > 0


async def test_the_pages_say_of_a_job_that_was_taken_that_it_starts(house: House) -> None:
    job = await house.submit()
    for said, moved in (("Waiting for a worker", False), ("Starting", True)):
        if moved:
            await house.consumer.start(await house.consumer.next_job())
        for path in ("/", f"/jobs/{job['id']}"):
            async with house.http.get(path) as answer:
                assert said in await answer.text()


async def test_the_pages_say_nothing_of_a_table_that_there_is_not(house: House) -> None:
    job = Job.model_validate(await house.submit())
    without = {"source": job.source.model_copy(update={"size": 0}), "progress": Progress()}
    await house.consumer.start((await house.consumer.next_job()).model_copy(update=without))
    for path in ("/", f"/jobs/{job.id}"):
        async with house.http.get(path) as answer:
            page = await answer.text()
        assert "0 bytes" not in page
        assert job.source.sha256 not in page

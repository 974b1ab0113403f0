"""API keys by real HTTP: who may do what, whose jobs are whose, and when a key is one no more."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from protocol.adapters import BadConfig
from protocol.databases import open_database
from service.door.keys import Keys
from tests.service.house import DEADLINE, TABLE, House, keep
from tests.service.keyring import ROOT, ask, bearer, locked, make_key

SUBMIT = {"kind": "sales", "filename": "sales.csv"}


async def submit(house: House, headers: dict[str, str], **more: str) -> tuple[int, Any]:
    table = {"Content-Type": "text/csv"}
    return await ask(house, "POST", "/v1/jobs", headers | table | more, data=TABLE, params=SUBMIT)


async def job_of(house: House, headers: dict[str, str]) -> str:
    status, job = await submit(house, headers)
    assert status == 202, job
    return str(job["id"])


async def test_a_key_is_shown_once_and_only_its_digest_is_stored(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        key = await make_key(house, "ann")
        secret = key["Authorization"].split("_", 2)[2]
        listed = await ask(house, "GET", "/v1/keys", ROOT)
    assert [one["name"] for one in listed[1]["keys"]] == ["ann"]
    assert secret not in json.dumps(listed)
    assert [path for path in tmp_path.rglob("*.db*") if secret.encode() in path.read_bytes()] == []  # noqa: ASYNC240


async def test_a_jobs_owner_is_the_name_of_the_key(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        _, job = await submit(house, await make_key(house, "ann"))
        assert job["submitted_by"] == "ann"
        _, job = await submit(house, ROOT)
        assert job["submitted_by"] == "operator"


async def test_to_others_a_job_is_as_if_there_were_none(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        ann, bob = await make_key(house, "ann"), await make_key(house, "bob")
        job = await house.consumer.start(await submit_and_take(house, ann))
        artefact = await house.consumer.make(job, "summary.csv", b"a\n1\n")
        await house.consumer.finish(job, artefacts=(artefact,))
        calls = [
            ("GET", ""), ("HEAD", ""), ("GET", "/log"), ("GET", "/events"), ("GET", "/artefacts/summary.csv"),
            ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", ""),
        ]  # fmt: skip
        for method, path in calls:
            status, problem = await ask(house, method, f"/v1/jobs/{job.id}{path}", bob)
            nobodys = await ask(house, method, f"/v1/jobs/{'0' * 32}{path}", bob)
            assert (status, problem) == nobodys, (method, path)
            assert status == 404
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await house.http.ws_connect(f"/v1/jobs/{job.id}/stream", headers=bob)
        assert refused.value.status == 404
        page = await ask(house, "GET", f"/jobs/{job.id}", bob | {"Accept": "text/html"})
        assert (page[0], "There is no such job" in page[1], "sales.csv" in page[1]) == (404, True, False)
        assert (await ask(house, "GET", "/v1/jobs", bob))[1]["jobs"] == []
        assert "sales.csv" not in (await ask(house, "GET", "/", bob))[1]
        for who in (ann, ROOT):
            assert (await ask(house, "GET", f"/v1/jobs/{job.id}/artefacts/summary.csv", who))[0] == 200
            assert [one["id"] for one in (await ask(house, "GET", "/v1/jobs", who))[1]["jobs"]] == [job.id]


async def submit_and_take(house: House, headers: dict[str, str]) -> Any:
    await job_of(house, headers)
    return await house.consumer.next_job()


async def test_the_stream_of_all_jobs_tells_of_ones_own(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        ann, bob = await make_key(house, "ann"), await make_key(house, "bob")
        async with house.http.ws_connect("/v1/stream", headers=bob) as socket:
            await job_of(house, ann)
            mine = await job_of(house, bob)
            async with asyncio.timeout(DEADLINE):
                assert (await socket.receive_json())["subject"] == mine


async def test_what_a_key_may_do_is_what_its_scopes_say(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        keys = {scope: await make_key(house, f"only-{scope}", scope) for scope in ("submit", "read", "admin")}
        own = {scope: await job_of(house, keys[scope]) for scope in ("submit", "admin")} | {"read": "0" * 32}
        allowed = {
            ("GET", "/v1/jobs", 200): ("read", "admin"),
            ("GET", "/v1/jobs/{id}/log", 200): ("admin",),
            ("GET", "/metrics", 200): ("read", "admin"),
            ("POST", "/v1/jobs/{id}/cancel", 202): ("submit", "admin"),
            ("GET", "/v1/keys", 200): ("admin",),
            ("GET", "/v1/records/none", 404): ("admin",),
            ("GET", "/records/none", 404): ("admin",),
            ("POST", "/v1/keys/nobody/rotate", 404): ("admin",),
            ("DELETE", "/v1/keys/nobody", 404): ("admin",),
            ("POST", "/v1/prune?older_than=1d&dry_run=true", 200): ("admin",),
            ("GET", "/v1/kinds", 200): ("submit", "read", "admin"),
            ("GET", "/openapi.json", 200): ("submit", "read", "admin"),
        }
        for (method, path, status), who in allowed.items():
            for scope, key in keys.items():
                got, body = await ask(house, method, path.replace("{id}", own[scope]), key)
                other = 404 if (scope, path) == ("read", "/v1/jobs/{id}/log") else 403
                assert got == (status if scope in who else other), (method, path, scope, body)
        assert (await submit(house, keys["read"]))[0] == 403


async def test_a_refusal_for_want_of_a_scope_names_it(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        key = await make_key(house, "ann", "read")
        async with house.http.get("/v1/keys", headers=key) as answer:
            problem = await answer.json(content_type=None)
            assert (answer.status, problem["type"]) == (403, "/problems/forbidden")
            assert answer.headers["WWW-Authenticate"] == (
                'Bearer realm="rowmill", error="insufficient_scope", scope="admin"'
            )
            assert "admin" in problem["detail"]


async def test_a_rotated_key_works_beside_the_old_one_for_the_time_of_grace(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        old = await make_key(house, "ann")
        job = await job_of(house, old)
        status, fresh = await ask(house, "POST", "/v1/keys/ann/rotate?grace=1d", ROOT)
        assert (status, fresh["scopes"]) == (201, ["read", "submit"])
        for key in (old, bearer(fresh["key"])):
            assert (await ask(house, "GET", f"/v1/jobs/{job}", key))[0] == 200
        _, last = await ask(house, "POST", "/v1/keys/ann/rotate", ROOT)
        for key, right in ((old, 401), (bearer(fresh["key"]), 401), (bearer(last["key"]), 200)):
            assert (await ask(house, "GET", f"/v1/jobs/{job}", key))[0] == right


async def test_a_revoked_key_works_no_more_and_its_watchers_are_sent_away(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        key = await make_key(house, "ann")
        job = await job_of(house, key)
        async with house.http.ws_connect(f"/v1/jobs/{job}/stream", headers=key) as socket:
            await socket.receive()
            ticket = (await ask(house, "POST", "/v1/tickets", key, json={"path": f"/v1/jobs/{job}/events"}))[1]
            assert (await ask(house, "DELETE", "/v1/keys/ann", ROOT))[0] == 204
            async with asyncio.timeout(DEADLINE):
                assert (await socket.receive()).data == aiohttp.WSCloseCode.TRY_AGAIN_LATER
        assert (await ask(house, "GET", f"/v1/jobs/{job}", key))[0] == 401
        assert (await ask(house, "GET", ticket["url"], {}))[0] == 401
        assert (await ask(house, "DELETE", "/v1/keys/ann", ROOT))[0] == 404
        assert (await ask(house, "GET", f"/v1/jobs/{job}", ROOT))[0] == 200


async def test_a_name_is_one_persons_for_ever(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        await make_key(house, "ann")
        await ask(house, "DELETE", "/v1/keys/ann", ROOT)
        for name in ("ann", "operator"):
            status, problem = await ask(house, "POST", "/v1/keys", ROOT, json={"name": name, "scopes": ["read"]})
            assert (status, problem["type"]) == (409, "/problems/name_taken")


async def test_of_many_who_want_one_name_at_once_one_gets_it(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        wanted = {"name": "ann", "scopes": ["read"]}
        answers = await asyncio.gather(*(ask(house, "POST", "/v1/keys", ROOT, json=wanted) for _ in range(5)))
        assert sorted(status for status, _ in answers) == [201, 409, 409, 409, 409]


async def test_a_key_that_is_rotated_many_times_at_once_ends_as_one_that_works(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        await make_key(house, "ann")
        answers = await asyncio.gather(*(ask(house, "POST", "/v1/keys/ann/rotate", ROOT) for _ in range(5)))
        working = [(await ask(house, "GET", "/v1/jobs", bearer(made["key"])))[0] for _, made in answers]
        assert sorted(working) == [200, 401, 401, 401, 401]


@pytest.mark.parametrize("grace", ["99999999d", "9" * 400, "1" + "0" * 30 + "s", "-1", "soon", "1e3", "٣d", ""])
async def test_a_time_of_grace_that_is_none_is_refused_and_the_key_stays(tmp_path: Path, grace: str) -> None:
    async with locked(tmp_path) as house:
        key = await make_key(house, "ann")
        status, problem = await ask(house, "POST", "/v1/keys/ann/rotate", ROOT, params={"grace": grace})
        assert (status, problem["type"]) == (400, "/problems/bad_parameter")
        assert (await ask(house, "GET", "/v1/jobs", key))[0] == 200
        status, listed = await ask(house, "GET", "/v1/keys", ROOT)
        assert (status, [one["ends_at"] for one in listed["keys"]]) == (200, [None])


@pytest.mark.parametrize(
    "wanted",
    [
        b"", b"[]", b"{}", b'{"name":"a"}', b'{"name":"a","scopes":[]}', b'{"name":"a","scopes":["root"]}',
        b'{"name":"a b","scopes":["read"]}', b'{"name":"../a","scopes":["read"]}', b'{"name":"a\\n","scopes":["read"]}',
        b'{"name":"' + b"a" * 64 + b'","scopes":["read"]}', b"\xff", b"{" * 5000,
    ],
)  # fmt: skip
async def test_a_key_without_a_name_or_scope_is_refused(tmp_path: Path, wanted: bytes) -> None:
    async with locked(tmp_path) as house:
        status, problem = await ask(house, "POST", "/v1/keys", ROOT, data=wanted)
        assert (status, problem["type"]) == (400, "/problems/malformed")


async def test_when_a_key_was_last_used_is_known_to_the_minute_also_after_a_restart(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        key = await make_key(house, "ann")
        assert (await ask(house, "GET", "/v1/keys", ROOT))[1]["keys"][0]["last_used_at"] is None
        before = datetime.now(UTC).timestamp()
        await ask(house, "GET", "/v1/jobs", key)
    async with locked(tmp_path) as house:
        used = (await ask(house, "GET", "/v1/keys", ROOT))[1]["keys"][0]["last_used_at"]
        assert before - 60 <= datetime.fromisoformat(used).timestamp() <= datetime.now(UTC).timestamp()
        assert (await ask(house, "GET", "/v1/jobs", key))[0] == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1],
        lambda key: key + "A",
        lambda key: key.replace("_", "-"),
        lambda key: key.upper(),
        lambda _key: "rowmill_",
        lambda _key: "é_\udcff_x",
    ],
)
async def test_what_is_nearly_a_key_is_none(tmp_path: Path, change: Any) -> None:
    async with open_database(f"sqlite:///{tmp_path}/keys.db") as database:
        keys = Keys(database)
        await keys.prepare()
        key = (await keys.add("ann", ["read"])).key  # type: ignore[list-item]
        assert keys.find(key)
        assert keys.find(change(key)) is None


async def test_an_idempotency_key_is_everybodys_own(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        ann, bob = await make_key(house, "ann"), await make_key(house, "bob")
        ids = [(await submit(house, who, **{"Idempotency-Key": "once"}))[1]["id"] for who in (ann, bob, ann)]
        assert (ids[0] == ids[2], ids[0] == ids[1]) == (True, False)


async def test_with_a_key_that_works_others_may_reach_the_service(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        key = await make_key(house, "ann")
    async with keep(tmp_path, host="0.0.0.0") as house:
        assert [(await ask(house, "GET", "/v1/jobs", one))[0] for one in ({}, key)] == [401, 200]
    async with locked(tmp_path) as house:
        await ask(house, "DELETE", "/v1/keys/ann", ROOT)
    with pytest.raises(BadConfig, match="ROWMILL_API_KEYS"):
        async with keep(tmp_path, host="0.0.0.0"):
            pass


async def test_from_the_first_key_on_everybody_needs_one(house: House) -> None:
    async with house.http.ws_connect("/v1/stream") as socket:
        job = await house.submit()
        await socket.receive()
        status, made = await ask(house, "POST", "/v1/keys", {}, json={"name": "ann", "scopes": ["submit", "read"]})
        assert status == 201
        async with asyncio.timeout(DEADLINE):
            assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
    assert (await ask(house, "GET", "/v1/jobs", {}))[0] == 401
    assert (await ask(house, "GET", f"/v1/jobs/{job['id']}", bearer(made["key"])))[0] == 404
    assert (await ask(house, "GET", "/v1/jobs", bearer(made["key"])))[1]["jobs"] == []

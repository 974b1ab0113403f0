"""Who is turned away, what every answer carries, and how problems look wherever they come from."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from base64 import b64encode
from pathlib import Path

import pytest

from protocol.adapters import BadConfig
from service.limits import Limits
from service.live import Event
from tests.service.house import DEADLINE, TABLE, House, keep, now, soon


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[::2]", "169.254.0.1"]
)
async def test_a_name_that_is_not_ours_is_refused(house: House, host: str) -> None:
    status, problem, _ = await house.get("/v1/jobs", headers={"Host": host})
    assert (status, problem["type"]) == (421, "/problems/misdirected")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:80", "rowmill.localhost", "LOCALHOST"])
async def test_this_machine_goes_by_many_names(house: House, host: str) -> None:
    assert (await house.get("/v1/jobs", headers={"Host": host}))[0] == 200


async def test_the_public_name_is_ours_too(tmp_path: Path) -> None:
    async with keep(tmp_path, public_url="https://mill.example/") as house:
        headers = {"Host": "mill.example", "Origin": "https://mill.example"}
        async with house.http.post("/v1/jobs", data=TABLE, headers=headers) as answer:
            assert answer.status == 202


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1"])
async def test_a_foreign_page_may_not_change_anything(house: House, origin: str) -> None:
    job = await house.submit()
    for method, path in (
        ("POST", "/v1/jobs"),
        ("POST", f"/v1/jobs/{job['id']}/cancel"),
        ("DELETE", f"/v1/jobs/{job['id']}"),
    ):
        async with house.http.request(method, path, data=b"", headers={"Origin": origin}) as answer:
            assert answer.status == 403
            assert (await answer.json(content_type=None))["type"] == "/problems/foreign_origin"
    async with house.http.post(f"/v1/jobs/{job['id']}/cancel", headers={"Origin": house.url}) as answer:
        assert answer.status == 202


async def test_where_keys_are_set_one_is_needed_except_by_probes(tmp_path: Path) -> None:
    async with keep(tmp_path, api_keys="one,two") as house:
        for path in ("/", "/v1/jobs", "/v1/keys", "/docs", "/metrics", "/nothing"):
            async with house.http.get(path) as answer:
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"] == 'Bearer realm="rowmill"'
        assert (await house.get("/livez"))[0] == 200
        for right in ({"Authorization": "Bearer two"}, {"Authorization": f"Basic {b64encode(b'me:one').decode()}"}):
            assert (await house.get("/v1/jobs", headers=right))[0] == 200
        for wrong in ("Bearer three", "Bearer", "Basic one", "Bearer öne", "Digest one"):
            assert (await house.get("/v1/jobs", headers={"Authorization": wrong}))[0] == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
async def test_a_host_that_others_can_reach_is_refused_without_keys(tmp_path: Path, host: str) -> None:
    with pytest.raises(BadConfig, match=r"^ROWMILL_HOST is .*rowmill keys add NAME.*ROWMILL_API_KEYS"):
        await enter(tmp_path, 0, host=host, api_keys=" , ")


async def test_every_answer_carries_the_headers_that_keep_browsers_careful(house: House) -> None:
    for path in ("/", "/docs", "/v1/jobs", "/nothing", "/livez", "/metrics"):
        async with house.http.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"


async def test_what_the_library_refuses_is_a_problem_too(house: House) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("PUT", "/v1/jobs", 405),
        ("PATCH", "/livez", 405),
        ("PROPFIND", "/v1/jobs", 405),
    ):
        async with house.http.request(method, path) as answer:
            problem = await answer.json(content_type="application/problem+json")
            assert (answer.status, problem["status"]) == (status, status)
            assert problem["title"]
            assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_a_problem_and_no_traceback_in_the_log(
    house: House, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    writer.write(request_)
    async with asyncio.timeout(DEADLINE):
        answer = await reader.read(10_000)
    writer.close()
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"/problems/malformed" in answer
    assert b"application/problem+json" in answer
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_crash_is_logged_with_the_id_that_the_client_gets_and_shows_nothing_of_us(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    job, broken = "0" * 32, "INSERT INTO service_jobs (id, version, state, kind, created, body) VALUES "
    broken += "(:id, 1, 'queued', 'sales', 0, 'secret')"
    await house.consumer.database.write(lambda tx: tx.execute(broken, id=job))
    with caplog.at_level(logging.ERROR):
        status, problem, _ = await house.get(f"/v1/jobs/{job}/log")
    assert (status, problem["type"]) == (500, "/problems/internal")
    [record] = [record for record in caplog.records if record.exc_info]
    assert getattr(record, "request") in problem["detail"]  # noqa: B009 - an extra field
    assert getattr(record, "job") == job  # noqa: B009
    assert "secret" not in str(problem)
    assert "json" not in problem["detail"].lower()


UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
)


@pytest.mark.parametrize(("path", "headers"), [("events", ""), ("stream", UPGRADE)])
async def test_a_stream_that_crashes_after_its_beginning_breaks_off_instead_of_answering_again(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str, headers: str
) -> None:
    def fail(_event: Event) -> bytes:
        raise TimeoutError("not the client's")

    job = await house.submit()
    monkeypatch.setattr(Event, "data", property(fail))
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    writer.write(f"GET /v1/jobs/{job['id']}/{path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
    head = await soon(reader.readuntil(b"\r\n\r\n"))
    assert head.split()[1] in {b"200", b"101"}
    with contextlib.suppress(ConnectionResetError):
        assert b"HTTP/1.1" not in await soon(reader.read())
    writer.close()
    assert len([record for record in caplog.records if record.exc_info]) == 1
    assert "0.0" in await dropped(house)


async def test_an_event_that_cannot_be_stored_comes_again(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await house.submit()
    job = await house.consumer.next_job()
    await house.consumer.database.write(lambda tx: tx.execute("ALTER TABLE service_jobs RENAME TO hidden"))
    with pytest.raises(Exception, match="later"):
        await house.consumer.start(job)
    await house.consumer.database.write(lambda tx: tx.execute("ALTER TABLE hidden RENAME TO service_jobs"))
    await house.consumer.start(job)
    assert (await house.get(f"/v1/jobs/{job.id}"))[1]["state"] == "running"
    assert "comes again" in caplog.text


async def test_ready_names_each_part_and_says_when_no_consumer_is_there(tmp_path: Path) -> None:
    async with keep(tmp_path, kinds=False) as house:
        status, body, headers = await house.get("/readyz")
        assert (status, headers["Retry-After"]) == (503, "2")
        assert body["parts"] == {
            "database": "ok",
            "files": "ok",
            "transport": "ok",
            "consumer": "no consumer was heard yet",
        }
        await house.consumer.announce()
        status, body, _ = await house.get("/readyz")
        assert (status, body["status"]) == (200, "ok")


async def test_a_file_store_that_cannot_be_written_is_not_ready(house: House) -> None:
    away = house.folder.rename(house.folder.with_name("away"))
    house.folder.touch()
    status, body, _ = await house.get("/readyz")
    assert (status, body["parts"]["files"]) == (503, "it failed; the log has the reason")
    house.folder.unlink()
    away.rename(house.folder)
    assert (await house.get("/readyz"))[0] == 200
    assert list(house.folder.rglob("*")) == []


async def test_ready_says_which_part_fails_or_does_not_answer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: str) -> None:
        raise OSError

    monkeypatch.setattr("service.operations.PATIENCE", 0.1)
    monkeypatch.setattr(house.consumer.transport, "ready", asyncio.Event().wait)
    monkeypatch.setattr(house.consumer.files, "free_space", fail)
    status, body, _ = await house.get("/readyz")
    assert (status, body["parts"]["transport"]) == (503, "no answer within 0 s")
    assert (body["parts"]["files"], body["parts"]["database"]) == ("it failed; the log has the reason", "ok")


async def test_a_silent_consumer_is_not_ready_but_its_kinds_stay_known(tmp_path: Path) -> None:
    async with keep(tmp_path) as house:
        assert (await house.get("/readyz"))[0] == 200
        long_ago = now().timestamp() - 1000
        await house.consumer.database.write(lambda tx: tx.execute("UPDATE service_kinds SET seen = :at", at=long_ago))
    async with keep(tmp_path, kinds=False) as house:
        status, body, _ = await house.get("/readyz")
        assert status == 503
        assert body["parts"]["consumer"].startswith("no consumer was heard for 1")
        assert (await house.get("/v1/kinds"))[1]["kinds"]


async def test_metrics_count_jobs_and_requests_by_route(house: House) -> None:
    await house.submit()
    text = await figures(house)
    assert 'rowmill_jobs{state="queued"} 1.0' in text
    assert 'rowmill_http_request_seconds_count{method="POST",route="/v1/jobs",status="202"} 1.0' in text
    await house.consumer.finish(await house.consumer.next_job())
    text = await figures(house)
    assert 'rowmill_jobs{state="queued"} 0.0' in text
    assert 'rowmill_jobs{state="succeeded"} 1.0' in text


async def figures(house: House) -> str:
    async with house.http.get("/metrics") as answer:
        return await answer.text()


async def test_a_port_that_is_taken_is_a_wrong_setting(house: House, tmp_path: Path) -> None:
    taken = int(house.url.rpartition(":")[2])
    with pytest.raises(BadConfig, match="ROWMILL_PORT"):
        await enter(tmp_path / "other", taken)


async def enter(folder: Path, port: int, **settings: str) -> None:
    async with keep(folder, port=port, **settings):
        pass


async def test_a_slow_reader_of_a_download_is_let_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with keep(tmp_path, Limits(read=0.3)) as house:
        await house.submit()
        job = await house.consumer.start(await house.consumer.next_job())
        artefact = await house.consumer.make(job, "big.csv", b"0123456789\n" * 2_000_000)
        await house.consumer.finish(job, artefacts=(artefact,))
        reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]), limit=4096)
        writer.write(f"GET {artefact.url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        async with asyncio.timeout(DEADLINE):
            while "1.0" not in await dropped(house):
                pass
            assert await count_rest(reader) < artefact.size
        writer.close()
    assert [record.path for record in caplog.records if "does not read" in record.message] == [artefact.url]


async def test_a_slow_reader_of_an_answer_is_let_go(tmp_path: Path) -> None:
    size = 20_000_000
    async with keep(tmp_path, Limits(answer=0.3)) as house:
        job = await house.submit()
        longer = json.dumps(job | {"source": job["source"] | {"name": "x" * size}})
        sql = "INSERT INTO service_jobs (id, version, state, kind, created, body) VALUES (:id, 0, 'queued', '', 0, :b)"
        await house.consumer.database.write(lambda tx: tx.execute(sql, id="0" * 32, b=longer))
        reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]), limit=4096)
        writer.write(f"GET /v1/jobs/{'0' * 32} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        async with asyncio.timeout(DEADLINE):
            while "1.0" not in await dropped(house):
                pass
            assert await count_rest(reader) < size
        writer.close()


async def count_rest(reader: asyncio.StreamReader) -> int:
    count = 0
    with contextlib.suppress(ConnectionResetError):
        while piece := await reader.read(2**16):
            count += len(piece)
    return count


async def dropped(house: House) -> str:
    lines = (await figures(house)).splitlines()
    return next(line for line in lines if line.startswith("rowmill_clients_dropped_total"))

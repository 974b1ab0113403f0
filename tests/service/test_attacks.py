"""Hostile clients over real sockets: each gets the right refusal, and the others their answers."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from protocol.adapters import BadConfig
from service import crowding
from service.limits import Limits
from tests.service.house import TABLE, House, keep
from tests.service.keyring import ROOT, ask, locked

DEADLINE = 60.0
SLOW = 300
REFUSED = "rowmill_connections_refused_total "
HEAD = b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
UPLOAD = (
    b"POST /v1/jobs?kind=sales HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 100000\r\n\r\n"
)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(house: House, count: int) -> AsyncIterator[list[Streams]]:
    port = int(house.url.rpartition(":")[2])
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    try:
        yield streams
    finally:
        for _, writer in streams:
            writer.close()
        for _, writer in streams:
            with suppress(OSError):
                await writer.wait_closed()


@pytest.fixture
def _many_files() -> Iterator[None]:
    """Both ends of every connection are this process's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_many_files")
async def test_beside_300_slow_connections_everybody_else_is_answered(tmp_path: Path) -> None:
    async with keep(tmp_path, Limits(idle=3600.0)) as house, connected(house, SLOW) as slow:
        dribbling = asyncio.create_task(dribble(slow))
        for _ in range(20):
            assert (await house.get("/v1/jobs"))[0] == 200
        await house.submit()
        assert not any(reader.at_eof() for reader, _ in slow)
        dribbling.cancel()


async def test_who_finds_as_many_connections_as_there_may_be_is_told_so_and_the_others_are_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with keep(tmp_path, Limits(connections=10, idle=3600.0)) as house:
        async with connected(house, 10) as first, connected(house, 3) as late:
            for reader, _ in late:
                head, _, body = (await asyncio.wait_for(rest(reader), DEADLINE)).partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 503 ")
                assert b"\r\nRetry-After: 5" in head
                assert json.loads(body)["type"] == "/problems/busy"
            for reader, writer in first:
                writer.write(HEAD + b"\r\nConnection: close\r\n\r\n")
                assert (await asyncio.wait_for(rest(reader), DEADLINE)).startswith(b"HTTP/1.1 200 ")
        assert [record.message for record in caplog.records].count("too many connections") == 1
        assert await refusals(house) >= len(late)


@pytest.mark.parametrize(("allowed", "most"), [(300, 150), (100_000, 8192)])
def test_connections_leave_room_for_the_files_that_go_over_them(
    monkeypatch: pytest.MonkeyPatch, allowed: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    assert crowding.room(Limits().connections) == most


async def refusals(house: House) -> float:
    """As the metrics say, once the server has seen that the others have gone."""
    async with asyncio.timeout(DEADLINE):
        while True:
            async with house.http.get("/metrics") as answer:
                if answer.status == 200:
                    lines = (await answer.text()).splitlines()
                    return next(float(line.split()[1]) for line in lines if line.startswith(REFUSED))


async def test_a_request_whose_headers_do_not_end_is_cut_off_although_they_never_stop(tmp_path: Path) -> None:
    async with keep(tmp_path, Limits(idle=0.5)) as house, connected(house, 10) as slow:
        dribbling = asyncio.create_task(dribble(slow))
        async with asyncio.timeout(DEADLINE):
            assert set(await asyncio.gather(*(rest(reader) for reader, _ in slow))) == {b""}
        dribbling.cancel()


async def dribble(streams: list[Streams]) -> None:
    """A byte of a header now and then, for ever."""
    for _, writer in streams:
        writer.write(HEAD)
    while True:
        for _, writer in streams:
            writer.write(b"x")
        await asyncio.sleep(0.1)


async def rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.parametrize("length", [b"100000", b"10000000"], ids=["short", "long"])
async def test_a_body_that_comes_too_slowly_is_cut_off_although_it_never_stops(tmp_path: Path, length: bytes) -> None:
    async with keep(tmp_path, Limits(read=0.5)) as house, connected(house, 1) as [(reader, writer)]:
        writer.write(UPLOAD.replace(b"100000", length) + TABLE)

        async def feed() -> None:
            while True:
                writer.write(b"N")
                await asyncio.sleep(0.05)

        feeding = asyncio.create_task(feed())
        async with asyncio.timeout(DEADLINE):
            head = await reader.readuntil(b"\r\n\r\n")
        feeding.cancel()
        assert head.startswith(b"HTTP/1.1 408 ")
        assert house.stored() == []


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fservice%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/..%5capp.py",
        "/static/rowmill.js%00.css",
        "/jobs/..%2f..%2fetc%2fpasswd",
        "/v1/jobs/..%2f..%2fsecret",
        "/v1/jobs/../../secret",
        "/v1/jobs/{id}/artefacts/..%2f..%2f..%2fsecret",
        "/v1/jobs/{id}/artefacts/..",
        "/v1/jobs/{id}/artefacts/summary.csv%00",
        "/v1/records/..%2fsecret",
        "/v1/keys/..%2f..%2fsecret",
    ],
)
async def test_no_path_leads_out(tmp_path: Path, path: str) -> None:
    async with locked(tmp_path) as house, connected(house, 1) as [(reader, writer)]:
        _, job = await ask(house, "POST", "/v1/jobs?kind=sales", ROOT | {"Content-Type": "text/csv"}, data=TABLE)
        asked = path.replace("{id}", job["id"])
        lines = (
            f"GET {asked} HTTP/1.1",
            "Host: localhost",
            f"Authorization: {ROOT['Authorization']}",
            "Connection: close",
        )
        writer.write("\r\n".join((*lines, "", "")).encode())
        async with asyncio.timeout(DEADLINE):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert int(head.split()[1]) in {400, 404, 405}, head
        assert b"/problems/" in body or b"There is no such" in body
        for secret in ((tmp_path / "secret").read_bytes().strip(), b"root:", b"import"):
            assert secret not in body


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "%0d%0a", "\u010d\u010a", "\u560d\u560a"])
async def test_nothing_that_a_client_says_becomes_a_header(tmp_path: Path, end: str) -> None:
    forged = f"x{end}Set-Cookie: forged=1{end}{end}<html>"
    async with locked(tmp_path) as house:
        asked = [
            ("GET", "/", {"state": forged}, {"Accept": "text/html"}),
            ("GET", "/login", {"next": "/" + forged}, {}),
            ("GET", "/v1/jobs", {"cursor": forged}, ROOT),
            ("GET", "/v1/jobs", {"link": forged, "ticket": forged}, {}),
            ("POST", "/v1/jobs", {"kind": "sales", "filename": forged + ".csv"}, ROOT | {"Content-Type": "text/csv"}),
            ("POST", "/v1/jobs", {"kind": forged, "filename": "a.csv"}, ROOT | {"Content-Type": "text/csv"}),
        ]
        for method, path, params, headers in asked:
            data = TABLE if method == "POST" else None
            async with house.http.request(
                method, path, params=params, headers=headers, data=data, allow_redirects=False
            ) as answer:
                assert "Set-Cookie" not in answer.headers
                assert not any("\n" in value or "\r" in value for value in answer.headers.values())
                assert answer.status < 500
        form = {"key": ROOT["Authorization"].removeprefix("Bearer "), "next": "/" + forged}
        async with house.http.post("/login", data=form, allow_redirects=False) as answer:
            assert answer.status == 303
            assert [cookie.partition("=")[0] for cookie in answer.headers.getall("Set-Cookie")] == ["rowmill_session"]


async def test_a_name_in_a_header_cannot_break_it(house: House) -> None:
    await house.submit(filename='a"; filename="b.html\\"é.csv')
    job = await house.consumer.start(await house.consumer.next_job())
    artefact = await house.consumer.make(job, "summary.csv", b"a\n1\n")
    await house.consumer.finish(job, artefacts=(artefact,))
    async with house.http.get(artefact.url) as answer:
        given = answer.headers["Content-Disposition"]
        assert given.startswith('attachment; filename="')
        assert given.isascii()
        assert given.count('"') == 2


@pytest.mark.parametrize("left", ["", "\n", "short"])
async def test_with_a_secret_that_was_cut_short_nothing_starts(tmp_path: Path, left: str) -> None:
    (tmp_path / "secret").write_text(left)
    with pytest.raises(BadConfig, match=r"secret: no secret of 32 characters"):
        async with locked(tmp_path):
            pass


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "punycode", "nonsense"])
async def test_a_login_in_another_alphabet_opens_nothing_and_breaks_nothing(tmp_path: Path, charset: str) -> None:
    async with locked(tmp_path) as house:
        headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
        async with house.http.post("/login", data=b"key=a%2B2AA-&next=/", headers=headers) as answer:
            assert answer.status in {400, 401}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
async def test_a_body_that_is_not_as_its_headers_say_leaves_no_traceback(
    house: House, coding: str, caplog: pytest.LogCaptureFixture
) -> None:
    head = await answer_to(house, request("POST", "/nothing", {"Content-Encoding": coding}, TABLE))
    assert head.split()[1] == "404"
    await house.submit()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("path", ["/v1/tickets", "/v1/keys", "/login"])
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"Content-Encoding: gzip\r\nContent-Length: 22", b'{"path":"/v1/stream"}\n'),
        (b"Transfer-Encoding: chunked", b"5\r\nhello\r\nnonsense\r\n\r\n"),
        (b"Content-Length: 4097", b"x" * 4097),
        (b"Transfer-Encoding: chunked", b"1001\r\n" + b"x" * 4097 + b"\r\n0\r\n\r\n"),
    ],
    ids=["gzip", "chunks", "length", "more"],
)
async def test_a_small_body_that_is_none_is_the_clients_fault(
    tmp_path: Path, path: str, headers: bytes, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    shown = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {ROOT['Authorization']}\r\n".encode()
    async with locked(tmp_path) as house:
        assert (await answer_to(house, shown + headers + b"\r\n\r\n" + body)).split()[1] == "400"
    assert [record for record in caplog.records if record.exc_info] == []


def test_what_a_library_warns_of_in_a_request_is_neither_printed_nor_kept() -> None:
    script = """if True:
        import aiohttp.multipart
        from protocol import log
        log.configure("json")
        aiohttp.parse_content_disposition("form-data; filename*=utf-9''%%")
        print({*vars(aiohttp.multipart)["__warningregistry__"]} - {"version"})
    """
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("set()\n", "")


async def test_a_frame_larger_than_anybody_needs_ends_the_websocket(house: House) -> None:
    async with house.http.ws_connect("/v1/stream") as socket:
        await socket.send_bytes(b"x" * 2**20)
        async with asyncio.timeout(DEADLINE):
            message = await socket.receive()
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
    assert (await house.get("/v1/jobs"))[0] == 200


async def test_every_answer_is_careful_whatever_went_wrong(tmp_path: Path) -> None:
    async with locked(tmp_path, Limits(read=0.2)) as house:
        stopped = UPLOAD.replace(b"\r\nHost", f"\r\nAuthorization: {ROOT['Authorization']}\r\nHost".encode())
        evil = {"Origin": "https://evil.example"}
        cases: list[tuple[int, bytes]] = [
            (400, b"nonsense\r\n\r\n"),
            (400, b"GET / HTTP/1.1\r\nA: " + b"x" * 100_000 + b"\r\n\r\n"),
            (408, stopped),
            (303, request("GET", "/", {"Accept": "text/html"})),
            (200, request("GET", "/login", {})),
            (200, request("GET", "/static/icon.svg", {})),
            (401, request("GET", "/v1/jobs", {})),
            (403, request("POST", "/v1/jobs", ROOT | evil)),
            (404, request("GET", "/nothing", ROOT)),
            (405, request("PUT", "/v1/jobs", ROOT)),
            (415, request("POST", "/v1/jobs", ROOT | {"Content-Type": "application/json"})),
            (421, request("GET", "/v1/jobs", {"Host": "evil.example"})),
            (426, request("GET", "/v1/stream", ROOT)),
        ]
        for status, data in cases:
            head = await answer_to(house, data)
            assert head.split()[1] == str(status), (data[:200], head)
            for name in ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy"):
                assert f"\r\n{name}: " in head.lower(), (name, head)
            assert "\r\nserver: rowmill\r\n" in head.lower()
            assert "unsafe" not in head


@pytest.mark.parametrize("path", ["/v1/jobs?no=such", "/nothing"])
async def test_no_request_follows_one_that_was_answered_before_it_had_all_come(house: House, path: str) -> None:
    """A proxy that drops the rest of it would have somebody else's read as that."""
    whole = request("POST", path, {"Content-Type": "text/csv"}, b"x" * 1000)
    assert "\r\nconnection: close\r\n" in (await answer_to(house, whole[:-1])).lower()
    assert "\r\nconnection: close\r\n" not in (await answer_to(house, whole)).lower()


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in ({"Host": "localhost"} | headers).items()),
    ]
    return "\r\n".join((*lines, f"Content-Length: {len(body)}", "", "")).encode() + body


async def answer_to(house: House, data: bytes) -> str:
    async with connected(house, 1) as [(reader, writer)], asyncio.timeout(DEADLINE):
        writer.write(data)
        return (await reader.readuntil(b"\r\n\r\n")).decode()

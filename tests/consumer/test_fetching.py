"""Tables from URLs: only from where the operator allows, and never to an address that is not public."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from consumer.http import addresses, fetching
from consumer.http.fetching import Unfetchable, allow, fetch

ALLOWED = ("https://data.example.org/exports/", "https://data.example.org:8443/x", "file:///srv/tables")


@pytest.mark.parametrize(
    "url",
    [
        "https://data.example.org/exports/a.csv",
        "https://data.example.org:443/exports/sub/a.csv?day=1",
        "https://DATA.example.org/exports/a.csv",
        "https://data.example.org:8443/x/a",
        "file:///srv/tables/a.csv",
    ],
)
def test_what_lies_under_a_source_is_allowed(url):
    assert allow(url, ALLOWED).geturl()


@pytest.mark.parametrize(
    "url",
    [
        "https://data.example.org/exportsx/a.csv",
        "https://data.example.org/exports/../a.csv",
        "https://data.example.org/exports/%2e%2e/a.csv",
        "https://data.example.org/exports/..%2fa.csv",
        "https://data.example.org/exports/..\\a.csv",
        "https://data.example.org.evil.org/exports/a.csv",
        "https://data.example.org@evil.org/exports/a.csv",
        "https://evil.org@data.example.org/exports/a.csv",
        "https://data.example.org:444/exports/a.csv",
        "https://data.example.org/exports/a\r\nX: y",
        "http://data.example.org/exports/a.csv",
        "ftp://data.example.org/exports/a.csv",
        "file:///srv/tables/../secret",
        "file:///etc/passwd",
        "file://host/srv/tables/a.csv",
        "https://[",
        "a.csv",
        "",
    ],
)
def test_what_does_not_lie_under_a_source_is_refused(url):
    with pytest.raises(Unfetchable):
        allow(url, ALLOWED)


def test_without_sources_nothing_is_allowed():
    with pytest.raises(Unfetchable):
        allow("https://data.example.org/exports/a.csv", ())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::7f00:1",
        "64:ff9b:1::1",
        "fec0::1",
    ],
)
def test_an_address_that_is_not_public_is_known_as_such(address):
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_a_public_address_is_known_as_such(address):
    assert addresses.is_public(address)


Answer = Callable[[str], bytes]


class Server:
    """Speaks HTTPS on loopback, and answers each path as the test says."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "server.pem"
        key = ["-keyout", self.certificate, "-out", self.certificate, "-subj", "/CN=localhost"]
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *key, *names]
        subprocess.run(command, check=True, capture_output=True)
        self.answers: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.stop = asyncio.Event()
        self.serving: set[asyncio.Task[None]] = set()

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        self.asked.append(path)
        writer.write(self.answers.get(path, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"))
        await writer.drain()
        if path == "/t/slow":
            await self.stop.wait()
        if path == "/t/cut":
            writer.transport.abort()
        with suppress(OSError):
            while path == "/t/trickle" and not self.stop.is_set():
                writer.write(b"X-A: b\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
            writer.close()
            await writer.wait_closed()

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        return context


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def moved(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.fixture
async def server(tmp_path: Path, monkeypatch) -> AsyncIterator[tuple[Server, str]]:
    speaking = Server(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(speaking.certificate))
    running = await asyncio.start_server(speaking.begin, "127.0.0.1", 0, ssl=speaking.context)
    async with running:
        yield speaking, f"https://127.0.0.1:{running.sockets[0].getsockname()[1]}/t"
        speaking.stop.set()
        await asyncio.gather(*speaking.serving)


async def had(url: str, *sources: str) -> bytes:
    async with fetch(url, sources) as blocks:
        return b"".join([block async for block in blocks])


async def test_a_table_is_had_in_blocks(server):
    speaking, base = server
    body = b"a,b\n" + b"1,2\n" * 200_000
    speaking.answers["/t/a.csv?x=1"] = ok(body)
    assert await had(f"{base}/a.csv?x=1", base) == body


async def test_a_redirect_within_the_sources_is_followed_and_no_other(server):
    speaking, base = server
    speaking.answers |= {"/t/a": moved("b"), "/t/b": ok(b"a,b\n"), "/t/c": moved("/other"), "/t/d": moved(base + "/d")}
    assert await had(f"{base}/a", base) == b"a,b\n"
    for name in ("c", "d"):
        with pytest.raises(Unfetchable):
            await had(f"{base}/{name}", base)
    assert "/other" not in speaking.asked


async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(server):
    speaking, base = server
    named = base.replace("127.0.0.1", "localhost")
    speaking.answers["/t/a"] = ok(b"a,b\n")
    with pytest.raises(Unfetchable, match="not public"):
        await had(f"{named}/a", named, base)
    assert speaking.asked == []


async def test_a_certificate_that_nobody_vouches_for_is_refused(server, monkeypatch):
    speaking, base = server
    speaking.answers["/t/a"] = ok(b"a,b\n")
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Unfetchable):
        await had(f"{base}/a", base)
    assert speaking.asked == []


async def test_a_path_beyond_ascii_is_asked_for_as_addresses_are_spelled(server):
    speaking, base = server
    speaking.answers["/t/K%C3%A4se%20.csv?x=[%C3%A4]"] = ok(b"a,b\n")
    assert await had(f"{base}/Käse%20.csv?x=[ä]", base) == b"a,b\n"


async def test_an_address_that_nobody_can_use_is_refused_for_good(server, tmp_path: Path):
    speaking, base = server
    speaking.answers["/t/moved"] = moved("https://[")
    folder = tmp_path.as_uri()
    for url in (f"{folder}/a%00.csv", f"{base}/moved", "https://data..example/t/a"):
        with pytest.raises(Unfetchable) as raised:
            await had(url, base, folder, "https://data..example/t")
        assert not raised.value.again


async def test_whether_it_may_work_later_is_told(server):
    speaking, base = server
    speaking.answers["/t/busy"] = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    for name, again in (("busy", True), ("missing", False)):
        with pytest.raises(Unfetchable) as raised:
            await had(f"{base}/{name}", base)
        assert raised.value.again is again


async def test_a_source_that_ends_early_is_no_whole_table(server):
    speaking, base = server
    speaking.answers["/t/short"] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na,b\n"
    with pytest.raises(Unfetchable):
        await had(f"{base}/short", base)


async def test_a_source_that_takes_too_long_is_given_up(server, monkeypatch):
    speaking, base = server
    monkeypatch.setattr(fetching, "WAIT", 0.3)
    speaking.answers["/t/slow"] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na,b\n"
    with pytest.raises(Unfetchable) as raised:
        await had(f"{base}/slow", base)
    assert raised.value.again


async def test_a_server_that_trickles_is_given_up_and_no_thread_goes_on_listening_to_it(
    server, monkeypatch, eventually
):
    speaking, base = server
    monkeypatch.setattr(fetching, "STEP", 0.5)
    speaking.answers["/t/trickle"] = b"HTTP/1.1 200 OK\r\n"
    with pytest.raises(Unfetchable) as raised:
        await had(f"{base}/trickle", base)
    assert raised.value.again
    await eventually(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("fetch")])


async def test_a_source_that_takes_too_long_in_all_is_given_up_whichever_task_asks_for_each_block(server, monkeypatch):
    speaking, base = server
    monkeypatch.setattr(fetching, "TOTAL", 0.5)
    speaking.answers["/t/slow"] = b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 2**18
    with pytest.raises(Unfetchable) as raised:  # noqa: PT012 - the second block is the one that does not come
        async with fetch(f"{base}/slow", [base]) as blocks:
            assert len(await asyncio.create_task(anext(blocks))) == 2**18
            await asyncio.create_task(anext(blocks))
    assert raised.value.again


async def test_a_source_of_unknown_length_that_is_cut_off_is_no_whole_table(server):
    speaking, base = server
    speaking.answers["/t/cut"] = b"HTTP/1.1 200 OK\r\n\r\na,b\n1,2\n"
    with pytest.raises(Unfetchable):
        await had(f"{base}/cut", base)


async def test_a_server_cannot_name_a_file_of_ours(server, tmp_path: Path):
    speaking, base = server
    (tmp_path / "a.csv").write_text("a,b\n")
    assert await had(f"{tmp_path.as_uri()}/a.csv", base, tmp_path.as_uri()) == b"a,b\n"
    speaking.answers["/t/a"] = moved(f"{tmp_path.as_uri()}/a.csv")
    with pytest.raises(Unfetchable):
        await had(f"{base}/a", base, tmp_path.as_uri())


async def test_one_source_of_several_that_is_an_address_opens_no_private_one_by_name(server):
    speaking, base = server
    named = base.replace("127.0.0.1", "localhost")
    speaking.answers["/t/a"] = moved(f"{named}/b")
    with pytest.raises(Unfetchable, match="not public"):
        await had(f"{base}/a", base, named)


async def test_the_next_address_is_tried_where_one_does_not_answer(server, monkeypatch):
    speaking, base = server
    speaking.answers["/t/a"] = ok(b"a,b\n")
    monkeypatch.setattr(addresses, "look_up", lambda *_, **__: ["127.0.0.9", "127.0.0.1"])
    assert await had(f"{base}/a", base) == b"a,b\n"


def test_a_link_that_is_put_into_the_way_at_the_last_moment_is_not_followed(tmp_path: Path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "secret.csv").write_text("secret")
    (tmp_path / "shared" / "a.csv").symlink_to(tmp_path / "secret.csv")
    assert fetching._descend(tmp_path, tmp_path / "shared" / "a.csv") is None
    (tmp_path / "link").symlink_to(tmp_path)
    assert fetching._descend(tmp_path, tmp_path / "link" / "secret.csv") is None


def test_what_is_no_plain_file_is_not_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "missing"):
        assert fetching._descend(tmp_path.parent, tmp_path / name) is None
    assert fetching._descend(tmp_path.parent, tmp_path) is None

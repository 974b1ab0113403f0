"""One large upload, raw, as a form and by tus: Rowmill beside FastAPI and, where there is one, nginx (WebDAV's PUT).

Rowmill hashes and inspects the table on the way, and answers when the job is stored; the others only write the bytes.
The client is sendfile on a socket. What is shown is the time to the answer, and the receiver's CPU time. Each gets
the table once before, for memory that the system has not used for a while is slow to write to; and what was stored is
removed before the next one comes, so that nobody pays for writing what another has left.

    python benchmarks/uploads.py [--mb 300] [--rounds 3] [--markdown] [--json uploads.json]
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]

import made  # noqa: E402
import sheet  # noqa: E402
from small_jobs import Crowd, free_port, running, until_up, uvicorn  # noqa: E402

BOUNDARY = "0123456789abcdef0123456789abcdef"
COLUMNS = ("", "way", "MB/s", "CPU s/GB", "to FastAPI's form")
NGINX = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{}}
http {{ access_log off; client_body_temp_path {folder}/body; client_max_body_size 0;
  server {{ listen 127.0.0.1:{port}; root {folder};
    location /ready {{ return 200; }} location /raw/ {{ dav_methods PUT; create_full_put_path on; }} }} }}"""


@dataclass(frozen=True)
class Target:
    name: str
    way: str  # raw, form or resumable
    method: str
    url: str


@dataclass(frozen=True)
class Figures:
    name: str
    way: str
    mb_per_second: float
    cpu_seconds_per_gb: float


def send(target: Target, path: Path) -> bytes:
    """Upload the file, and return the body of the answer."""
    if target.way == "resumable":
        return send_resumable(target, path)
    head = tail = b""
    kind = "text/csv"
    if target.way == "form":
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        named = 'Content-Disposition: form-data; name="file"; filename="sales.csv"'
        head = f"--{BOUNDARY}\r\n{named}\r\nContent-Type: text/csv\r\n\r\n".encode()
        tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    return ask(target.method, target.url, {"Content-Type": kind}, path, head, tail)[1]


def send_resumable(target: Target, path: Path) -> bytes:
    """By tus, all of it in one request; the answer is how the upload stands."""
    version = {"Tus-Resumable": "1.0.0"}
    named = {"Upload-Length": str(path.stat().st_size), "Upload-Metadata": "kind c2FsZXM=,filename c2FsZXMuY3N2"}
    told, _ = ask("POST", target.url, version | named)
    where = urljoin(target.url, told["Location"])
    ask("PATCH", where, version | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}, path)
    return ask("GET", where, version)[1]


def ask(
    method: str, url: str, headers: Mapping[str, str], path: Path | None = None, head: bytes = b"", tail: bytes = b""
) -> tuple[Message, bytes]:
    """Send one request, whose body is the file between *head* and *tail*; the headers and the body of the answer."""
    where = urlsplit(url)
    size = len(head) + (path.stat().st_size if path else 0) + len(tail)
    lines = [f"{method} {where.path}?{where.query} HTTP/1.1", f"Host: {where.netloc}", f"Content-Length: {size}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection((where.hostname or "", where.port or 80)) as to:
        to.settimeout(600)
        to.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode() + head)
        if path:
            with path.open("rb") as file:
                to.sendfile(file)
        to.sendall(tail)
        answer = http.client.HTTPResponse(to)
        answer.begin()
        body = answer.read()
    if answer.status not in {200, 201, 202, 204}:
        raise AssertionError((method, url, answer.status, body[:500]))
    return answer.headers, body


@contextlib.asynccontextmanager
async def fastapi(folder: Path, session: aiohttp.ClientSession) -> AsyncIterator[tuple[Crowd, list[Target]]]:
    port = free_port()
    async with running(folder, [uvicorn("receiver", port)], PEER_FOLDER=str(folder)) as crowd:
        url = f"http://127.0.0.1:{port}"
        await until_up(session, f"{url}/docs")
        yield (
            crowd,
            [
                Target("FastAPI UploadFile", "form", "POST", f"{url}/form"),
                Target("FastAPI request.stream", "raw", "PUT", f"{url}/raw/table"),
            ],
        )


@contextlib.asynccontextmanager
async def nginx(folder: Path, session: aiohttp.ClientSession) -> AsyncIterator[tuple[Crowd, list[Target]]]:
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port) + "\n")
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    async with running(folder, [["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), *user]]) as crowd:
        await until_up(session, f"http://127.0.0.1:{port}/ready")
        yield crowd, [Target("nginx", "raw", "PUT", f"http://127.0.0.1:{port}/raw/table")]


@contextlib.asynccontextmanager
async def rowmill(folder: Path, session: aiohttp.ClientSession) -> AsyncIterator[tuple[Crowd, list[Target]]]:
    port = free_port()
    settings = {"ROWMILL_PORT": str(port), "ROWMILL_WORKERS": "1", "ROWMILL_MAX_UPLOAD": "100GiB"}
    async with running(folder, [[sys.executable, "-m", "rowmill", "up"]], **settings) as crowd:
        url = f"http://127.0.0.1:{port}"
        await until_up(session, f"{url}/readyz")
        target = f"{url}/v1/jobs?kind=sales&filename=sales.csv"
        ways = [Target("Rowmill", way, "POST", target) for way in ("raw", "form")]
        yield crowd, [*ways, Target("Rowmill", "resumable", "POST", f"{url}/v1/uploads")]


async def clear_away(session: aiohttp.ClientSession, url: str, job: str) -> None:
    """End the job that the upload made, and remove its files."""
    where = f"{url.partition('/v1/')[0]}/v1/jobs/{job}"
    async with session.post(f"{where}/cancel"):
        pass
    async with session.get(where, headers={"Prefer": "wait=60"}):
        pass
    async with session.delete(where):
        pass


def remove_stored(folder: Path, size: int) -> None:
    """What the peers keep."""
    for stored in [one for one in folder.rglob("*") if one.is_file() and one.stat().st_size == size]:
        stored.unlink()


async def measure(crowd: Crowd, target: Target, path: Path, folder: Path, session: aiohttp.ClientSession) -> Figures:
    size, before, began = path.stat().st_size, crowd.cpu(), time.perf_counter()
    body = await asyncio.to_thread(send, target, path)
    took, cpu = time.perf_counter() - began, crowd.cpu() - before
    if target.name == "Rowmill":
        await clear_away(session, target.url, json.loads(body)["id"])
    remove_stored(folder, size)
    return Figures(target.name, target.way, size / 1e6 / took, cpu / size * 1e9)


async def contest(start: object, path: Path) -> list[Figures]:
    with tempfile.TemporaryDirectory(prefix="rowmill-bench-") as folder:
        timeout = aiohttp.ClientTimeout(total=600)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            start(Path(folder), session) as (crowd, targets),  # type: ignore[operator]
        ):
            for target in targets:
                await measure(crowd, target, path, Path(folder), session)
            return [await measure(crowd, target, path, Path(folder), session) for target in targets]


def rows(figures: list[Figures]) -> Iterator[Sequence[object]]:
    base = next(one.mb_per_second for one in figures if one.name == "FastAPI UploadFile")
    yield COLUMNS
    for one in figures:
        cpu, ratio = one.cpu_seconds_per_gb, one.mb_per_second / base
        yield one.name, one.way, f"{one.mb_per_second:.0f}", f"{cpu:.2f}", f"{ratio:.2f}"


async def main() -> None:
    parser = sheet.parser(__doc__)
    parser.add_argument("--mb", type=float, default=float(os.environ.get("BENCH_MB", "300")))
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    contestants = [rowmill, fastapi, *([nginx] if shutil.which("nginx") else [])]
    if not shutil.which("nginx"):
        print("nginx is not installed here, and left out.", file=sys.stderr)
    found: dict[tuple[str, str], list[Figures]] = {}
    with tempfile.TemporaryDirectory(prefix="rowmill-bench-") as folder:
        path = made.write(Path(folder) / "sales.csv", int(asked.mb * 1e6))
        for _ in range(asked.rounds):
            for start in contestants:
                for one in await contest(start, path):
                    found.setdefault((one.name, one.way), []).append(one)
    medians = [
        Figures(
            *key,
            statistics.median(one.mb_per_second for one in ones),
            statistics.median(one.cpu_seconds_per_gb for one in ones),
        )
        for key, ones in found.items()
    ]
    sheet.tell(asked, list(rows(medians)), [asdict(one) for one in medians])


if __name__ == "__main__":
    asyncio.run(main())

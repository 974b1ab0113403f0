"""One server as its clients see it: the calls of the HTTP API, as values in and values out."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import ssl
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError
from yarl import URL

from client.exits import Refused, Unreachable, Usage
from client.uploads import PIECE, Upload
from protocol.envelopes import decode
from protocol.job import Artefact, Job, Problem
from protocol.kinds import KindInfo
from protocol.messages import BadMessage, JobChanged

CONNECT = 10.0  # seconds until somebody must have picked up
STALL = 120.0  # seconds without a byte of an upload taken or of an answer given
HEARTBEAT = 15.0
AGAIN = (0.5, 2.0)  # pauses before an upload whose connection broke is sent again
PATIENCE = 60.0  # seconds without any answer until a watcher gives up
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0
IN_PROGRESS = "/problems/in_progress"
LARGEST_EVENT = 64 * 2**20

Shape = TypeVar("Shape", bound=BaseModel)


class Lost(Unreachable):
    """The connection broke half-way."""


class _Kinds(BaseModel):
    kinds: tuple[KindInfo, ...]


@asynccontextmanager
async def connect(server: str, key: str | None = None) -> AsyncIterator[Api]:
    """Talk to the server at this address; *key* is one of its API keys, where it wants one."""
    address = address_of(server)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        yield Api(session, address)


def address_of(server: str) -> str:
    """The server's, with its scheme, which may be left out; Usage where it can be none."""
    address = server if "://" in server else f"http://{server}"
    with suppress(ValueError):
        if (url := URL(address)).scheme in {"http", "https"} and url.host:
            return address.rstrip("/")
    raise Usage(f"{server!r} is no address of a server, such as http://127.0.0.1:8080.")


def key_in(file: Path | None) -> str | None:
    """What *file* holds, as it can be shown to a server; Usage where it can not."""
    if file is None:
        return None
    with suppress(UnicodeDecodeError):
        if (key := file.read_text().strip()).isprintable():
            return key
    raise Usage(f"{file} holds no key: that is one line of text.")


class Api:
    """Calls raise Refused when the server says no, Unreachable when there is none or its answer makes no sense."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session, self.server = session, server

    async def kinds(self) -> tuple[KindInfo, ...]:
        async with self.call("GET", "/v1/kinds") as answer:
            return parse(_Kinds, await answer.read()).kinds

    async def job(self, job_id: str) -> Job:
        async with self.call("GET", f"/v1/jobs/{job_id}") as answer:
            return parse(Job, await answer.read())

    async def submit(self, upload: Upload, sent: Callable[[int], object] = lambda _count: None) -> Job:
        """Upload a table; *sent* is told of each piece. If the connection breaks it is sent again, and counted once."""
        key = uuid.uuid4().hex
        for pause in AGAIN if upload.again else ():
            try:
                return await self._submit(upload, key, sent)
            except Lost:
                await asyncio.sleep(pause)
        return await self._submit(upload, key, sent)

    async def _submit(self, upload: Upload, key: str, sent: Callable[[int], object]) -> Job:
        loop, total = asyncio.get_running_loop(), 0

        def count(length: int) -> None:
            nonlocal total
            total += length
            patience.reschedule(loop.time() + STALL)
            sent(total)

        headers = {"Idempotency-Key": key} | ({"Content-Type": "text/csv"} if upload.path else {})
        if upload.path and upload.size is not None:
            headers["Content-Length"] = str(upload.size)
        try:
            async with asyncio.timeout(STALL) as patience:
                body = upload.pieces(count) if upload.path else None
                async with self.call(
                    "POST", upload.to, params=upload.query, data=body, headers=headers, expect100=body is not None
                ) as answer:
                    return parse(Job, await answer.read())
        except TimeoutError as exc:
            raise Unreachable(f"{self.server} stopped taking the upload") from exc

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job as it is now, then each newer version until it is final; broken connections are made again."""
        loop = asyncio.get_running_loop()
        version, pause = -1, FIRST_PAUSE
        failing: float | None = None  # since when nobody has answered
        while True:
            try:
                async with aclosing(self._versions(job_id)) as versions:
                    async for job in versions:
                        failing = None
                        if job.version > version:
                            version, pause = job.version, FIRST_PAUSE
                            yield job
                        if job.final:
                            return
            except Unreachable:
                failing = failing or loop.time()
                if version < 0 or loop.time() - failing > PATIENCE:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _versions(self, job_id: str) -> AsyncGenerator[Job, None]:
        """What one connection tells. It asks in the plain way first: that names problems, and needs no websocket."""
        yield await self.job(job_id)
        url = self._url(f"/v1/jobs/{job_id}/stream")
        try:
            async with self._session.ws_connect(url, heartbeat=HEARTBEAT, max_msg_size=LARGEST_EVENT) as socket:
                async for message in socket:
                    yield _job_in(message)
        except (aiohttp.ClientError, OSError) as exc:
            raise Lost(f"The connection to {self.server} broke: {exc}") from exc

    async def download(self, artefact: Artefact, folder: Path) -> Path:
        """Save an artefact in *folder*, whole or not at all, and return where it is."""
        path = folder / safe_name(artefact.name)
        part, digest = path.with_name(f".{path.name}.part"), hashlib.sha256()
        try:
            async with self.call("GET", artefact.url) as answer:
                with part.open("wb") as file:
                    async for piece in answer.content.iter_chunked(PIECE):
                        digest.update(piece)
                        file.write(piece)
            if digest.hexdigest() != artefact.sha256:
                raise Lost(f"{artefact.name} arrived damaged: its SHA-256 is not what the job says")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def _url(self, path: str) -> URL:
        if not path.startswith("/"):  # never send a key to an address that an answer names
            raise Unreachable(f"{self.server} names an address that is not its own: {path}")
        return URL(self.server + path)

    def call(self, method: str, path: str, **options: Any) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return _answer(self.server, self._session.request(method, self._url(path), **options))


@asynccontextmanager
async def _answer(
    server: str, request: AbstractAsyncContextManager[aiohttp.ClientResponse]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer to *request* if it is a good one, else the exception that says what is wrong."""
    try:
        async with request as answer:
            if not answer.ok:
                raise _refusal(server, answer.status, await answer.read())
            yield answer
    except TimeoutError as exc:
        raise Unreachable(f"{server} does not answer") from exc
    except aiohttp.ClientConnectorError as exc:
        raise Unreachable(f"Cannot reach a Rowmill server at {server}: {_reason(exc.os_error)}") from exc
    except (aiohttp.ClientError, ConnectionError) as exc:
        raise Lost(f"The connection to {server} broke: {exc}") from exc


def _reason(error: OSError) -> str | None:
    """Faults of TLS have numbers of their own, which mean something else to the system."""
    match error:
        case ssl.SSLCertVerificationError(verify_message=why):
            return f"its certificate is not trusted ({why})"
        case ssl.SSLError(reason=why):
            return f"TLS failed ({why.replace('_', ' ').lower()}); does it speak http:// there?"
        case _:
            return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror


def _refusal(server: str, status: int, body: bytes) -> Refused | Unreachable:
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        return Unreachable(f"{server} answered {status}, and not as a Rowmill server does")
    if problem.type == IN_PROGRESS:
        return Lost("the server still works on the upload whose connection broke")
    if status < 500:  # noqa: PLR2004 - what begins with 5 is the server's own trouble
        return Refused(problem)
    return Unreachable(f"{server} cannot do it now. {problem.title}: {problem.detail}")


def parse(shape: type[Shape], body: bytes) -> Shape:
    try:
        return shape.model_validate_json(body)
    except ValidationError as exc:
        raise Unreachable("What answers there is not a Rowmill server, or one of another version") from exc


def _job_in(message: aiohttp.WSMessage) -> Job:
    try:
        event = decode(message.data if isinstance(message.data, bytes) else str(message.data).encode())
    except BadMessage as exc:
        raise Lost(str(exc)) from exc
    if not isinstance(event, JobChanged):
        raise Lost("an event that is about no job")
    return event.job


def safe_name(name: str) -> str:
    """An artefact's name, if it is one and leads nowhere else."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}", name):
        raise Unreachable(f"The server names a file that it cannot have: {name!r}")
    return name

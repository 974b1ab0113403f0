"""The demo: a sample table on its way through a real server, in front of a person's eyes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

from client import api, errands, screen
from client.exits import Exit, Unreachable, of
from protocol.config import Settings
from protocol.job import Job

KIND = "sales"
SAMPLE = "samples/sales.csv"
EMAIL = "you@example.com"
CHUNKS = 20  # enough of them to see something move, though the table is small
SETTLED = frozenset({"sent", "failed", "unknown"})
PATIENCE = 60.0  # seconds for the first worker to load pandas, or for a mail
LOOK_EVERY = 0.1

T = TypeVar("T")


def sample() -> Path:
    """In a checkout beside the packages; in an installed wheel inside this one."""
    here = Path(__file__).parent
    return next(path for path in (here.parent / SAMPLE, here / SAMPLE) if path.exists())


def fit(settings: Settings) -> Settings:
    """The same settings, with a port that is free and chunks that fit a small table."""
    chunk_size = max(1, sample().stat().st_size // CHUNKS)
    return settings.model_copy(update={"port": free_port(settings.host, settings.port), "chunk_size": chunk_size})


def free_port(host: str, first: int) -> int:
    """*first* or one of the ports after it; else any."""
    for port in range(first, min(first + 20, 2**16)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    return 0


async def show(ready: Awaitable[str], settings: Settings) -> Exit:
    """Submit the sample over HTTP, once there is a server, and show all that comes of it."""
    server, table = await ready, sample()
    screen.say(f"Rowmill serves at {server} and keeps its data in {settings.data_dir}.")
    screen.say(f"Submitting {table.name} ({table.stat().st_size:,} bytes) as a {KIND} job, result by mail to {EMAIL}:")
    async with api.connect(server) as there:
        await _soon(_kind_offered(there), "no consumer has said what it can do")
        job = await there.submit(errands.Asked(table, KIND, emails=(EMAIL,)).upload())
        await errands.last(there, job.id, errands.Wishes(watch=True))
        job = await _soon(_mailed(there, job.id), "the mail was still not written")
        screen.show(job, errands.page(there, job))
    _tell_of_mails(settings, job)
    return of(job)


def _tell_of_mails(settings: Settings, job: Job) -> None:
    """The server tells its clients no path of its own; here the reader is the one who runs it."""
    for path in sorted((settings.data_dir / "outbox").glob(f"{job.id}-*.eml")):
        screen.say(f"The mail was written to {path}")


def serving_on(server: str) -> None:
    screen.say(f"Now try a table of your own: {server} serves on until Ctrl-C.")


async def _kind_offered(there: api.Api) -> None:
    while KIND not in {kind.name for kind in await there.kinds()}:  # noqa: ASYNC110 - HTTP tells when asked
        await asyncio.sleep(LOOK_EVERY)


async def _mailed(there: api.Api, job_id: str) -> Job:
    while True:
        job = await there.job(job_id)
        if not job.mail or all(mail.state in SETTLED for mail in job.mail):
            return job
        await asyncio.sleep(LOOK_EVERY)


async def _soon(thing: Awaitable[T], otherwise: str) -> T:
    try:
        return await asyncio.wait_for(thing, PATIENCE)
    except TimeoutError:
        raise Unreachable(f"After {PATIENCE:g} s {otherwise}.") from None

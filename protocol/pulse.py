"""The pulse: a file in the data folder, written anew as long as the event loop turns, for those who watch from outside.

It says where the process serves, if it does. Whoever reads it needs no port, no key and no part of the process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from protocol.config import Settings
from protocol.naps import nap

log = logging.getLogger(__name__)
EVERY = 5.0  # seconds
STILL = 30.0  # seconds without a beat: it hangs, or was killed


@dataclass(frozen=True)
class Pulse:
    age: float
    url: str

    @property
    def beats(self) -> bool:
        return self.age < STILL


@asynccontextmanager
async def beating(settings: Settings, url: str) -> AsyncIterator[None]:
    """Beat until the end. *url* is where the process serves; empty if it does not."""
    path, end = place(settings), asyncio.Event()
    task = asyncio.create_task(_beat(path, url, end), name="pulse")
    try:
        yield
    finally:
        end.set()  # not cancelled: a thread that still writes would bring the file back
        await task
        path.unlink(missing_ok=True)


async def _beat(path: Path, url: str, end: asyncio.Event) -> None:
    while not end.is_set():
        try:
            await asyncio.to_thread(path.write_text, url)
        except OSError as exc:  # who cannot write here is not well, and without a beat that shows
            log.warning("no pulse: %s", exc)
        await nap(end, EVERY)


def feel(settings: Settings) -> Pulse | None:
    """The pulse of the process with these settings, or None where none has run yet or the last one stopped."""
    path = place(settings)
    try:
        return Pulse(time.time() - path.stat().st_mtime, path.read_text())
    except FileNotFoundError:
        return None


def place(settings: Settings) -> Path:
    """Named after the database: two processes may share a data folder, but never that."""
    return settings.data_dir / f"{Path(urlsplit(settings.database_url).path).stem}.pulse"

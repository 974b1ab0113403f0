"""The same job in one process and in the pool, one way after the other, each in a process and a folder of its own.

Nothing of it is seen by a Rowmill that may be running, no mail is sent, and nobody's records change.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from consumer.executors import child
from consumer.lap import Course, Word
from consumer.steps import WHOLE
from protocol.adapters import PREFIX
from protocol.config import Settings
from protocol.job import Job
from protocol.lap import Lap, name_of

KEPT = ("chunk_timeout", "job_timeout", "native", "worker_memory")
LONGEST_LINE = 2**26  # bytes; a job comes with its report
PATIENCE = 30.0  # seconds for a way that is given up on to clean up
WORDS: TypeAdapter[Job | Lap] = TypeAdapter(Word)


class Crashed(Exception):
    """The process of a way ended before its job did."""


def plan(settings: Settings) -> tuple[int, ...]:
    """The numbers of slots to try."""
    return tuple(dict.fromkeys((0, 1, settings.workers)))


async def run(
    table: Path, kind: str, params: Mapping[str, Any], settings: Settings, slots: int
) -> AsyncGenerator[Job | Lap, None]:
    """The job while it runs, version by version, and at last how it went."""
    course = Course(table=table, kind=kind, params=dict(params), slots=slots)
    with tempfile.TemporaryDirectory(prefix="rowmill-") as folder:
        async with _started(course, Path(folder), settings) as process:
            async for line in cast("asyncio.StreamReader", process.stdout):
                yield WORDS.validate_json(line)
            if code := await process.wait():
                raise Crashed(f"{name_of(slots)}: {_end(code)}\n{_log(Path(folder)).read_text()[-2000:]}".rstrip())


@asynccontextmanager
async def _started(course: Course, folder: Path, settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    child.be_parent()
    with _log(folder).open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "consumer.lap", course.model_dump_json()),
            cwd=folder,  # no .env and no rowmill.toml of anybody
            env=_environment(folder, course.slots, settings),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=LONGEST_LINE,
            start_new_session=True,  # Ctrl-C is for this process, which then ends the other
        )
    try:
        yield process
    finally:
        await _end_of(process)


async def _end_of(process: asyncio.subprocess.Process) -> None:
    """Have it end, with its own processes, before its folder goes."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _environment(folder: Path, slots: int, settings: Settings) -> dict[str, str]:
    """Ours, with the settings that matter here and no other."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    given: dict[str, Any] = {name: getattr(settings, name) for name in KEPT} | {"charts": False, "workers": slots or 1}
    given |= {"data_dir": folder / "data", "chunk_size": settings.chunk_size if slots else WHOLE}
    kept["TMPDIR"] = str(folder)  # what a process leaves there, however it ended, goes with the folder
    path = os.pathsep.join(os.path.abspath(place) for place in sys.path)  # noqa: PTH100 - the empty one is this folder
    return kept | {"PYTHONPATH": path} | {f"{PREFIX}{name.upper()}": str(value) for name, value in given.items()}


def _log(folder: Path) -> Path:
    return folder / "log"


def _end(code: int) -> str:
    """How a process ended; by SIGKILL it is mostly the kernel, out of memory."""
    return f"the process ended by {signal.Signals(-code).name}" if code < 0 else f"the process ended with {code}"

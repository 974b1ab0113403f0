"""The process of one job's errands, seen from the consumer: started when needed, asked, and killed when it hangs."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from consumer import outcome
from consumer.errands import Outcome, Row, frames
from consumer.errands.frames import Answered, Ask, Start
from consumer.executors import Raised, Refused, WorkerLost, child

log = logging.getLogger(__name__)
SLACK = 5.0  # seconds beyond an errand's own limit, after which its process hangs
READY_WITHIN = 60.0
CODE = "from consumer.errands import child; child.main()"


class Link:
    """One process, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process, streams: frames.Streams) -> None:
        self._process, (self._reader, self._writer) = process, streams
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[Outcome]] = {}
        self._listening: asyncio.Task[None] | None = None
        self.lost = False

    async def begin(self, start: Start) -> None:
        """Tell the process its job; outcome.Broken where it refuses, WorkerLost where it does not get that far."""
        frames.send(self._writer, start)
        try:
            async with asyncio.timeout(READY_WITHIN):
                answer = await frames.receive(self._reader)
        except (*frames.GONE, TimeoutError):
            raise WorkerLost("it ended before it was ready") from None
        if isinstance(answer, Refused | Raised):
            raise outcome.from_answer(answer, start.task.kind, "before its first row")
        self._listening = asyncio.create_task(self._listen(), name="errands answered")

    async def ask(self, row: Row) -> Outcome:
        number = next(self._numbers)
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            frames.send(self._writer, Ask(number, row))
            return await answer
        finally:
            self._asked.pop(number, None)

    async def _listen(self) -> None:
        try:
            while True:
                answered: Answered = await frames.receive(self._reader)
                if (waiting := self._asked.get(answered.number)) and not waiting.done():
                    waiting.set_result(answered.outcome)
        except frames.GONE:
            self._lose()

    def _lose(self) -> None:
        self.lost = True
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(WorkerLost("its process died"))

    async def end(self) -> None:
        """No process is left, whatever it was about."""
        self._lose()
        if self._listening:
            self._listening.cancel()
        with suppress(ProcessLookupError):
            self._process.kill()
        self._writer.close()
        await self._process.wait()


class Runner:
    """Does errands in a process of its own, which it replaces when it is lost. One for each job."""

    def __init__(self, start: Start) -> None:
        self._start, self._limit = start, start.terms.timeout + SLACK
        self._link: Link | None = None
        self._starting = asyncio.Lock()

    async def ready(self) -> None:
        """There is a process: from here on only an errand can fail."""
        async with self._starting:
            if self._link is None or self._link.lost:
                await self.end()
                self._link = await _connect(self._start)

    async def do(self, row: Row) -> Outcome:
        """What it came to; WorkerLost where the process died under it or hung, with all else that it was doing."""
        link = self._link
        if link is None or link.lost:
            raise WorkerLost("its process died")
        try:
            async with asyncio.timeout(self._limit):
                return await link.ask(row)
        except TimeoutError:
            log.warning("errands hang; their process is ended", extra={"job": self._start.task.job_id})
            await link.end()
            raise WorkerLost(f"its process did not answer within {self._limit:g} s") from None

    async def end(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.end()


@asynccontextmanager
async def running(start: Start) -> AsyncIterator[Runner]:
    runner = Runner(start)
    try:
        yield runner
    finally:
        await runner.end()


async def _connect(start: Start) -> Link:
    link = Link(*await _spawn())
    try:
        await link.begin(start)
    except BaseException:
        await link.end()
        raise
    return link


async def _spawn() -> tuple[asyncio.subprocess.Process, frames.Streams]:
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", CODE, str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=os.environ | {child.PARENT: str(os.getpid())},
                start_new_session=True,  # Ctrl-C is its parent's business
            )
        except BaseException:
            ours.close()
            raise
    return process, await asyncio.open_connection(sock=ours)

"""The process in which a job's errands run: what is asked is done, each errand by itself, and answered.

It decides nothing: when, in which order and how often is its parent's business, as is what it all came to.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import sys
import traceback
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from consumer import kinds, origins
from consumer.errands import LONGEST_REASON, Done, Each, Fate, Later, Outcome, Place, Reject, Row, Unclear, frames
from consumer.errands.frames import Answered, Ask, Start
from consumer.executors import Done as Ready
from consumer.executors import child
from protocol.files import open_blocking

SPILL = 32 * 2**10  # bytes of records from which they go into a file


class Errands:
    """One job's errands under way in this process."""

    def __init__(self, start: Start, each: Each, params: Any, tools: Any) -> None:
        self._start, self._each, self._params, self._tools = start, each, params, tools

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do what is asked until nobody asks any more; what is under way then is broken off."""
        under_way = set[asyncio.Task[None]]()
        with suppress(*frames.GONE):
            while True:
                task = asyncio.create_task(self._answer(await frames.receive(reader), writer))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
        for task in under_way:
            task.cancel()

    async def _answer(self, ask: Ask, writer: asyncio.StreamWriter) -> None:
        outcome = await self._run(ask.row)
        if outcome.records and len(body := pickle.dumps(outcome.records)) > SPILL:
            outcome = await asyncio.to_thread(self._spill, ask.row, outcome, body)
        frames.send(writer, Answered(ask.number, outcome))

    async def _run(self, row: Row) -> Outcome:
        terms = self._start.terms
        try:
            async with asyncio.timeout(terms.timeout):
                return self._done(await self._each.do(row, self._params, self._tools))
        except asyncio.CancelledError:
            raise
        except BaseException as exc:  # noqa: BLE001 - even SystemExit is about one row
            return _explain(exc, repeatable=terms.repeatable, timeout=terms.timeout)

    def _done(self, done: Done | None) -> Outcome:
        done = done or Done()
        records = tuple(tuple(one.get(name) for name in self._each.columns) for one in done.records)
        return Outcome(Fate.DONE, _line(done.detail), made=len(records), records=records)

    def _spill(self, row: Row, outcome: Outcome, body: bytes) -> Outcome:
        key = f"{self._start.task.work_prefix}records/{row.line:012d}"
        open_blocking(self._start.task.files_url).write(key, [body])
        return Outcome(outcome.fate, outcome.detail, made=outcome.made, spilled=key)


def _explain(error: BaseException, *, repeatable: bool, timeout: float) -> Outcome:
    match error:
        case Reject(reason=reason, column=column):
            return Outcome(Fate.REJECTED, _line(reason), column)
        case Later(reason=reason, after=after):
            return Outcome(Fate.AGAIN, _line(reason), after=after)
        case Unclear(reason=reason):
            return Outcome(Fate.UNKNOWN, _line(reason))
        case TimeoutError():
            return Outcome(Fate.AGAIN if repeatable else Fate.UNKNOWN, f"no end within {timeout:g} s")
    frames_ = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames_[-1].filename).name}:{frames_[-1].lineno}" if frames_ else "?"
    said = _line(f"{type(error).__name__}: {error} ({where})")
    return Outcome(Fate.REJECTED if repeatable else Fate.UNKNOWN, said)


def _line(text: str) -> str:
    """One printable line that is not too long: it becomes a cell."""
    return "".join(char if char.isprintable() else " " for char in text)[:LONGEST_REASON].strip()


async def run(connection: socket.socket) -> None:
    """Get ready for one job, say so or why not, and do its errands."""
    reader, writer = await asyncio.open_connection(sock=connection)
    start: Start = await frames.receive(reader)
    child.prepare(start.memory)
    async with AsyncExitStack() as stack:
        try:
            errands = await _open(start, stack)
        except BaseException as exc:  # noqa: BLE001 - whatever it is, the parent is told
            frames.send(writer, child.explain(exc, start.task.kind))
            await writer.drain()
            return
        frames.send(writer, Ready(None))
        await errands.serve(reader, writer)


async def _open(start: Start, stack: AsyncExitStack) -> Errands:
    origin = origins.origins().get(start.task.kind)
    kind = origin.load() if origin else None
    if not isinstance(kind, kinds.Kind) or kind.each is None:
        raise kinds.BadInput(f"There is no kind of errands named {start.task.kind!r}.", "unknown_kind")
    params = kind.params(**start.task.params)
    tools = await stack.enter_async_context(kind.each.opens(params, Place(start.task.job_id, start.settings)))
    return Errands(start, kind.each, params, tools)


def main() -> None:
    child.die_with_parent()
    with suppress(*frames.GONE):
        asyncio.run(run(socket.socket(fileno=int(sys.argv[1]))))
    sys.stdout.flush()
    os._exit(0)  # a thread that hangs in a kind's library must not keep the process


if __name__ == "__main__":
    main()

"""The process in which a job's errands run: what is asked is done, each errand by itself, and answered.

It decides nothing: when, in which order and how often is its parent's business, as is what it all came to.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import sys
from contextlib import AsyncExitStack, suppress
from typing import Any

from consumer import kinds, origins
from consumer.errands import Each, Outcome, Place, Row, frames
from consumer.errands.frames import Answered, Ask, Start
from consumer.errands.trying import attempt
from consumer.executors import Done as Ready
from consumer.executors import child

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
        outcome = await attempt(self._each, self._start.terms, ask.row, self._params, self._tools)
        if outcome.records and len(body := pickle.dumps(outcome.records)) > SPILL:
            outcome = await asyncio.to_thread(self._spill, ask.row, outcome, body)
        frames.send(writer, Answered(ask.number, outcome))

    def _spill(self, row: Row, outcome: Outcome, body: bytes) -> Outcome:
        key = f"{self._start.task.work_prefix}records/{row.line:012d}"
        self._start.task.files.write(key, [body])
        return Outcome(outcome.fate, outcome.detail, made=outcome.made, spilled=key)


async def run(connection: socket.socket) -> None:
    """Get ready for one job, say so or why not, and do its errands."""
    reader, writer = await asyncio.open_connection(sock=connection)
    start: Start = await frames.receive(reader)
    child.prepare(start.settings.worker_memory, compiled=start.settings.native)
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

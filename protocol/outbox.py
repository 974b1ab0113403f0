"""Messages saved in the same transaction as the change they announce, and the relay that sends them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from protocol import envelopes, messages
from protocol import log as lines
from protocol.databases import Database, Row, Transaction
from protocol.messages import STREAM_OF, Message
from protocol.transports import NotSent, Transport

log = logging.getLogger(__name__)

MIGRATIONS = (
    """CREATE TABLE outbox (
        number  INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of writing
        owner   TEXT NOT NULL,                      -- which side wrote it
        stream  TEXT NOT NULL,
        due     REAL NOT NULL,                      -- not before this time: a retry waits here
        body    BLOB NOT NULL)""",
    "CREATE INDEX outbox_due ON outbox (owner, stream, due, number)",
)
DUE = """SELECT number, {} FROM outbox
    WHERE owner = :owner AND stream = :stream AND due <= :now ORDER BY number LIMIT :room"""
NEXT = "SELECT MIN(due) AS due FROM outbox WHERE owner = :owner AND stream = :stream AND due > :now"
WINDOW = 64
FRESH = 256  # messages that were just written, and need not be read again
LONGEST = 5.0  # seconds between two looks, whatever happens
PAUSE = 0.5  # seconds after a message could not be sent


class Outbox:
    """`owner` is the side that writes: both may share one database."""

    def __init__(self, database: Database, owner: str, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._owner, self._clock = database, owner, clock
        self._fresh: dict[int, Message] = {}
        self._added: dict[str, asyncio.Event] = {stream.name: asyncio.Event() for stream in STREAM_OF.values()}

    async def prepare(self) -> None:
        await self._database.migrate("outbox", MIGRATIONS)

    def put(self, tx: Transaction, message: Message, *, due: float = 0.0) -> None:
        """Save *message* with the change it announces; the relay sends it at *due* (epoch seconds) or soon after."""
        stream = STREAM_OF[type(message)].name
        tx.execute(
            "INSERT INTO outbox (owner, stream, due, body) VALUES (:owner, :stream, :due, :body)",
            owner=self._owner,
            stream=stream,
            due=due,
            body=envelopes.encode(message),
        )
        [row] = tx.rows("SELECT MAX(number) AS number FROM outbox")  # one writer: it is this message's
        tx.on_commit(partial(self._announce, stream, row["number"], message if due <= 0 else None))

    def _announce(self, stream: str, number: int, message: Message | None) -> None:
        if message is not None and len(self._fresh) < FRESH:
            self._fresh[number] = message
        self._added[stream].set()

    async def oldest(self) -> float | None:
        """Since when (epoch seconds) the oldest message that is due has been due, for operations."""
        rows = await self._database.read(
            "SELECT MIN(due) AS due FROM outbox WHERE owner = :owner AND due <= :now",
            owner=self._owner,
            now=self._clock(),
        )
        return rows[0]["due"] if rows else None

    async def relay(self, transport: Transport) -> None:
        """Send what is due, for ever. A row goes only after somebody else is responsible for its message."""
        async with asyncio.TaskGroup() as group:
            for stream in self._added:  # each with a window of its own: a full one must not hold up a cancel
                group.create_task(self._relay(stream, transport), name=f"{self._owner} relay {stream}")

    async def _relay(self, stream: str, transport: Transport) -> None:
        sending: dict[int, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                self._added[stream].clear()
                for number, message in await self._due(stream, sending):
                    sending[number] = group.create_task(self._send(number, message, transport))
                    sending[number].add_done_callback(partial(self._sent, stream, sending, number))
                await self._nap(stream)

    def _sent(self, stream: str, sending: dict[int, asyncio.Task[None]], number: int, _task: object) -> None:
        del sending[number]
        self._added[stream].set()

    async def _due(self, stream: str, sending: dict[int, asyncio.Task[None]]) -> list[tuple[int, Message | bytes]]:
        """In the order of writing; those that were written just now are not read again."""
        room = WINDOW - len(sending)
        if room <= 0:
            return []
        # Those under way are the oldest; look for as many more as may be sent at once.
        new = [row["number"] for row in await self._look("due", stream) if row["number"] not in sending][:room]
        if all(number in self._fresh for number in new):
            return [(number, self._fresh.pop(number)) for number in new]
        rows = [row for row in await self._look("body", stream) if row["number"] not in sending][:room]
        return [(row["number"], self._fresh.pop(row["number"], row["body"])) for row in rows]

    async def _look(self, column: str, stream: str) -> list[Row]:
        sql = DUE.format(column)
        return await self._database.read(sql, owner=self._owner, stream=stream, now=self._clock(), room=WINDOW)

    async def _nap(self, stream: str) -> None:
        now = self._clock()
        [row] = await self._database.read(NEXT, owner=self._owner, stream=stream, now=now)
        wait = LONGEST if row["due"] is None else min(LONGEST, max(0.01, row["due"] - now))
        try:
            async with asyncio.timeout(wait):
                await self._added[stream].wait()
        except TimeoutError:
            pass

    async def _send(self, number: int, written: Message | bytes, transport: Transport) -> None:
        try:
            message = envelopes.decode(written) if isinstance(written, bytes) else written
            with lines.about(job=messages.job_id_of(message)):
                await transport.publish(message)
            await self._database.write(lambda tx: tx.execute("DELETE FROM outbox WHERE number = :n", n=number))
        except NotSent as exc:
            log.debug("%s", exc, extra={"outbox": number})  # the transport says when it is cut off
            await asyncio.sleep(PAUSE)
        except Exception as exc:  # noqa: BLE001 - whatever it was, the message stays and is sent again
            log.warning("message not sent, it stays in the outbox: %s", exc, extra={"outbox": number})
            await asyncio.sleep(PAUSE)

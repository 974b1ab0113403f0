"""Messages saved in the same transaction as the change they announce, and the relay that sends them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product, starmap
from typing import Any

from protocol import envelopes, messages
from protocol import log as lines
from protocol.databases import Database, Row, Transaction
from protocol.job import Priority
from protocol.messages import JOBS, STREAM_OF, BadMessage, Message, Stream
from protocol.naps import nap
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
ADD = "INSERT INTO outbox (owner, stream, due, body) VALUES (:owner, :stream, :due, :body)"
DUE = """SELECT number, body FROM outbox
    WHERE owner = :owner AND stream = :stream AND (due <= :now OR due > :now + :longest) ORDER BY number LIMIT :room"""
NEXT = "SELECT MIN(due) AS due FROM outbox WHERE owner = :owner AND stream = :stream AND due > :now"
REMOVE = "DELETE FROM outbox WHERE number IN (SELECT value FROM json_each(:numbers))"
WINDOW = 64
FRESH = 256  # messages of a lane that were just written, and need not be read again
LONGEST = 5.0  # seconds between two looks, whatever happens
LONGEST_WAIT = 600.0  # seconds; what seems due later is due: the clock was set back
PAUSE = 0.5  # seconds after a message could not be sent
GATHER = 0.05  # seconds in which what was sent gathers, to be removed by one commit
NOW = 0.0


@dataclass(frozen=True)
class Letter:
    """A message that was written: spelled, and as it is where it was written by this process."""

    number: int
    body: bytes
    message: Message | None = None


@dataclass
class Flow:
    """The messages of one lane. The table is looked at where it may hold some that are not known here."""

    lane: str
    look_at: float = NOW  # epoch seconds
    seen: int = 0  # the last number that was read
    fresh: deque[Letter] = field(default_factory=deque)  # just written
    sending: set[int] = field(default_factory=set)  # also those that were sent and are still in the table
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def room(self) -> int:
        return WINDOW - len(self.sending)

    def begin(self) -> None:
        """Whatever an earlier relay knew of is in the table."""
        self.fresh.clear()
        self.sending.clear()
        self.look_at = NOW

    def announce(self, letter: Letter, due: float, now: float) -> None:
        """A message was committed."""
        if due > now:
            self.look_at = min(self.look_at, due)
        elif letter.number > self.seen:  # a look may have been quicker
            self._add(letter)
        self.changed.set()

    def _add(self, letter: Letter) -> None:
        if len(self.fresh) < FRESH:
            self.fresh.append(letter)
        else:
            self.look_at = NOW

    def take_fresh(self) -> list[Letter]:
        return [self.fresh.popleft() for _ in range(min(self.room, len(self.fresh)))]

    def take_read(self, rows: Sequence[Row]) -> list[Letter]:
        """Those of *rows* for which there is room; what is known of them need not be decoded."""
        known, taken = {letter.number: letter for letter in self.fresh}, rows[: self.room]
        self.seen = max([self.seen, *(row["number"] for row in taken)])
        while self.fresh and self.fresh[0].number <= self.seen:
            self.fresh.popleft()
        if len(taken) < len(rows):
            self.look_at = NOW
        return [known.get(row["number"]) or Letter(**row) for row in taken]

    def release(self, number: int) -> None:
        self.sending.discard(number)
        self.changed.set()

    async def nap(self, now: float) -> None:
        """Until something changes or it is time to look."""
        wait = min(LONGEST, max(0.01, self.look_at - now)) if self.room else LONGEST
        await nap(self.changed, wait)


class Outbox:
    """`owner` is the side that writes: both may share one database."""

    def __init__(self, database: Database, owner: str, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._owner, self._clock = database, owner, clock
        self._flows = {lane: Flow(lane) for lane in starmap(_lane, product(STREAM_OF.values(), Priority))}
        self._sent: dict[int, Flow] = {}
        self._any_sent, self._many_sent = asyncio.Event(), asyncio.Event()

    async def prepare(self) -> None:
        await self._database.migrate("outbox", MIGRATIONS)

    def put(self, tx: Transaction, message: Message, *, due: float = NOW) -> None:
        """Save *message* with the change it announces; the relay sends it at *due* (epoch seconds) or soon after."""
        lane = _lane(STREAM_OF[type(message)], messages.priority_of(message))
        body = envelopes.encode(message)
        number = tx.insert(ADD, owner=self._owner, stream=lane, due=due or self._clock(), body=body)
        letter = Letter(number, body, message)
        tx.on_commit(lambda: self._flows[lane].announce(letter, due, self._clock()))

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
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._remove_for_ever(), name=f"{self._owner} relay")
                for flow in self._flows.values():  # each with a window of its own: a full one must not hold up a cancel
                    group.create_task(self._relay(flow, transport), name=f"{self._owner} relay {flow.lane}")
        finally:
            if self._sent:  # else they would be sent again at the next start
                await self._remove()

    async def _relay(self, flow: Flow, transport: Transport) -> None:
        flow.begin()
        async with asyncio.TaskGroup() as group:
            while True:
                flow.changed.clear()
                for letter in await self._due(flow):
                    flow.sending.add(letter.number)
                    group.create_task(self._send(flow, letter, transport))
                await flow.nap(self._clock())

    async def _due(self, flow: Flow) -> Sequence[Letter]:
        """In the order of writing, as many as there is room for."""
        later = 0 < flow.look_at - self._clock() <= LONGEST  # it is even later where the clock was set back
        return await self._look(flow) if flow.room and not later else flow.take_fresh()

    async def _look(self, flow: Flow) -> list[Letter]:
        now, under_way = self._clock(), frozenset(flow.sending)  # some may end while the table is read
        flow.look_at = now + LONGEST
        where = {"owner": self._owner, "stream": flow.lane, "now": now}
        rows = await self._database.read(DUE, **where, longest=LONGEST_WAIT, room=WINDOW)
        [later] = await self._database.read(NEXT, **where)
        flow.look_at = NOW if len(rows) == WINDOW else min(flow.look_at, later["due"] or flow.look_at)
        letters = flow.take_read([row for row in rows if row["number"] not in under_way])
        return await asyncio.to_thread(_open, letters)

    async def _send(self, flow: Flow, letter: Letter, transport: Transport) -> None:
        while True:
            try:
                await transport.publish(letter.message or envelopes.decode(letter.body), letter.body)
            except Exception as exc:  # noqa: BLE001 - whatever it was, the message stays and is sent again
                _tell(letter, exc)
                await asyncio.sleep(PAUSE)
            else:
                self._note_sent(letter.number, flow)
                return

    def _note_sent(self, number: int, flow: Flow) -> None:
        self._sent[number] = flow
        self._any_sent.set()
        if len(self._sent) >= WINDOW // 2:  # before a window is full of what has gone
            self._many_sent.set()

    async def _remove_for_ever(self) -> None:
        while True:
            await self._any_sent.wait()
            await nap(self._many_sent, GATHER)
            await self._remove()

    async def _remove(self) -> None:
        """Remove what was sent: all that has gathered since the last time, in one unit of work."""
        self._any_sent.clear()
        self._many_sent.clear()
        numbers = [*self._sent]
        try:
            await self._database.write(partial(_delete, numbers))
        except Exception as exc:  # noqa: BLE001 - a full disk, say; until it works they count as under way
            log.warning("messages were sent but stay in the outbox: %s", exc, extra={"messages": len(numbers)})
            await asyncio.sleep(PAUSE)
            self._any_sent.set()
        else:
            for number in numbers:
                self._sent.pop(number).release(number)


def _lane(stream: Stream[Any], priority: Priority) -> str:
    """What the table calls it. Only jobs have lanes: an urgent one must not wait until all older ones are taken."""
    return stream.name if stream is not JOBS or priority is Priority.NORMAL else f"{stream.name}.{priority}"


def _tell(letter: Letter, error: Exception) -> None:
    # A transport that is cut off says so itself.
    level = logging.DEBUG if isinstance(error, NotSent) else logging.WARNING
    with lines.about(job=messages.job_id_of(letter.message) if letter.message else None):
        log.log(level, "message not sent, it stays in the outbox: %s", error, extra={"outbox": letter.number})


def _open(letters: Sequence[Letter]) -> list[Letter]:
    """With their messages: to read 64 large ones takes some 0.3 s, and so it is done in a thread."""
    return [letter if letter.message else replace(letter, message=_read(letter.body)) for letter in letters]


def _read(body: bytes) -> Message | None:
    """None where it cannot be read any more; who sends it is told why."""
    with suppress(BadMessage):
        return envelopes.decode(body)
    return None


def _delete(numbers: Sequence[int], tx: Transaction) -> None:
    tx.execute(REMOVE, numbers=json.dumps(numbers))

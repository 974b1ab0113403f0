"""sqlite:///path - one file, one process, one writer: WAL, and many units of work to a commit.

One thread writes and another reads, so a reader never waits for a commit. Units that queue up while a commit
is under way share the next one: a row then costs microseconds instead of an fsync of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from protocol.adapters import BadConfig
from protocol.databases import NoSpace, Row, Taken, Unwritable, soundness
from protocol.databases.soundness import InUse, owned
from protocol.findings import Finding

T = TypeVar("T")
BATCH = 256
UNWRITABLE = {sqlite3.SQLITE_BUSY: Unwritable, sqlite3.SQLITE_IOERR: Unwritable, sqlite3.SQLITE_FULL: NoSpace}
WRITER = ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 5000", "foreign_keys = ON")
READER = ("query_only = ON", "busy_timeout = 5000", "wal_autocheckpoint = 0")
SCHEMA = "CREATE TABLE IF NOT EXISTS migrations (owner TEXT NOT NULL, step INTEGER NOT NULL, PRIMARY KEY (owner, step))"


class Connection(aiosqlite.Connection):
    """aiosqlite's connection and thread, for a whole function instead of one statement at a time."""

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        result: T = await self._execute(work, self._conn)  # type: ignore[no-untyped-call]
        return result


@dataclass
class Transaction:
    connection: sqlite3.Connection
    hooks: list[Callable[[], object]] = field(default_factory=list)

    def execute(self, sql: str, /, **values: Any) -> int:
        return self.connection.execute(sql, values).rowcount

    def insert(self, sql: str, /, **values: Any) -> int:
        return self.connection.execute(sql, values).lastrowid or 0

    def rows(self, sql: str, /, **values: Any) -> list[Row]:
        return [dict(row) for row in self.connection.execute(sql, values)]

    def on_commit(self, call: Callable[[], object]) -> None:
        self.hooks.append(call)


Work = Callable[[Transaction], Any]


@dataclass(frozen=True)
class Unit:
    work: Work
    done: asyncio.Future[Any]


@dataclass(frozen=True)
class Ended:
    """How a unit ended: its result and what to call after the commit, or its error."""

    result: Any = None
    hooks: tuple[Callable[[], object], ...] = ()
    error: Exception | None = None


def run_batch(works: Sequence[Work], connection: sqlite3.Connection) -> list[Ended]:
    """All units in one transaction. Few ever fail: only where one does are they run anew, each behind a savepoint."""
    try:
        return _commit(works, connection, _run_unit)
    except sqlite3.OperationalError:
        raise  # disk full and its like concern the whole batch
    except Exception:  # noqa: BLE001 - it comes again, and belongs to whoever asked for that unit
        return _commit(works, connection, _run_apart)


def _commit(works: Sequence[Work], connection: sqlite3.Connection, run: Callable[..., Ended]) -> list[Ended]:
    # IMMEDIATE: a deferred transaction that upgrades to writing fails at once instead of waiting.
    connection.execute("BEGIN IMMEDIATE")
    try:
        ended = [run(work, connection) for work in works]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return ended


def _run_unit(work: Work, connection: sqlite3.Connection) -> Ended:
    return Ended(work(tx := Transaction(connection)), tuple(tx.hooks))


def _run_apart(work: Work, connection: sqlite3.Connection) -> Ended:
    connection.execute("SAVEPOINT unit")
    try:
        ended = _run_unit(work, connection)
    except sqlite3.OperationalError:
        raise
    except Exception as exc:  # noqa: BLE001 - it belongs to whoever asked for this unit
        connection.execute("ROLLBACK TO unit")
        ended = Ended(error=exc)
    connection.execute("RELEASE unit")
    return ended


class Sqlite:
    def __init__(self, writer: Connection, reader: Connection) -> None:
        self._writer, self._reader = writer, reader
        self._units: asyncio.Queue[Unit] = asyncio.Queue(maxsize=4 * BATCH)
        self._closed = False

    async def write(self, unit: Callable[[Transaction], T], /) -> T:
        if self._closed:  # nobody would take it, and whoever asked would wait for ever
            raise RuntimeError("the database is closed")
        return await self._ask(unit)

    async def finish(self) -> None:
        """Take no more units; return once all earlier ones are on disk."""
        self._closed = True
        await self._ask(lambda _tx: None)

    async def _ask(self, unit: Callable[[Transaction], T]) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        await self._units.put(Unit(unit, done))
        return await done  # who is cancelled meanwhile does not learn how it ended

    async def read(self, sql: str, /, **values: Any) -> list[Row]:
        return await self._reader.run(lambda connection: [dict(row) for row in connection.execute(sql, values)])

    async def migrate(self, owner: str, steps: Sequence[str]) -> None:
        def unit(tx: Transaction) -> None:
            tx.execute(SCHEMA)
            [row] = tx.rows("SELECT COALESCE(MAX(step), 0) AS seen FROM migrations WHERE owner = :owner", owner=owner)
            for number, step in enumerate(steps[row["seen"] :], row["seen"] + 1):
                tx.execute(step)
                tx.execute("INSERT INTO migrations (owner, step) VALUES (:owner, :step)", owner=owner, step=number)

        await self.write(unit)

    async def commit_for_ever(self) -> None:
        """The one writer task: take what has queued up, commit it, tell everyone."""
        while True:
            batch = [await self._units.get()]
            while len(batch) < BATCH and not self._units.empty():
                batch.append(self._units.get_nowait())
            await self._commit(batch)

    async def _commit(self, batch: list[Unit]) -> None:
        try:
            ended = await self._writer.run(partial(run_batch, [unit.work for unit in batch]))
        except sqlite3.Error as exc:
            ended = [Ended(error=_translate(exc))] * len(batch)
            if len(batch) > 1:  # one unit's bad statement must not fail its neighbours
                for unit in batch:
                    await self._commit([unit])
                return
        for unit, end in zip(batch, ended, strict=True):
            _settle(unit, end)


def _translate(error: sqlite3.Error) -> Exception:
    known = UNWRITABLE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)  # the rest of the code says more than that
    return known(str(error)) if known else error


def _settle(unit: Unit, end: Ended) -> None:
    for call in end.hooks:  # by the loop, before the caller goes on: one that raises must not end the writer
        asyncio.get_running_loop().call_soon(call)
    if unit.done.cancelled():
        return
    if end.error is not None:
        unit.done.set_exception(end.error)
        unit.done.exception()  # whoever asked may be gone; that is no unretrieved error
    else:
        unit.done.set_result(end.result)


async def _open(path: Path, pragmas: Sequence[str]) -> Connection:
    def connector() -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    connection = Connection(connector, iter_chunk_size=64)
    try:
        await connection
    except sqlite3.DatabaseError as exc:
        raise BadConfig(f"{path} cannot be opened: {exc}") from None
    return connection


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Sqlite]:
    path = _path_of(url)
    soundness.make(path)
    async with AsyncExitStack() as stack:
        stack.enter_context(_owned_by_us(path))
        # The reader closes first: the last connection to close runs a checkpoint, and that is the writer's.
        writer = await _open(path, WRITER)
        stack.push_async_callback(writer.close)
        reader = await _open(path, READER)
        stack.push_async_callback(reader.close)
        database = Sqlite(writer, reader)
        task = asyncio.create_task(database.commit_for_ever(), name="database writer")
        try:
            yield database
        finally:
            await _finish(database, task)


async def _finish(database: Sqlite, task: asyncio.Task[None]) -> None:
    try:
        await database.finish()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextmanager
def _owned_by_us(path: Path) -> Iterator[None]:
    try:
        with owned(path):
            yield
    except InUse:
        raise Taken(f"{path} is in use by another process; each one needs a data folder of its own") from None


async def examine(url: str) -> Sequence[Finding]:
    return [await asyncio.to_thread(soundness.examine, _path_of(url))]


def _path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))

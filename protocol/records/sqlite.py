"""sqlite:///path - the records as a SQLite file (WAL). One writes at a time; readers neither wait nor make anything."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.elements import ColumnElement

from protocol.records import KEY, Columns
from protocol.records.tables import Dialect, SqlRecords

PATIENCE = 10.0  # seconds that a writer waits for another one before it gives up its slot


def connect(url: str) -> SqlRecords:
    path = Path(url.removeprefix("sqlite:///"))
    return SqlRecords(_writer(path), _reader(path), Dialect(_insert, _claim, _fold, _lock, _is_locked))


def _writer(path: Path) -> Engine:
    def open_file() -> sqlite3.Connection:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)
        try:
            connection.execute("PRAGMA journal_mode = WAL")  # the file may be locked, or no database
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=open_file, poolclass=NullPool)
    # IMMEDIATE: a deferred transaction that upgrades to writing fails at once instead of waiting.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _reader(path: Path) -> Engine:
    def open_file() -> sqlite3.Connection:
        if not path.exists():
            return sqlite3.connect(":memory:")
        return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=PATIENCE)

    return create_engine("sqlite://", creator=open_file, poolclass=NullPool)


def _insert(connection: Connection, table: Table, columns: Columns) -> int:
    names = [column.name for column in table.columns if column.name != KEY]
    statement = insert(table).on_conflict_do_nothing().compile(dialect=connection.dialect, column_keys=names)
    # As the driver takes it: rows as dictionaries would cost as much again as the inserting.
    return connection.exec_driver_sql(str(statement), list(zip(*columns, strict=True))).rowcount


def _claim(table: Table) -> Any:
    return insert(table).on_conflict_do_nothing()


def _fold(column: Column[Any]) -> ColumnElement[Any]:
    return column.collate("NOCASE")


def _lock(_connection: Connection) -> None:
    """BEGIN IMMEDIATE has it."""


def _is_locked(error: Any) -> bool:
    return getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

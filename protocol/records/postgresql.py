"""postgresql://user:password@host/database - the records in PostgreSQL, through psycopg."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, String, Table, Text, bindparam, create_engine, func, make_url, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.elements import ColumnElement

from protocol.adapters import BadConfig
from protocol.records import KEY, Columns
from protocol.records.tables import Dialect, SqlRecords

PATIENCE = "10s"  # that a writer waits for another one before it gives up its slot
CONNECT = 10  # seconds
LOCKED = {"55P03", "40P01"}  # lock_not_available, deadlock_detected


def connect(url: str) -> SqlRecords:
    try:
        target = make_url(url).set(drivername="postgresql+psycopg")
    except ValueError as exc:
        raise BadConfig(f"RECORDS_URL is no URL: {exc}") from None
    options = {"connect_timeout": CONNECT, "options": f"-c lock_timeout={PATIENCE}", "application_name": "rowmill"}
    engine = create_engine(target, poolclass=NullPool, connect_args=options)
    return SqlRecords(engine, engine, Dialect(_insert, _claim, _fold, _lock, _is_locked))


def _insert(connection: Connection, table: Table, columns: Columns) -> int:
    """One statement for all rows: as arrays they travel at once, and are inserted in their order."""
    targets = [column for column in table.columns if column.name != KEY]
    names = [column.name for column in targets]
    arrays = [bindparam(to.name, list(values), _array(to)) for to, values in zip(targets, columns, strict=True)]
    given = func.unnest(*arrays).table_valued(*names, with_ordinality="place").render_derived()
    rows = select(*(given.c[name] for name in names)).order_by(given.c.place)
    statement = insert(table).from_select(names, rows).on_conflict_do_nothing()
    return connection.execute(statement.execution_options(preserve_rowcount=True)).rowcount


def _array(column: Column[Any]) -> ARRAY[Any]:
    """Text of any length: to cast what is too long would cut it off, where to insert it is refused."""
    return ARRAY(Text() if isinstance(column.type, String) else column.type)


def _claim(table: Table) -> Any:
    return insert(table).on_conflict_do_nothing()


def _fold(column: Column[Any]) -> ColumnElement[Any]:
    """By ASCII, whatever the database's locale thinks of an I."""
    return func.lower(column.collate("C"))


def _lock(connection: Connection) -> None:
    """One at a time, or two that insert the same rows in different order would wait for each other."""
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtext("rowmill records"))))


def _is_locked(error: Any) -> bool:
    return getattr(error, "sqlstate", None) in LOCKED

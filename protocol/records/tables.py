"""The records in SQL: tables and the ledger as SQLAlchemy knows them, and what is done with them in any database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Double,
    Engine,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.sql.elements import ColumnElement

from protocol.records import KEY, Columns, Counts, Lot, RecordColumn, RecordTable, Unavailable, Unfit

COUNTER = BigInteger().with_variant(Integer, "sqlite")  # which counts only what it calls INTEGER
TYPES: Mapping[str, Any] = {"integer": BigInteger(), "number": Double(), "text": Text()}
LEDGER = Table(
    "rowmill_ledger",
    MetaData(),
    Column("job", String(64), primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("chunk_size", BigInteger, nullable=False),
    Column("target", String(64), nullable=False),
    Column("inserted", BigInteger, nullable=False, default=0),
    Column("updated", BigInteger, nullable=False, default=0),
    Column("skipped", BigInteger, nullable=False, default=0),
    Column("loaded_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


def table_of(wanted: RecordTable, fold: Callable[[Any], ColumnElement[Any]]) -> Table:
    """The table as it is made; *fold* is how this database compares text without case."""
    columns = [Column(column.name, _type(column)) for column in wanted.columns]
    table = Table(wanted.name, MetaData(), Column(KEY, COUNTER, Identity(), primary_key=True), *columns)
    caseless = {column.name for column in wanted.columns if column.caseless}
    if wanted.unique:
        keys = [fold(table.c[name]) if name in caseless else table.c[name] for name in wanted.unique]
        Index(f"{wanted.name}_unique", *keys, unique=True)
    return table


def _type(column: RecordColumn) -> Any:
    return String(column.length) if column.length else TYPES[column.type]


@dataclass(frozen=True)
class Dialect:
    """What databases do each in their own way. `insert` returns how many of the rows were new."""

    insert: Callable[[Connection, Table, Columns], int]
    claim: Callable[[Table], Any]  # an insert that leaves alone what is there
    fold: Callable[[Any], ColumnElement[Any]]
    lock: Callable[[Connection], object]
    is_locked: Callable[[Any], bool]


class SqlRecords:
    def __init__(self, writer: Engine, reader: Engine, dialect: Dialect) -> None:
        self._writer, self._reader, self._dialect = writer, reader, dialect

    def load(self, table: RecordTable, lot: Lot, batches: Iterable[Columns]) -> Counts:
        target = table_of(table, self._dialect.fold)
        with self._explained(table.name), self._writer.begin() as connection:
            self._dialect.lock(connection)
            _prepare(connection, target)
            if not self._claim(connection, lot, table.name):
                return _known(connection, lot)
            counts = Counts()
            for batch in batches:
                inserted = self._dialect.insert(connection, target, batch)
                counts += Counts(inserted=inserted, skipped=len(batch[0]) - inserted)
            _write_down(connection, lot, counts)
            return counts

    @contextmanager
    def _explained(self, table: str) -> Iterator[None]:
        """What a database says becomes what a caller can do about it."""
        try:
            yield
        except DBAPIError as exc:
            if isinstance(exc, OperationalError) or exc.connection_invalidated:
                how = "are locked by another program" if self._dialect.is_locked(exc.orig) else "cannot be reached"
                raise Unavailable(f"The records {how}.", _first_line(exc)) from exc
            raise Unfit(f"The table {table} of the records does not take these rows: {_first_line(exc)}.") from exc
        except SQLAlchemyError as exc:
            raise Unfit(f"The table {table} of the records cannot be used: {type(exc).__name__}.") from exc

    def _claim(self, connection: Connection, lot: Lot, target: str) -> bool:
        """Before any row: whoever loads the same lot at the same time waits here, and then finds it done."""
        line = {"job": lot.job, "chunk": lot.chunk, "chunk_size": lot.chunk_size, "target": target}
        claim = self._dialect.claim(LEDGER).values(line).execution_options(preserve_rowcount=True)
        return connection.execute(claim).rowcount == 1

    def chunk_size(self, job: str) -> int | None:
        query = select(LEDGER.c.chunk_size).where(LEDGER.c.job == job).limit(1)
        return next((int(row["chunk_size"]) for row in self._rows(LEDGER, query)), None)

    def page(self, table: RecordTable, *, after: int, limit: int) -> list[dict[str, Any]]:
        target = table_of(table, self._dialect.fold)
        return self._rows(target, select(target).where(target.c[KEY] > after).order_by(target.c[KEY]).limit(limit))

    def _rows(self, table: Table, query: Any) -> list[dict[str, Any]]:
        with self._explained(table.name), self._reader.connect() as connection:
            if not inspect(connection).has_table(table.name):
                return []
            return [dict(row) for row in connection.execute(query).mappings()]


def _prepare(connection: Connection, table: Table) -> None:
    """Make what is not there; what somebody else made must have the columns."""
    LEDGER.create(connection, checkfirst=True)
    if not inspect(connection).has_table(table.name):
        table.create(connection)
        return
    there = {column["name"] for column in inspect(connection).get_columns(table.name)}
    if missing := [column.name for column in table.columns if column.name not in there]:
        raise Unfit(f"The table {table.name} of the records has no column {', '.join(missing)}.")
    for index in table.indexes:
        index.create(connection, checkfirst=True)


def _known(connection: Connection, lot: Lot) -> Counts:
    query = select(LEDGER.c.inserted, LEDGER.c.updated, LEDGER.c.skipped).where(_line(lot))
    return Counts(*connection.execute(query).one())


def _write_down(connection: Connection, lot: Lot, counts: Counts) -> None:
    connection.execute(update(LEDGER).where(_line(lot)).values(counts.numbers))


def _line(lot: Lot) -> ColumnElement[bool]:
    return (LEDGER.c.job == lot.job) & (LEDGER.c.chunk == lot.chunk)


def _first_line(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
    return lines[0][:200].rstrip(".")

"""What every records adapter promises; each test runs on each of them."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.adapters import BadConfig
from protocol.records import Counts, Lot, RecordColumn, Records, RecordTable, Unavailable, Unfit, open_records
from protocol.records import postgresql as postgresql_adapter
from protocol.records import sqlite as sqlite_adapter

USERS = RecordTable(
    name="users",
    columns=(RecordColumn(name="real_name", length=200), RecordColumn(name="email", length=254, caseless=True)),
    unique=("email",),
)
THINGS = RecordTable(
    name="things",
    columns=(RecordColumn(name="n", type="integer"), RecordColumn(name="x", type="number"), RecordColumn(name="note")),
)
Rows = list[tuple[Any, ...]]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/a folder that is # not there 100%/records.db"
    return str(request.getfixturevalue("postgresql").fresh())


@pytest.fixture
def records(url: str) -> Records:
    return open_records(url)


@pytest.fixture
def other(url: str) -> Iterator[sqlalchemy.Connection]:
    """Another program that uses the same database."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(exist_ok=True)
        engine = sqlalchemy.create_engine(sqlalchemy.URL.create("sqlite", database=url.removeprefix("sqlite:///")))
    else:
        engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def do(connection: sqlalchemy.Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
    connection.commit()


def lot(chunk: int = 0, job: str = "a") -> Lot:
    return Lot(job, chunk, 100)


def batches(rows: Rows, at_once: int = 2) -> Iterator[list[list[Any]]]:
    for start in range(0, len(rows), at_once):
        yield [list(column) for column in zip(*rows[start : start + at_once], strict=True)]


def everything(records: Records, table: RecordTable = USERS) -> Rows:
    return [tuple(row[name] for name in table.names) for row in records.page(table, after=0, limit=10_000)]


def test_rows_are_there_as_they_were_given_with_keys_that_grow(records: Records) -> None:
    rows = [(2**62, 0.1, "a"), (-1, None, "Ü 漢 'x' \" \\ %s ?"), (None, 1e308, None)]
    assert records.load(THINGS, lot(), batches(rows)) == Counts(inserted=3)
    found = records.page(THINGS, after=0, limit=10)
    assert [(row["n"], row["x"], row["note"]) for row in found] == rows
    assert [row["id"] for row in found] == sorted(row["id"] for row in found)


def test_of_equal_rows_the_first_wins_and_the_others_are_counted(records: Records) -> None:
    first = [("Ann", "a@x.org"), ("Bob", "A@X.org"), ("Cyd", "c@x.org"), ("Dan", "a@x.org")]
    assert records.load(USERS, lot(0), batches(first)) == Counts(inserted=2, skipped=2)
    assert records.load(USERS, lot(1), batches([("Eve", "C@x.org"), ("Fay", "f@x.org")])) == Counts(1, 0, 1)
    assert everything(records) == [("Ann", "a@x.org"), ("Cyd", "c@x.org"), ("Fay", "f@x.org")]


def test_a_lot_is_loaded_once_and_keeps_its_counts(records: Records) -> None:
    rows = [("Ann", "a@x.org"), ("Bob", "a@x.org")]
    first = records.load(USERS, lot(), batches(rows))
    assert records.load(USERS, lot(), batches(rows)) == first == Counts(inserted=1, skipped=1)
    assert records.load(USERS, lot(job="b"), batches(rows)) == Counts(skipped=2)
    assert records.chunk_size("a") == 100
    assert records.chunk_size("c") is None


def test_a_lot_that_breaks_off_leaves_nothing(records: Records) -> None:
    def breaks() -> Iterator[list[list[Any]]]:
        yield [["Ann"], ["a@x.org"]]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        records.load(USERS, lot(), breaks())
    assert everything(records) == []
    assert records.load(USERS, lot(), batches([("Bob", "a@x.org")])) == Counts(inserted=1)


def test_who_loads_a_lot_that_is_being_loaded_finds_it_done(url: str) -> None:
    """As when a process that was given up goes on: its rows must not be counted as somebody else's."""
    half, go = threading.Event(), threading.Event()

    def slow() -> Iterator[list[list[Any]]]:
        yield [["Ann"], ["a@x.org"]]
        half.set()
        assert go.wait(30)
        yield [["Bob"], ["b@x.org"]]

    counts: list[Counts] = []
    first = threading.Thread(target=lambda: counts.append(open_records(url).load(USERS, lot(), slow())))
    first.start()
    assert half.wait(30)
    rows = [("Ann", "a@x.org"), ("Bob", "b@x.org")]
    second = threading.Thread(target=lambda: counts.append(open_records(url).load(USERS, lot(), batches(rows))))
    second.start()
    go.set()
    first.join(30)
    second.join(30)
    assert counts == [Counts(inserted=2)] * 2


def test_what_others_write_meanwhile_is_skipped_and_counted(url: str, records: Records, other: Any) -> None:
    records.load(USERS, lot(0), [])
    insert = "INSERT INTO users (real_name, email) VALUES ('other', '{}@x.org')"
    do(other, insert.format(1))
    racing = url.startswith("postgresql")  # in a SQLite file nobody else can write meanwhile

    def rows() -> Iterator[list[list[Any]]]:
        yield [["Ann"], ["1@x.org"]]
        if racing:
            do(other, insert.format(2))
        yield [["Bob", "Cyd"], ["2@x.org", "3@x.org"]]

    assert records.load(USERS, lot(1), rows()) == (Counts(1, 0, 2) if racing else Counts(2, 0, 1))


@contextmanager
def holding(other: Any, url: str) -> Iterator[None]:
    """Somebody else is in the middle of a transaction that concerns the table."""
    other.commit()
    if url.startswith("sqlite"):
        other.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        other.exec_driver_sql("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
    try:
        yield
    finally:
        other.exec_driver_sql("ROLLBACK")
        other.rollback()


def test_a_locked_table_is_no_failure_but_to_be_tried_later(
    url: str, records: Records, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.load(USERS, lot(0), [])
    monkeypatch.setattr(sqlite_adapter, "PATIENCE", 0.1)
    monkeypatch.setattr(postgresql_adapter, "PATIENCE", "100ms")
    with holding(other, url), pytest.raises(Unavailable, match="lock"):
        open_records(url).load(USERS, lot(1), batches([("Ann", "a@x.org")]))
    assert open_records(url).load(USERS, lot(1), batches([("Ann", "a@x.org")])) == Counts(inserted=1)


def test_a_table_of_somebody_else_is_used_if_it_fits(records: Records, other: Any) -> None:
    do(other, "CREATE TABLE users (id INTEGER PRIMARY KEY, email VARCHAR(254), real_name TEXT, more TEXT)")
    if other.dialect.name == "postgresql":
        do(other, "ALTER TABLE users ALTER id ADD GENERATED BY DEFAULT AS IDENTITY")
    do(other, "INSERT INTO users (email) VALUES ('A@x.org')")
    assert records.load(USERS, lot(), batches([("Ann", "a@x.org"), ("Bob", "b@x.org")])) == Counts(1, 0, 1)
    assert everything(records) == [(None, "A@x.org"), ("Bob", "b@x.org")]


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)", "has no column real_name"),
        ("CREATE TABLE users (email TEXT, real_name TEXT)", "has no column id"),
        ("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, real_name TEXT NOT NULL)", "users .* does not take"),
    ],
)
def test_a_table_that_does_not_fit_is_named_and_nothing_is_loaded(
    records: Records, other: Any, made: str, says: str
) -> None:
    do(other, made)
    with pytest.raises(Unfit, match=says):
        records.load(USERS, lot(), batches([(None, "a@x.org")]))
    assert records.chunk_size("a") is None


def test_a_table_whose_rows_are_not_unique_is_refused(records: Records, other: Any) -> None:
    do(other, "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, real_name TEXT)")
    do(other, "INSERT INTO users VALUES (1, 'a@x.org', ''), (2, 'A@X.ORG', '')")
    with pytest.raises(Unfit, match="users"):
        records.load(USERS, lot(), [])


def test_pages_go_through_the_table_and_reading_makes_nothing(url: str, records: Records) -> None:
    assert records.page(USERS, after=0, limit=10) == []
    if url.startswith("sqlite"):
        assert not Path(url.removeprefix("sqlite:///")).exists()
    records.load(USERS, lot(), batches([("", f"{n}@x.org") for n in range(7)]))
    seen: list[str] = []
    after = 0
    while page := records.page(USERS, after=after, limit=3):
        assert len(page) <= 3
        seen += [row["email"] for row in page]
        after = page[-1]["id"]
    assert seen == [f"{n}@x.org" for n in range(7)]


def test_a_page_is_read_while_rows_are_loaded_and_shows_none_of_them(records: Records) -> None:
    records.load(USERS, lot(0), batches([("Ann", "a@x.org")]))

    def looks() -> Iterator[list[list[Any]]]:
        yield [["Bob"], ["b@x.org"]]
        assert everything(records) == [("Ann", "a@x.org")]

    records.load(USERS, lot(1), looks())
    assert len(everything(records)) == 2


def test_a_database_that_is_down_is_unavailable_and_the_password_stays_secret(postgresql: Any) -> None:
    url = postgresql.fresh().replace("rowmill@", "rowmill:secret@")
    records = open_records(url)
    records.load(USERS, lot(), [])
    postgresql.kill()
    try:
        with pytest.raises(Unavailable) as caught:
            records.load(USERS, lot(1), [])
        assert "secret" not in str(caught.value)
        with pytest.raises(Unavailable):
            records.page(USERS, after=0, limit=1)
    finally:
        postgresql.start()
    assert records.load(USERS, lot(1), []) == Counts()


def test_a_file_that_is_no_database_is_unfit(tmp_path: Path) -> None:
    (tmp_path / "records.db").write_bytes(b"no database" * 100)
    with pytest.raises(Unfit, match="not a database"):
        open_records(f"sqlite:///{tmp_path}/records.db").load(USERS, lot(), [])


def test_a_folder_that_is_made_for_records_is_its_owners_alone(tmp_path: Path) -> None:
    open_records(f"sqlite:///{tmp_path}/made/records.db").load(USERS, lot(), [])
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == stat.S_IRWXU


@pytest.mark.parametrize("url", ["mysql://root@db/records", "records.db", "postgresql://host:port/x"])
def test_a_url_that_nobody_speaks_is_bad_config(url: str) -> None:
    with pytest.raises(BadConfig):
        open_records(url)


emails = st.sampled_from(["a@x.org", "A@x.org", "b@x.org", "B@X.ORG", "c@x.org", "i@x.org", "I@x.org"])
tables = st.lists(st.lists(st.tuples(st.sampled_from(["Ann", "Bob", None]), emails), max_size=8), max_size=5)


@pytest.fixture(scope="module")
def fresh(postgresql: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Records]:
    """Empty records, as often as they are asked for."""
    opened = {"postgresql": postgresql.fresh()}

    def make(scheme: str) -> Records:
        if scheme == "sqlite":
            return open_records(f"sqlite:///{tmp_path_factory.mktemp('records')}/records.db")
        postgresql.ask("DROP TABLE IF EXISTS users, rowmill_ledger", opened[scheme].rpartition("/")[2])
        return open_records(opened[scheme])

    return make


@pytest.mark.parametrize("scheme", ["sqlite", "postgresql"])
@given(chunks=tables, again=st.sets(st.integers(0, 4)))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_loading_is_the_plain_loop_whatever_is_loaded_again(fresh: Any, scheme: str, chunks: Any, again: Any) -> None:
    records = fresh(scheme)
    counts = Counts()
    for number, rows in enumerate(chunks):
        if number in again:
            records.load(USERS, lot(number), batches(rows))
        counts += records.load(USERS, lot(number), batches(rows))
    first: dict[str, tuple[str | None, str]] = {}
    for row in (row for rows in chunks for row in rows):
        first.setdefault(row[1].lower(), row)
    assert counts == Counts(len(first), 0, sum(map(len, chunks)) - len(first))
    assert everything(records) == list(first.values())

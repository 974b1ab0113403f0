"""What every database adapter promises; each test runs on each of them."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import stat
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from protocol.adapters import BadConfig
from protocol.databases import Database, NoSpace, Transaction, Unwritable, insist, open_database, sqlite
from protocol.databases.identity import identify

ROOT = Path(__file__).parents[2]
Waits = Callable[..., Awaitable[Any]]
TABLE = ("CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY, text TEXT NOT NULL)",)
INSERT = "INSERT INTO notes (id, text) VALUES (:id, :text)"
NUMBERS = "SELECT id FROM notes ORDER BY id"


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database. Another adapter is one more parameter."""
    return {"sqlite": f"sqlite:///{tmp_path}/folder that is not there yet/rowmill.db"}[request.param]


@pytest.fixture
async def notes(database: Database) -> Database:
    await database.migrate("notes", TABLE)
    return database


def add(*ids: int, text: str = "") -> Callable[[Transaction], int]:
    """A unit that adds these notes, and comes to how many."""
    return lambda tx: sum(tx.execute(INSERT, id=number, text=text) for number in ids)


async def numbers(database: Database) -> list[int]:
    return [row["id"] for row in await database.read(NUMBERS)]


def boom(tx: Transaction) -> None:
    tx.execute(INSERT, id=99, text="half a unit")
    raise ZeroDivisionError("boom")


def clash(tx: Transaction) -> None:
    tx.execute(INSERT, id=98, text="half a unit")
    tx.execute(INSERT, id=98, text="the same key")


def nonsense(tx: Transaction) -> None:
    tx.execute(INSERT, id=97, text="half a unit")
    tx.execute("SELECT FROM WHERE")


FAILING = [boom, clash, nonsense]


class Gate:
    """A unit that stands in the middle of its transaction until it is let go."""

    def __init__(self) -> None:
        self.entered, self._left = threading.Event(), threading.Event()

    def __call__(self, tx: Transaction) -> None:
        tx.execute(INSERT, id=1000, text="not committed yet")
        self.entered.set()
        assert self._left.wait(10), "nobody opened the gate"

    def open(self) -> None:
        self._left.set()

    async def reached(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 10)


@pytest.fixture
async def gate() -> Gate:
    return Gate()


async def test_a_unit_comes_to_its_result_and_its_rows_are_there(notes: Database) -> None:
    assert await notes.write(add(1, 2)) == 2
    assert await notes.read("SELECT id, text FROM notes WHERE id > :least", least=1) == [{"id": 2, "text": ""}]


async def test_execute_tells_how_many_rows_it_touched(notes: Database) -> None:
    await notes.write(add(1, 2, 3))

    def unit(tx: Transaction) -> tuple[int, int]:
        change = "UPDATE notes SET text = 'x' WHERE id >= :least"
        return tx.execute(change, least=2), tx.execute(change, least=9)

    assert await notes.write(unit) == (2, 0)


async def test_insert_tells_the_number_that_the_row_got(notes: Database) -> None:
    assert await notes.write(lambda tx: [tx.insert("INSERT INTO notes (text) VALUES ('')") for _ in range(2)]) == [1, 2]
    assert await numbers(notes) == [1, 2]


async def test_a_conflict_that_is_passed_over_touches_no_row(notes: Database) -> None:
    await notes.write(add(1))
    assert await notes.write(lambda tx: tx.execute(f"{INSERT} ON CONFLICT DO NOTHING", id=1, text="again")) == 0


async def test_a_unit_sees_what_it_has_written(notes: Database) -> None:
    def unit(tx: Transaction) -> list[dict[str, Any]]:
        tx.execute(INSERT, id=1, text="one")
        return tx.rows("SELECT text FROM notes WHERE id = :id", id=1)

    assert await notes.write(unit) == [{"text": "one"}]


TEXTS = ["", "ä€😀", "nul \0 in it", "'; DROP TABLE notes; --", "\r\n\t\x1b", "%s :id ? $1", "x" * 100_000]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
async def test_any_text_comes_back_as_it_was(notes: Database, text: str) -> None:
    await notes.write(add(1, text=text))
    assert await notes.read("SELECT text FROM notes WHERE text = :text", text=text) == [{"text": text}]


@pytest.mark.parametrize("unit", FAILING)
async def test_a_failing_unit_fails_its_caller_and_leaves_nothing(notes: Database, unit: Any) -> None:
    with pytest.raises(Exception, match=r"boom|UNIQUE|unique|near|syntax"):
        await notes.write(unit)
    assert await numbers(notes) == []
    assert await notes.write(add(1)) == 1


async def test_an_error_of_the_unit_comes_out_as_itself(notes: Database) -> None:
    with pytest.raises(ZeroDivisionError, match="boom"):
        await notes.write(boom)


@pytest.mark.parametrize("unit", FAILING)
async def test_a_failing_unit_undoes_nothing_of_those_that_share_its_commit(
    notes: Database, gate: Gate, within: Waits, unit: Any
) -> None:
    waits = asyncio.gather(notes.write(gate))
    await gate.reached()  # all of the following now queue up, and go into one commit
    asked = asyncio.gather(*map(notes.write, (add(1), unit, add(2), unit, add(3))), return_exceptions=True)
    await asyncio.sleep(0)
    gate.open()
    ended = await within(asked)
    await within(waits)
    assert [ended[0], ended[2], ended[4]] == [1, 1, 1]
    assert isinstance(ended[1], Exception)
    assert isinstance(ended[3], Exception)
    assert await numbers(notes) == [1, 2, 3, 1000]


async def test_units_run_in_the_order_in_which_they_were_asked_for(notes: Database, within: Waits) -> None:
    order: list[int] = []
    await within(asyncio.gather(*(notes.write(lambda _tx, n=n: order.append(n)) for n in range(1000))))
    assert order == list(range(1000))


async def test_a_caller_that_is_cancelled_neither_loses_nor_halves_its_unit(
    notes: Database, gate: Gate, within: Waits
) -> None:
    busy = asyncio.ensure_future(notes.write(gate))
    await gate.reached()
    queued = asyncio.ensure_future(notes.write(add(1, 2)))
    await asyncio.sleep(0)
    for task in (busy, queued):
        task.cancel()
    assert await asyncio.gather(busy, queued, return_exceptions=True) != []
    assert busy.cancelled()
    assert queued.cancelled()
    gate.open()
    assert await within(notes.write(add(3))) == 1
    assert await numbers(notes) == [1, 2, 3, 1000]


async def test_a_failing_unit_whose_caller_has_gone_disturbs_nobody(notes: Database, gate: Gate, within: Waits) -> None:
    busy = asyncio.ensure_future(notes.write(gate))
    await gate.reached()
    gone = asyncio.ensure_future(notes.write(boom))
    await asyncio.sleep(0)
    gone.cancel()
    gate.open()
    await within(busy)
    assert await within(notes.write(add(1))) == 1
    assert await numbers(notes) == [1, 1000]


async def test_a_read_never_sees_what_is_not_committed_and_does_not_wait_for_it(
    notes: Database, gate: Gate, within: Waits
) -> None:
    await notes.write(add(1))
    writing = asyncio.ensure_future(notes.write(gate))
    await gate.reached()
    assert await within(numbers(notes)) == [1]
    gate.open()
    await within(writing)
    assert await numbers(notes) == [1, 1000]


async def test_what_was_acknowledged_is_seen_by_the_next_read(notes: Database) -> None:
    for number in range(50):
        await notes.write(add(number))
        assert len(await numbers(notes)) == number + 1


async def test_a_read_cannot_write(notes: Database) -> None:
    with pytest.raises(Exception, match=r"readonly|read-only"):
        await notes.read(INSERT, id=1, text="")
    assert await numbers(notes) == []


async def test_on_commit_calls_on_the_loop_before_the_caller_goes_on(notes: Database) -> None:
    calls: list[Any] = []

    def unit(tx: Transaction) -> None:
        tx.on_commit(lambda: calls.append(asyncio.get_running_loop()))
        tx.on_commit(lambda: calls.append(threading.current_thread()))
        tx.execute(INSERT, id=1, text="")
        calls.append("end of the unit")

    await notes.write(unit)
    assert calls == ["end of the unit", asyncio.get_running_loop(), threading.main_thread()]


async def test_on_commit_does_not_call_before_the_commit(notes: Database, gate: Gate, within: Waits) -> None:
    called = asyncio.Event()

    def unit(tx: Transaction) -> None:
        tx.on_commit(called.set)
        gate(tx)

    writing = asyncio.ensure_future(notes.write(unit))
    await gate.reached()
    await asyncio.sleep(0)
    assert not called.is_set()
    gate.open()
    await within(writing)
    assert called.is_set()


@pytest.mark.parametrize("unit", FAILING)
async def test_on_commit_is_never_called_for_a_unit_that_failed(notes: Database, within: Waits, unit: Any) -> None:
    called: list[str] = []

    def failing(tx: Transaction) -> None:
        tx.on_commit(lambda: called.append("failed"))
        unit(tx)

    def fine(tx: Transaction) -> None:
        tx.on_commit(lambda: called.append("fine"))
        add(1)(tx)

    await within(asyncio.gather(*map(notes.write, (failing, fine, failing)), return_exceptions=True))
    await notes.write(add(2))
    assert called == ["fine"]


async def test_a_callback_that_raises_stops_neither_its_caller_nor_the_next(notes: Database, within: Waits) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
    await within(notes.write(lambda tx: tx.on_commit(lambda: 1 // 0)))
    assert await within(notes.write(add(1))) == 1
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]


async def test_ten_thousand_writes_at_once_share_commits_of_a_bounded_size(notes: Database, within: Waits) -> None:
    commits = [0]  # how many units each has: their callbacks come in one turn of the loop

    def committed() -> None:
        if commits[-1] == 0:
            asyncio.get_running_loop().call_soon(commits.append, 0)
        commits[-1] += 1

    def ask(number: int) -> Awaitable[None]:
        def unit(tx: Transaction) -> None:
            tx.execute(INSERT, id=number, text="")
            tx.on_commit(committed)

        return notes.write(unit)

    await within(asyncio.gather(*map(ask, range(10_000))), 30)
    assert sum(commits) == 10_000
    assert max(commits) <= sqlite.BATCH
    assert len(commits) < 400  # and not one by one
    assert len(await numbers(notes)) == 10_000


async def test_all_that_was_asked_for_is_there_after_closing(database_url: str, within: Waits) -> None:
    async with open_database(database_url) as database:
        await database.migrate("notes", TABLE)
        asked = [asyncio.ensure_future(database.write(add(number))) for number in range(3000)]
        await asyncio.sleep(0)
    assert await within(asyncio.gather(*asked)) == [1] * 3000
    async with open_database(database_url) as database:
        assert await numbers(database) == list(range(3000))


async def test_a_closed_database_says_so_instead_of_keeping_one_waiting(database_url: str, within: Waits) -> None:
    async with open_database(database_url) as database:
        pass
    with pytest.raises(RuntimeError, match="the database is closed"):
        await within(database.write(lambda _tx: None))


async def test_no_thread_and_no_task_is_left_after_closing(database_url: str, eventually: Waits) -> None:
    threads, tasks = set(threading.enumerate()), asyncio.all_tasks()
    async with open_database(database_url) as database:
        await database.write(lambda _tx: None)
        assert set(threading.enumerate()) - threads  # else this would see nothing
    assert asyncio.all_tasks() == tasks
    await eventually(lambda: set(threading.enumerate()) <= threads)


async def test_an_error_within_the_block_comes_out_and_closes(database_url: str, eventually: Waits) -> None:
    before = set(threading.enumerate())
    for error in (ZeroDivisionError, BlockingIOError, KeyError):
        with pytest.raises(error):
            async with open_database(database_url):
                raise error
    await eventually(lambda: set(threading.enumerate()) <= before)


async def test_a_second_opening_is_refused_in_a_sentence_and_the_first_goes_on(
    notes: Database, database_url: str
) -> None:
    with pytest.raises(BadConfig, match="is in use by another process"):
        async with open_database(database_url):
            pytest.fail("two writers to one database")
    assert await notes.write(add(1)) == 1


async def test_migrations_run_in_order_and_each_once(database_url: str) -> None:
    steps = [
        "CREATE TABLE story (line INTEGER PRIMARY KEY)",
        "INSERT INTO story (line) VALUES (1)",
        "INSERT INTO story (line) SELECT MAX(line) + 1 FROM story",
        "INSERT INTO story (line) SELECT MAX(line) * 10 FROM story",
    ]
    for known in (0, 1, 3, 3, 4, 4):  # as if each were a later release
        async with open_database(database_url) as database:
            await database.migrate("story", steps[:known])
            await database.migrate("story", steps[:known])
    async with open_database(database_url) as database:
        assert [row["line"] for row in await database.read("SELECT line FROM story ORDER BY line")] == [1, 2, 20]


async def test_an_older_release_leaves_the_steps_alone_that_it_does_not_know(notes: Database) -> None:
    await notes.migrate("notes", ())
    assert await notes.write(add(1)) == 1
    await notes.migrate("notes", TABLE)


async def test_each_owner_counts_its_own_steps(notes: Database) -> None:
    await notes.migrate("other", ("CREATE TABLE other (x INTEGER)",))
    await notes.migrate("notes", (*TABLE, "CREATE TABLE more (x INTEGER)"))
    assert await notes.read("SELECT * FROM other") == []
    assert await notes.read("SELECT * FROM more") == []


async def test_a_migration_that_fails_leaves_none_of_its_steps(notes: Database) -> None:
    steps = ("CREATE TABLE early (x INTEGER)", "CREATE TABLE notes (already INTEGER)")
    with pytest.raises(Exception, match="already exists"):
        await notes.migrate("late", steps)
    await notes.migrate("late", steps[:1])
    assert await notes.read("SELECT * FROM early") == []


WRITES_FOR_EVER = """
import asyncio, sys
from protocol.databases import open_database

def pair(number):
    def unit(tx):
        for half in (2 * number, 2 * number + 1):
            tx.execute("INSERT INTO notes (id, text) VALUES (:id, 'x')", id=half)
    return unit

async def lane(database, first):
    number = first
    while True:
        await database.write(pair(number))
        print(number, flush=True)
        number += 20

async def main():
    async with open_database(sys.argv[1]) as database:
        await database.migrate("notes", [sys.argv[2]])
        await asyncio.gather(*(lane(database, first) for first in range(20)))

asyncio.run(main())
"""


async def test_kill_9_while_writing_loses_nothing_that_was_acknowledged(database_url: str, within: Waits) -> None:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITES_FOR_EVER, database_url, TABLE[0]), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout
    acknowledged = [int(await within(program.stdout.readline())) for _ in range(500)]
    program.send_signal(signal.SIGKILL)
    rest = await within(program.stdout.read())
    acknowledged += [int(line) for line in rest.splitlines(keepends=True) if line.endswith(b"\n")]
    assert await within(program.wait()) == -signal.SIGKILL
    async with open_database(database_url) as database:
        there = set(await numbers(database))
    assert {2 * number for number in acknowledged} <= there
    assert {number ^ 1 for number in there} == there  # no unit is there by half


async def test_a_killed_owner_leaves_the_database_free(database_url: str, within: Waits) -> None:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITES_FOR_EVER, database_url, TABLE[0]), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout
    await within(program.stdout.readline())
    with pytest.raises(BadConfig, match="is in use by another process"):
        async with open_database(database_url):
            pytest.fail("two processes write one database")
    program.kill()
    await within(program.communicate())
    async with open_database(database_url) as database:
        assert await numbers(database)


# What only a database in a file can suffer.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rowmill.db"


@pytest.fixture
def small(path: Path) -> AbstractAsyncContextManager[Database]:
    return open_database(f"sqlite:///{path}")


async def test_a_full_disk_is_no_space_and_nothing_is_lost(small: AbstractAsyncContextManager[Database]) -> None:
    async with small as database:
        await database.migrate("notes", TABLE)
        await database.write(add(1))
        await database.write(lambda tx: tx.rows("PRAGMA max_page_count = 12"))
        huge = [database.write(add(number, text="x" * 100_000)) for number in (2, 3)]
        ended = await asyncio.gather(*huge, database.write(add(4)), return_exceptions=True)
        assert [type(end) for end in ended] == [NoSpace, NoSpace, int]
        assert await numbers(database) == [1, 4]
        await database.write(lambda tx: tx.rows("PRAGMA max_page_count = 1000000"))
        assert await database.write(add(5, text="x" * 100_000)) == 1
        assert await numbers(database) == [1, 4, 5]


async def test_what_a_foreign_program_has_locked_is_written_once_it_lets_go(
    small: AbstractAsyncContextManager[Database], path: Path, within: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small as database:
        await database.migrate("notes", TABLE)
        await database.write(lambda tx: tx.rows("PRAGMA busy_timeout = 0"))
        refused = asyncio.Event()

        async def write() -> int:
            try:
                return await database.write(add(1))
            except Unwritable:
                refused.set()
                raise

        with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
            foreign.execute("BEGIN IMMEDIATE")
            monkeypatch.setattr("protocol.databases.PAUSE", 0.01)
            writing = asyncio.create_task(insist(write))
            await within(refused.wait())
            foreign.execute("ROLLBACK")
        assert await within(writing) == 1
        assert await numbers(database) == [1]


@pytest.fixture(params=["a file of another kind", "a folder"])
def no_database(request: pytest.FixtureRequest, path: Path) -> Path:
    if request.param == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"no database " * 1000)
    return path


@pytest.mark.usefixtures("no_database")
async def test_what_is_no_database_is_refused_by_name(
    small: AbstractAsyncContextManager[Database], eventually: Waits
) -> None:
    before = set(threading.enumerate())
    with pytest.raises(BadConfig, match=r"rowmill\.db cannot be opened"):
        async with small:
            pytest.fail("that is no database")
    await eventually(lambda: set(threading.enumerate()) <= before)


async def test_a_commit_is_on_disk_before_it_is_acknowledged(
    small: AbstractAsyncContextManager[Database],
) -> None:
    async with small as database:
        assert await database.write(lambda tx: tx.rows("PRAGMA synchronous")) == [{"synchronous": 2}]
        assert await database.read("PRAGMA journal_mode") == [{"journal_mode": "wal"}]


async def test_the_log_of_changes_is_folded_in_when_it_closes(
    small: AbstractAsyncContextManager[Database], path: Path
) -> None:
    async with small as database:
        await database.migrate("notes", TABLE)
    assert [found.name for found in path.parent.iterdir() if found.name.startswith(path.name)] == [
        *sorted([path.name, f"{path.name}.lock"])
    ]


async def test_a_database_has_an_identity_of_its_own_that_stays(database: Database, tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/other.db") as other:
        assert await identify(other) != await identify(database) == await identify(database)


async def test_a_folder_that_is_made_for_a_database_is_its_owners_alone(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/made/rowmill.db"):
        assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == stat.S_IRWXU


async def test_a_database_file_is_its_owners_alone_in_any_folder(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/rowmill.db") as database:
        await database.migrate("notes", TABLE)
        for name in ("rowmill.db", "rowmill.db-wal", "rowmill.db-shm"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR

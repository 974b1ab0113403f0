"""What every file store promises; each test runs on each of them."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

from protocol.files import PIECE, BlockingFiles, FileMissing, Files, open_blocking, open_files
from protocol.files.file import AT_ONCE, MOST, write_whole
from protocol.files.objects import Objects

ROOT = Path(__file__).parents[2]
Waits = Callable[..., Awaitable[Any]]
MIB = 2**20
# Long enough that a store sends it in parts, and no two pieces alike.
LONG = b"".join(number.to_bytes(4, "big") * (MIB // 16) for number in range(50)) + b"the end"


@pytest.fixture(params=["file"])
def files_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty store. Another adapter is one more parameter."""
    return {"file": (tmp_path / "50%20 #1? ä").as_uri()}[request.param]


@pytest.fixture
def blocking(files_url: str) -> BlockingFiles:
    return open_blocking(files_url)


async def pieces(data: bytes, size: int = MIB) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(files: Files, key: str, *span: int) -> bytes:
    return b"".join([piece async for piece in files.get(key, *span)])


CONTENTS = [b"", b"x", b"nul \0 and \xff", LONG]


@pytest.fixture(params=["as it is", "without its shortcuts"])
def growing(request: pytest.FixtureRequest, files: Files) -> Files:
    """The store, and one that does only what all stores of objects can."""
    return files if request.param == "as it is" else Objects(MemoryStore(), "memory:///")


@pytest.mark.parametrize("data", CONTENTS, ids=len)
@pytest.mark.parametrize("streamed", [False, True])
async def test_what_is_put_comes_back(files: Files, data: bytes, streamed: bool) -> None:  # noqa: FBT001
    await files.put("uploads/one", pieces(data) if streamed else data)
    assert await read(files, "uploads/one") == data
    assert await files.size("uploads/one") == len(data)


@pytest.mark.parametrize("most", [1, 5 * MIB // 7, MIB])
async def test_what_the_system_takes_in_parts_is_whole(
    files: Files, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_some(file: int, parts: Sequence[memoryview]) -> int:
        return os.write(file, b"".join(parts)[: next(sizes, most + MIB)])

    sizes = iter([most, MIB, most])
    monkeypatch.setattr(os, "writev", write_some)
    await files.put("uploads/one", pieces(LONG, MIB // 3))
    assert await read(files, "uploads/one") == LONG


def test_little_is_written_at_once_however_long_the_pieces_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(file: int, parts: Sequence[memoryview]) -> int:
        asked.append(sum(map(len, parts)))
        return really(file, parts)

    asked, really = list[int](), os.writev
    texts = [b"short", b""] * 2000 + [LONG, b"x" * (AT_ONCE - 1), LONG[:AT_ONCE]]
    monkeypatch.setattr(os, "writev", write)
    write_whole(str(tmp_path / "one"), texts)
    assert (tmp_path / "one").read_bytes() == b"".join(texts)
    assert max(asked) == AT_ONCE
    assert len(asked) <= 2000 // MOST + sum(asked) // AT_ONCE + 2


async def test_pieces_come_out_in_bounded_portions(files: Files) -> None:
    await files.put("long", LONG)
    assert max([len(piece) async for piece in files.get("long")]) <= PIECE


SPANS = [(0,), (0, 1), (3, 3), (5, 2), (PIECE - 1, PIECE + 1), (PIECE,), (3 * PIECE + 7, 9 * PIECE), (len(LONG) - 4,)]
BEYOND = [(0, len(LONG) + 5), (len(LONG),), (len(LONG) + 3, len(LONG) + 9)]


@pytest.mark.parametrize("span", SPANS + BEYOND, ids=str)
async def test_a_range_is_the_bytes_from_start_up_to_stop_as_far_as_there_are_any(files: Files, span: Any) -> None:
    await files.put("long", LONG)
    assert await read(files, "long", *span) == LONG[slice(*span) if len(span) > 1 else slice(span[0], None)]


async def test_putting_again_replaces(files: Files) -> None:
    await files.put("key", LONG)
    await files.put("key", b"short")
    assert await read(files, "key") == b"short"
    assert await files.size("key") == 5


MISSING = ["nothing", "uploads/nothing", "uploads/one/deeper", "uploads"]


@pytest.mark.parametrize("key", MISSING)
async def test_what_is_not_there_is_missing_however_it_is_asked_for(files: Files, key: str) -> None:
    await files.put("uploads/other", b"x")
    for asked in (read(files, key), read(files, key, 0, 1), read(files, key, 5), files.size(key)):
        with pytest.raises(FileMissing):
            await asked


@pytest.mark.parametrize("key", ["uploads/nothing", "nothing/", "results/ab/"])
async def test_removing_what_is_not_there_is_no_error(files: Files, key: str) -> None:
    await files.remove(key)
    assert await files.keys("results/") == []


async def test_what_grows_is_a_file_when_it_is_settled(growing: Files) -> None:
    assert await growing.grow("parcels/one/", 0, pieces(LONG[: 3 * MIB])) == 3 * MIB
    assert await growing.grow("parcels/one/", 3 * MIB, pieces(b"")) == 3 * MIB
    assert await growing.grow("parcels/one/", 3 * MIB, pieces(LONG[3 * MIB :])) == len(LONG)
    assert b"".join([piece async for piece in growing.grown("parcels/one/")]) == LONG
    assert await growing.keys("uploads/") == []
    await growing.settle("parcels/one/", "uploads/one")
    assert await growing.keys("uploads/") == ["uploads/one"]
    await growing.remove("parcels/one/")
    assert await growing.keys("parcels/") == []
    assert await read(growing, "uploads/one") == LONG


async def test_what_grows_goes_on_from_any_end_that_it_had(growing: Files) -> None:
    await growing.grow("parcels/one/", 0, pieces(b"abcdef", 2))
    await growing.grow("parcels/one/", 6, pieces(b"gh"))
    assert await growing.grow("parcels/one/", 6, pieces(b"GHI")) == 9
    assert b"".join([piece async for piece in growing.grown("parcels/one/")]) == b"abcdefGHI"
    assert await growing.grow("parcels/one/", 6, pieces(b"g")) == 7
    assert b"".join([piece async for piece in growing.grown("parcels/one/")]) == b"abcdefg"
    assert await growing.grow("parcels/one/", 0, pieces(b"new")) == 3
    assert b"".join([piece async for piece in growing.grown("parcels/one/")]) == b"new"


@pytest.mark.parametrize("at", [1, 4, 2**30])
@pytest.mark.parametrize("before", [None, b"abc"])
async def test_what_has_not_grown_so_far_is_missing_before_it_is_a_file(
    growing: Files, at: int, before: bytes | None
) -> None:
    if before:
        await growing.grow("parcels/one/", 0, pieces(before))

    async def go_on() -> None:
        await growing.grow("parcels/one/", at + len(before or b""), pieces(b"x"))
        await growing.settle("parcels/one/", "uploads/one")

    with pytest.raises(FileMissing):
        await go_on()
    assert await growing.keys("uploads/") == []
    with pytest.raises(FileMissing):
        await growing.settle("parcels/two/", "uploads/two")


async def test_what_breaks_off_as_it_grows_goes_on_where_it_was(growing: Files) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"lost"
        raise ValueError("the link broke")

    await growing.grow("parcels/one/", 0, pieces(b"abc"))
    with pytest.raises(Exception, match="the link broke"):
        await growing.grow("parcels/one/", 3, broken())
    assert await growing.grow("parcels/one/", 3, pieces(b"def")) == 6
    await growing.settle("parcels/one/", "uploads/one")
    assert await read(growing, "uploads/one") == b"abcdef"


async def test_keys_are_all_below_a_prefix_and_no_others(files: Files) -> None:
    for key in ("results/ab/x", "results/ab/deep/er/y.csv", "results/abc/x", "results/ab.csv", "uploads/ab"):
        await files.put(key, b"x")
    assert sorted(await files.keys("results/ab/")) == ["results/ab/deep/er/y.csv", "results/ab/x"]
    assert await files.keys("results/a/") == []


async def test_removing_a_prefix_removes_all_below_it_and_nothing_else(files: Files) -> None:
    keys = ["results/ab/x", "results/ab/deep/er/y.csv", "results/abc/x", "results/ab.csv", "uploads/ab"]
    for key in keys:
        await files.put(key, b"x")
    await files.remove("results/ab/")
    assert sorted(await files.keys("results/") + await files.keys("uploads/")) == sorted(keys[2:])
    await files.remove("results/")
    assert await files.keys("results/") == []
    assert await files.size("uploads/ab") == 1


async def test_removing_a_key_removes_that_file_alone(files: Files) -> None:
    for key in ("results/ab", "results/abc"):
        await files.put(key, b"x")
    await files.remove("results/ab")
    assert await files.keys("results/") == ["results/abc"]


async def test_a_thousand_files_are_listed_and_removed(files: Files) -> None:
    await asyncio.gather(*(files.put(f"results/a/{number:08d}", b"x") for number in range(1200)))
    assert len(await files.keys("results/a/")) == 1200
    await files.remove("results/a/")
    assert await files.keys("results/a/") == []


class Torn(Exception):
    """The client went away."""


@pytest.mark.parametrize("before", [0, 1, MIB, len(LONG)])
async def test_a_source_that_raises_leaves_nothing_and_its_error_comes_out(
    files: Files, files_url: str, before: int
) -> None:
    async def torn() -> AsyncIterator[bytes]:
        async for piece in pieces(LONG[:before]):
            yield piece
        raise Torn

    with pytest.raises(Torn):
        await files.put("uploads/one", torn())
    await nothing_is_left(files, files_url)


@pytest.mark.parametrize("before", [1, len(LONG)])
async def test_a_put_that_is_cancelled_leaves_nothing(
    files: Files, files_url: str, eventually: Waits, before: int
) -> None:
    sent = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        async for piece in pieces(LONG[:before]):
            yield piece
        sent.set()
        await asyncio.Event().wait()

    putting = asyncio.ensure_future(files.put("uploads/one", slow()))
    await eventually(sent.is_set)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    await eventually(lambda: not staged(files_url))
    await nothing_is_left(files, files_url)


async def test_a_put_that_fails_leaves_what_was_there_before(files: Files) -> None:
    await files.put("uploads/one", b"before")

    async def torn() -> AsyncIterator[bytes]:
        yield LONG
        raise Torn

    with pytest.raises(Torn):
        await files.put("uploads/one", torn())
    assert await read(files, "uploads/one") == b"before"


@asynccontextmanager
async def half_stored(files: Files, key: str, within: Waits, eventually: Waits) -> AsyncIterator[None]:
    """Inside of this the file is being stored; at its end it is whole."""
    sent, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield LONG
        sent.set()
        await go_on.wait()
        yield b"more"

    putting = asyncio.ensure_future(files.put(key, slow()))
    await eventually(sent.is_set)
    yield
    go_on.set()
    await within(putting)
    assert await files.size(key) == len(LONG) + 4


async def test_a_file_is_not_there_before_it_is_whole(files: Files, within: Waits, eventually: Waits) -> None:
    async with half_stored(files, "uploads/one", within, eventually):
        assert await files.keys("uploads/") == []
        with pytest.raises(FileMissing):
            await files.size("uploads/one")


async def test_the_loop_goes_on_while_a_file_is_stored_and_read(files: Files, within: Waits) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    await within(files.put("long", pieces(LONG)))
    stored = turns
    assert await within(read(files, "long")) == LONG
    counting.cancel()
    assert 1 < stored < turns - 1


PUTS_FOR_EVER = """
import asyncio, sys
from protocol.files import open_files

async def endless():
    while True:
        yield b"x" * 2**20
        print("more", flush=True)

async def main():
    async with open_files(sys.argv[1]) as files:
        await files.put("uploads/whole", b"whole")
        await files.put("uploads/torn", endless())

asyncio.run(main())
"""


async def test_what_a_killed_process_was_storing_is_never_seen_and_swept(
    files: Files, files_url: str, within: Waits
) -> None:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PUTS_FOR_EVER, files_url), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout
    for _ in range(20):
        assert await within(program.stdout.readline()) == b"more\n"
    program.send_signal(signal.SIGKILL)
    await within(program.communicate())
    assert await files.keys("uploads/") == ["uploads/whole"]
    await files.sweep()
    assert staged(files_url) == []
    assert await read(files, "uploads/whole") == b"whole"


async def test_sweeping_leaves_what_others_are_still_storing(
    files: Files, files_url: str, within: Waits, eventually: Waits
) -> None:
    async with half_stored(files, "uploads/one", within, eventually):
        await sweep(files_url)


async def test_sweeping_touches_nothing_that_is_whole(files: Files) -> None:
    keys = ["uploads/one", "results/a/artefacts/x.csv", "results/a/work/mill/00000001"]
    for key in keys:
        await files.put(key, b"x")
    await files.sweep()
    assert sorted(await files.keys("uploads/") + await files.keys("results/")) == sorted(keys)


async def test_free_space_is_a_number_of_bytes_or_not_known(files: Files) -> None:
    free = await files.free_space()
    assert free is None or free > 0


async def test_what_was_stored_is_there_after_opening_again(files: Files, files_url: str) -> None:
    await files.put("uploads/one", b"x")
    async with open_files(files_url) as again:
        assert await read(again, "uploads/one") == b"x"
        assert again.url == files_url


# The same store as worker processes see it.


async def test_both_doors_lead_to_one_store(files: Files, blocking: BlockingFiles) -> None:
    await files.put("uploads/one", LONG)
    assert blocking.size("uploads/one") == len(LONG)
    assert blocking.read("uploads/one", MIB - 1, MIB + 5) == LONG[MIB - 1 : MIB + 5]
    blocking.write("results/a/x", iter([b"ab", b"", b"cd"]))
    assert await read(files, "results/a/x") == b"abcd"


def test_workers_write_whole_or_not_at_all(blocking: BlockingFiles) -> None:
    def torn() -> Iterator[bytes]:
        yield LONG
        raise Torn

    blocking.write("results/a/x", [b"before"])
    with pytest.raises(Torn):
        blocking.write("results/a/x", torn())
    with pytest.raises(Torn):
        blocking.write("results/a/new", torn())
    assert blocking.read("results/a/x", 0, 6) == b"before"
    with pytest.raises(FileMissing):
        blocking.size("results/a/new")


def test_workers_write_what_they_read_while_they_write(blocking: BlockingFiles) -> None:
    blocking.write("results/a/0", [LONG])
    blocking.write("results/a/1", (blocking.read("results/a/0", start, start + 5) for start in range(0, 50, 5)))
    assert blocking.read("results/a/1", 0, 50) == LONG[:50]


def test_sweeping_leaves_what_workers_are_writing(blocking: BlockingFiles, files_url: str) -> None:
    def swept() -> Iterator[bytes]:
        yield b"half"
        asyncio.run(sweep(files_url))
        yield b" and half"

    blocking.write("results/a/x", swept())
    assert blocking.read("results/a/x", 0, 13) == b"half and half"


def test_a_file_that_is_swept_as_it_begins_begins_anew(
    blocking: BlockingFiles, files_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(file: Any, how: int) -> None:
        monkeypatch.undo()
        asyncio.run(sweep(files_url))
        lock(file, how)

    lock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", late)
    blocking.write("results/a/x", [b"x"])
    assert blocking.read("results/a/x", 0, 1) == b"x"


def test_workers_write_empty_files_too(blocking: BlockingFiles) -> None:
    blocking.write("results/a/none", [])
    assert blocking.size("results/a/none") == 0
    assert blocking.read("results/a/none", 0, 0) == b""


def test_workers_are_told_what_is_missing(blocking: BlockingFiles) -> None:
    with pytest.raises(FileMissing):
        blocking.size("nothing")
    with pytest.raises(FileMissing):
        blocking.read("nothing", 0, 5)


@settings(max_examples=20)
@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(0, 1200), st.integers(0, 1200))
def test_any_pieces_make_the_file_and_any_range_is_a_slice_of_it(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], start: int, stop: int
) -> None:
    async def check() -> None:
        async with open_files(tmp_path_factory.getbasetemp().as_uri()) as files:
            await files.put("property", pieces(b"".join(parts), 7))
            assert await read(files, "property", start, stop) == b"".join(parts)[start:stop]

    asyncio.run(check())


async def sweep(url: str) -> None:
    """As a service does that starts beside those who use the store."""
    async with open_files(url) as files:
        await files.sweep()


def staged(url: str) -> list[Path]:
    """What lies in the store's folder beyond the files that it shows."""
    from protocol.files.file import folder_of  # noqa: PLC0415 - only where the store is a folder

    return [path for path in folder_of(url).rglob("*") if "#" in path.name] if url.startswith("file:") else []


async def nothing_is_left(files: Files, url: str) -> None:
    assert staged(url) == []
    assert await files.keys("uploads/") == []
    with pytest.raises(FileMissing):
        await files.size("uploads/one")


async def test_a_folder_that_is_made_is_its_owners_alone_and_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    async with open_files(f"file://{tmp_path}/fresh"):
        assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == stat.S_IRWXU
    (tmp_path / "shared").mkdir()
    before = (tmp_path / "shared").stat().st_mode
    async with open_files(f"file://{tmp_path}/shared"):
        assert (tmp_path / "shared").stat().st_mode == before

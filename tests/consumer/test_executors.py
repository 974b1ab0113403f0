"""What slots promise, held to real processes that end in every way there is.

What the processes do is said by the parameters of a kind that is installed for these tests: checking parameters is
the first thing that every step does.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from consumer.executors import Done, NoWorker, Overdue, Raised, Refused, Slot, WorkerLost, open_slots, processes
from consumer.steps import Task
from protocol.adapters import BadConfig
from protocol.kinds import KindInfo
from tests.family import words

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOT = Path(__file__).parents[2]
LINUX = sys.platform.startswith("linux")
Waits = Callable[..., Awaitable[Any]]
MEMORY = 2**30
LONG = 60.0
ACTING = '''
"""A kind that does what its parameters say as soon as they are looked at."""
import os, signal, sys, time
from pathlib import Path
from pydantic import model_validator
from consumer.kinds import BadInput, Kind, Params

def eat(_):
    eaten = []
    while True:
        eaten.append(bytearray(2**26))

def loop(_):
    while True:
        pass

def refuse(_):
    raise BadInput("Not for this kind.", "not_for_this_kind", line=7)

def divide(_):
    return 1 // 0

def interrupt(_):
    raise KeyboardInterrupt

def wait_for(path):
    while not Path(path + ".go").exists():
        time.sleep(0.01)

ACTS = {
    "nothing": lambda _: None, "eat": eat, "loop": loop, "refuse": refuse, "divide": divide, "interrupt": interrupt,
    "exit": lambda _: sys.exit(3), "vanish": lambda _: os._exit(0), "wait": wait_for,
    "crash": lambda _: os.kill(os.getpid(), signal.SIGSEGV),
}

class Acts(Params):
    act: str = "nothing"
    path: str = os.devnull

    @model_validator(mode="after")
    def _act(self):
        Path(self.path).write_text(str(os.getpid()))
        ACTS[self.act](self.path)
        return self

KIND = Kind(title="Acting", params=Acts, columns=lambda _: [], headline=lambda _: "", frame=len)
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kind as an installed package, on the path of this process and so of its workers."""
    folder = tmp_path_factory.mktemp("plugin")
    info = folder / "acting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rowmill.kinds]\nacting = acting:KIND\n")
    (folder / "acting.py").write_text(ACTING)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def slots(plugin: Path) -> AsyncIterator[Sequence[Slot]]:
    async with open_slots(f"processes://2?memory={MEMORY}") as opened:
        yield opened


class Call:
    """A call of a step that acts, and the process in which it does."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pid"
        self._task = Task("id", folder.as_uri(), "source", "x.csv", "results/", "acting", {}, 1000)

    async def run(self, slot: Slot, act: str = "nothing", limit: float = LONG) -> Any:
        self.path.unlink(missing_ok=True)
        params = {"act": act, "path": str(self.path)}
        return await slot.run("fold", replace(self._task, params=params), (), limit=limit)

    @property
    def pid(self) -> int | None:
        """Of the worker that acts, or of the last one."""
        return int(text) if self.path.exists() and (text := self.path.read_text()) else None

    def let_go(self) -> None:
        Path(f"{self.path}.go").touch()

    async def pid_of(self, slot: Slot) -> int:
        assert await self.run(slot) == Done(())
        assert self.pid
        return self.pid


@pytest.fixture
def call(tmp_path: Path) -> Call:
    return Call(tmp_path)


@pytest.fixture
def neighbour(tmp_path: Path) -> Call:
    (tmp_path / "neighbour").mkdir()
    return Call(tmp_path / "neighbour")


async def test_a_call_comes_back_with_its_value(slots: Sequence[Slot]) -> None:
    for name in ("acting", "sales"):
        answer = await slots[0].run("describe", name, limit=LONG)
        assert isinstance(answer, Done)
        assert isinstance(answer.value, KindInfo)
        assert answer.value.name == name


async def test_each_slot_keeps_a_process_of_its_own(slots: Sequence[Slot], call: Call) -> None:
    first = [await call.pid_of(slot) for slot in slots]
    assert first == [await call.pid_of(slot) for slot in slots]
    assert len({*first, os.getpid()}) == 3


async def test_workers_are_forked_from_a_process_without_threads_that_has_loaded_all(
    slots: Sequence[Slot], call: Call
) -> None:
    server = psutil.Process(await call.pid_of(slots[0])).parent()
    assert server is not None
    assert server.pid != os.getpid()
    assert server.num_threads() == 1
    if LINUX:
        assert any("libarrow.so" in piece.path for piece in server.memory_maps())


ENDS = {"divide": "ZeroDivisionError", "exit": "SystemExit: 3", "interrupt": "KeyboardInterrupt"}


@pytest.mark.parametrize("act", ENDS)
async def test_whatever_the_work_raises_comes_back_as_a_value_and_its_process_lives_on(
    slots: Sequence[Slot], call: Call, act: str
) -> None:
    before = await call.pid_of(slots[0])
    answer = await call.run(slots[0], act)
    assert isinstance(answer, Raised)
    assert answer.error.startswith(ENDS[act])
    assert answer.where.startswith("acting.py:")
    assert "Traceback" in answer.trace
    assert await call.pid_of(slots[0]) == before


async def test_what_the_kind_refuses_comes_back_for_the_user(slots: Sequence[Slot], call: Call) -> None:
    answer = await call.run(slots[0], "refuse")
    assert isinstance(answer, Refused)
    [fault] = answer.faults
    assert (answer.status, fault.code, fault.detail, fault.line) == (422, "not_for_this_kind", "Not for this kind.", 7)


async def test_a_table_that_cannot_be_read_comes_back_with_its_faults(slots: Sequence[Slot], tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"PK\x03\x04 and so on\0\0")
    task = Task("id", tmp_path.as_uri(), "source", "x.csv", "results/", "sales", {}, 1000)
    answer = await slots[0].run("plan", task, limit=LONG)
    assert isinstance(answer, Refused)
    assert (answer.status, bool(answer.faults)) == (415, True)


async def test_a_step_that_needs_too_much_memory_is_told_which_setting_says_so(
    slots: Sequence[Slot], call: Call
) -> None:
    if not LINUX:
        pytest.skip("only Linux limits what a process allocates")
    before = await call.pid_of(slots[0])
    answer = await call.run(slots[0], "eat")
    assert isinstance(answer, Raised)
    assert "WORKER_MEMORY" in answer.error
    assert await call.pid_of(slots[0]) == before


@pytest.mark.parametrize("act", ["vanish", "crash", "killed"])
async def test_a_process_that_dies_in_a_call_loses_that_call_and_no_other(
    slots: Sequence[Slot], call: Call, neighbour: Call, eventually: Waits, act: str
) -> None:
    beside = asyncio.ensure_future(neighbour.run(slots[1], "wait"))
    await eventually(lambda: neighbour.pid)
    lost = asyncio.ensure_future(call.run(slots[0], "loop" if act == "killed" else act))
    if act == "killed":
        os.kill(await eventually(lambda: call.pid), signal.SIGKILL)
    with pytest.raises(WorkerLost):
        await lost
    assert not beside.done()
    neighbour.let_go()
    assert await beside == Done(())
    dead = call.pid
    assert await call.pid_of(slots[0]) != dead


async def test_a_process_that_was_killed_while_idle_costs_no_call(
    slots: Sequence[Slot], call: Call, eventually: Waits
) -> None:
    for _ in range(2):
        idle = await call.pid_of(slots[0])
        os.kill(idle, signal.SIGKILL)
        await eventually(lambda: knows_of_its_death(slots[0]))
        assert await call.pid_of(slots[0]) != idle


async def test_a_call_that_takes_too_long_is_overdue_and_its_process_ends(
    slots: Sequence[Slot], call: Call, eventually: Waits
) -> None:
    await call.pid_of(slots[0])  # so that the limit is spent on the work
    with pytest.raises(Overdue):
        await call.run(slots[0], "loop", limit=0.2)
    looping = call.pid
    assert looping
    await eventually(lambda: gone(looping))
    assert await call.pid_of(slots[0]) != looping


async def test_a_call_that_is_cancelled_ends_its_process(slots: Sequence[Slot], call: Call, eventually: Waits) -> None:
    asked = asyncio.ensure_future(call.run(slots[0], "loop"))
    looping = await eventually(lambda: call.pid)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await eventually(lambda: gone(looping))
    assert await call.pid_of(slots[0]) != looping


async def test_a_call_that_is_cancelled_while_its_process_starts_leaves_the_slot_usable(
    slots: Sequence[Slot], call: Call
) -> None:
    slots[0].kill()
    for turns in (1, 3):
        asked = asyncio.ensure_future(call.run(slots[0]))
        for _ in range(turns):
            await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
    assert await call.run(slots[0]) == Done(())


async def test_killing_is_no_error_at_any_time(slots: Sequence[Slot], call: Call, eventually: Waits) -> None:
    pid = await call.pid_of(slots[1])
    slots[1].kill()
    slots[1].kill()
    await eventually(lambda: gone(pid))


@pytest.mark.skipif(not LINUX, reason="the server that forks is found by its parent's children")
async def test_the_loop_goes_on_however_long_a_process_takes_to_start(
    slots: Sequence[Slot], call: Call, eventually: Waits
) -> None:
    slots[0].kill()
    forking = [child for child in psutil.Process().children() if "forkserver" in words(child)]
    assert forking
    for server in forking:
        server.suspend()
    # Were the loop to wait for the server, it would never get to the next line but one; this thread lets it.
    rescue = asyncio.get_running_loop().run_in_executor(None, wake_later, forking)
    asked = asyncio.ensure_future(call.run(slots[0]))
    for _ in range(200):
        await asyncio.sleep(0.001)
    stopped = [server.status() for server in forking]
    for server in forking:
        server.resume()
    assert await asked == Done(())
    await rescue
    assert psutil.STATUS_STOPPED in stopped, "the loop stood still until somebody woke the server"


def wake_later(servers: Sequence[psutil.Process]) -> None:
    from time import sleep  # noqa: PLC0415 - in a thread, and only to end a test that fails

    for _ in range(300):
        if all(server.status() != psutil.STATUS_STOPPED for server in servers):
            return
        sleep(0.01)
    for server in servers:
        server.resume()


async def test_closing_ends_every_process_also_one_that_works(plugin: Path, call: Call, eventually: Waits) -> None:
    async with open_slots("processes://1") as [slot]:
        asked = asyncio.ensure_future(call.run(slot, "loop"))
        looping = await eventually(lambda: call.pid)
    await eventually(lambda: gone(looping))
    with pytest.raises(WorkerLost):
        await asked


async def test_a_lazy_slot_starts_its_process_when_it_is_called(plugin: Path, call: Call) -> None:
    async with open_slots("processes://1?lazy=1") as [slot]:
        before = workers()
        assert await call.pid_of(slot) not in before


async def test_a_slot_may_leave_the_cores_to_the_others(plugin: Path, call: Call) -> None:
    async with open_slots("processes://1?nice=10") as [slot]:
        assert psutil.Process(await call.pid_of(slot)).nice() == psutil.Process().nice() + 10


async def test_an_executor_that_does_not_exist_is_refused_in_a_sentence() -> None:
    with pytest.raises(BadConfig, match="nothing here speaks"):
        open_slots("abacus://4")


PARENT = """
import asyncio, signal, sys
from functools import partial
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from consumer.executors import open_slots
from consumer.steps import Task

async def main():
    for name in ("SIGINT", "SIGTERM"):
        asyncio.get_running_loop().add_signal_handler(getattr(signal, name), partial(print, name, flush=True))
    async with open_slots("processes://2") as slots:
        folder = Path(sys.argv[2])
        calls = []
        for number, slot in enumerate(slots):
            params = {"act": sys.argv[3], "path": str(folder / str(number))}
            task = Task("id", "", "", "", "", "acting", params, 1)
            calls.append(asyncio.ensure_future(slot.run("fold", task, (), limit=60)))
        await asyncio.wait(calls)
        print(*(repr(call.exception() or call.result()) for call in calls), flush=True)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest_asyncio.fixture(loop_scope="module")
async def parent(plugin: Path, tmp_path: Path) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """Starts a process with two slots, in a process group of its own; comes to it once both work."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    started: list[asyncio.subprocess.Process] = []

    async def start(act: str) -> asyncio.subprocess.Process:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, str(script), str(plugin), str(tmp_path), act),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        started.append(program)
        return program

    yield start
    for program in started:
        if program.returncode is None:
            program.kill()
        await program.communicate()


async def both_work(folder: Path, eventually: Waits) -> None:
    await eventually(lambda: all((folder / name).exists() for name in "01"), 30)


@pytest.mark.skipif(not LINUX, reason="only Linux ends a process with its parent")
async def test_no_process_is_left_of_a_parent_that_was_killed(parent: Any, tmp_path: Path, eventually: Waits) -> None:
    program = await parent("loop")
    await both_work(tmp_path, eventually)
    family = psutil.Process(program.pid).children(recursive=True)
    assert len(family) >= 3
    program.kill()
    # The resource tracker ends by itself, once the last of the others has gone.
    await eventually(lambda: all(gone(process.pid) for process in family))


async def test_ctrl_c_is_the_parent_s_business_though_the_whole_group_gets_it(
    parent: Any, tmp_path: Path, eventually: Waits, within: Waits
) -> None:
    program = await parent("wait")
    await both_work(tmp_path, eventually)
    os.killpg(program.pid, signal.SIGINT)
    assert (await within(program.stdout.readline())).decode().strip() == "SIGINT"
    for number in "01":
        (tmp_path / f"{number}.go").touch()
    out, _ = await within(program.communicate())
    assert out.decode().strip() == "Done(value=()) Done(value=())"
    assert program.returncode == 0


@pytest.mark.skipif(not LINUX, reason="only Linux tells which signals a process ignores")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
async def test_all_processes_below_the_parent_pass_over_what_tells_it_to_stop(
    parent: Any, tmp_path: Path, eventually: Waits, name: str
) -> None:
    program = await parent("wait")
    await both_work(tmp_path, eventually)
    family = psutil.Process(program.pid).children(recursive=True)
    assert len(family) >= 3
    assert [process for process in family if not ignores(process, getattr(signal, name))] == []


def ignores(process: psutil.Process, number: signal.Signals) -> bool:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return bool(int(status["SigIgn"], 16) >> (number - 1) & 1)


def gone(pid: int) -> bool:
    """Whether no such process runs; one that only waits to be buried does not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def knows_of_its_death(slot: Any) -> bool:
    """A call in the moment between a worker's death and this is as good as one under way, and lost like it."""
    return slot._pool is None or bool(slot._pool._broken)


def workers() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


async def test_where_no_process_can_be_started_that_is_said_and_not_that_a_reader_has_gone(monkeypatch):
    def broken(*_: Any, **__: Any) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(processes, "ProcessPoolExecutor", broken)
    with pytest.raises(NoWorker, match=r"^no worker process can be started: .*Broken pipe"):
        async with open_slots("processes://1"):
            pass
    async with open_slots("processes://1?lazy=1") as [slot]:
        with pytest.raises(WorkerLost):
            await slot.run("describe", "summary", limit=LONG)

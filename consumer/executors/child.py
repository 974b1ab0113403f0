"""What runs in a worker process around the work: its limits, its end, and its answer."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import os
import resource
import signal
import sys
import traceback
from typing import Any

from consumer import native
from consumer.executors import Answer, Done, NotNow, Raised, Refused, blame
from consumer.origins import whole
from consumer.steps import Task
from protocol.intake.layout import BadTable
from protocol.job import Fault
from protocol.records import Unavailable, Unfit

PR_SET_PDEATHSIG = 1
FULL = {errno.ENOSPC, errno.EDQUOT}
PARENT = "_ROWMILL_PARENT"  # the process id of who started this process


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that ends. Only Linux can."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ[PARENT]):  # it died before the kernel knew
        os._exit(1)


def be_parent() -> None:
    """Tell the processes that this one starts whose end is theirs."""
    os.environ[PARENT] = str(os.getpid())


def prepare(memory: int, *, compiled: bool, nice: int = 0) -> None:
    """In each new worker: no core dumps, no more than *memory* bytes, and stopping is the parent's business."""
    die_with_parent()
    os.nice(nice)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_DATA, memory)  # RLIMIT_AS is erratic: pyarrow reserves more than it uses
    native.switch(on=compiled)


def _limit(what: int, most: int) -> None:
    with contextlib.suppress(ValueError, OSError):  # a system that cannot is no worse off than before
        resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def hello() -> None:
    """Load what the work needs."""
    importlib.import_module("consumer.pool.handful")


def perform(step: str, arguments: tuple[Any, ...]) -> Answer:
    """Run one step and return how it went; nothing escapes, for even SystemExit would end the parent's loop."""
    try:
        module, _, name = f"work.{step}".rpartition(".")
        work = importlib.import_module(f"consumer.pool.{module.removeprefix('work.')}")
        return Done(getattr(work, name)(*arguments))
    except BaseException as exc:  # noqa: BLE001
        return explain(exc, _kind(arguments))


def _kind(arguments: tuple[Any, ...]) -> str:
    """The name of the kind that a step is about."""
    match arguments:
        case (Task(kind=kind), *_) | (str(kind), *_):
            return kind
        case _:
            return ""


def explain(error: BaseException, kind: str) -> Answer:
    """What *error* says: to the user whose table or parameters are wrong, or about the code that failed."""
    if isinstance(error, BadTable):
        return Refused(error.status, error.faults)
    if isinstance(error, Unavailable):
        return NotNow(str(error), error.why)
    if isinstance(error, OSError) and error.errno in FULL:
        return NotNow("There is no space left for what the job writes.", str(error), "no_space")
    if isinstance(error, Unfit):
        return Refused(409, (Fault(code="records_unfit", detail=str(error)),))
    kinds = importlib.import_module("consumer.kinds")
    if isinstance(error, kinds.BadInput):
        return Refused(422, (Fault(code=error.code, detail=error.detail, line=error.line),))
    short = isinstance(error, MemoryError)
    sentence = "it needed more memory than WORKER_MEMORY allows" if short else f"{type(error).__name__}: {error}"
    return Raised(whole(sentence[:500]), blame.place(error, kind), "".join(traceback.format_exception(error)))

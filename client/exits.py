"""How a command ends: the exit codes that scripts rely on, and problems as sentences instead of tracebacks."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from enum import IntEnum
from typing import Any

from protocol.access import KeyFault
from protocol.adapters import BadConfig
from protocol.job import Fault, Job, Problem, State
from protocol.log import printable


class Exit(IntEnum):
    SUCCEEDED = 0
    FAILED = 1  # the job failed
    USAGE = 2  # wrong options, or a wrong setting
    REFUSED = 3  # the server said no (4xx): asking again cannot help
    UNREACHABLE = 4  # no server, or one in trouble (5xx): asking again later may help
    CANCELLED = 5  # somebody cancelled the job
    FAULT = 70  # a fault in Rowmill itself
    INTERRUPTED = 130  # Ctrl-C
    PIPE_CLOSED = 141  # whoever read the output has gone


OF_STATE = {State.SUCCEEDED: Exit.SUCCEEDED, State.FAILED: Exit.FAILED, State.CANCELLED: Exit.CANCELLED}


class Usage(Exception):
    """What was typed cannot be done; the message says why."""


class Refused(Exception):
    """The server said no, with every fault in `problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Unreachable(Exception):
    """There is no answer, or none that makes sense."""


OF_FAILURE: dict[type[BaseException], Exit] = {
    Refused: Exit.REFUSED,
    Unreachable: Exit.UNREACHABLE,
    BadConfig: Exit.USAGE,
    Usage: Exit.USAGE,
    KeyFault: Exit.REFUSED,
    BrokenPipeError: Exit.PIPE_CLOSED,
    OSError: Exit.USAGE,  # a file that is not there, a folder that cannot be written
    KeyboardInterrupt: Exit.INTERRUPTED,
    asyncio.CancelledError: Exit.INTERRUPTED,  # the second Ctrl-C
}


def of(job: Job) -> Exit:
    """The exit code for a job; one that is still under way was at least accepted."""
    return OF_STATE.get(job.state, Exit.SUCCEEDED)


def run(main: Coroutine[Any, Any, int]) -> None:
    """Run a command to its end and leave with its exit code."""
    try:
        code = asyncio.run(main)
    except (Exception, KeyboardInterrupt, asyncio.CancelledError) as exc:
        if debugging():
            raise
        code = complain(exc)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # one more Ctrl-C while Python winds up would be a traceback
    raise SystemExit(int(code))


def debugging() -> bool:
    return "--debug" in sys.argv[1:]


def complain(exc: BaseException) -> Exit:
    """Say on stderr what went wrong, in sentences; return the exit code for it."""
    match exc:
        case ExceptionGroup(exceptions=[only, *_]):
            return complain(only)
        case BrokenPipeError():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains on the way out
        case _:
            sys.stderr.write("".join(f"{printable(sentence)}\n" for sentence in sentences(exc)))
    return next((code for kind, code in OF_FAILURE.items() if isinstance(exc, kind)), Exit.FAULT)


def sentences(exc: BaseException) -> list[str]:
    match exc:
        case Refused(problem=Problem(status=401) as problem):
            return [*describe(problem), "--key-file FILE, or ROWMILL_KEY_FILE, says where a key of the server lies."]
        case Refused(problem=problem):
            return describe(problem)
        case KeyboardInterrupt() | asyncio.CancelledError():
            return ["Interrupted."]
        case OSError(strerror=str(reason)):
            return [f"{exc.filename}: {reason}" if exc.filename else reason]
        case Unreachable() | BadConfig() | Usage() | KeyFault():
            return [str(exc)]
    return [f"This is a fault in Rowmill: {type(exc).__name__}: {exc}", "rowmill --debug … shows where."]


def describe(problem: Problem) -> list[str]:
    """A problem in lines: what it is, then every fault with its place."""
    faults = [f"- {fault.detail}{_place(fault)}" for fault in problem.errors]
    if problem.errors and problem.detail.startswith(problem.errors[0].detail):
        return [f"{problem.title}:", *faults]  # the detail only repeats them
    return [f"{problem.title}: {problem.detail}", *faults]


def _place(fault: Fault) -> str:
    places = [f"line {fault.line}"] if fault.line else []
    places += [f"column {fault.column}"] if fault.column else []
    new = [place for place in places if place not in fault.detail]
    return f" ({', '.join(new)})" if new else ""

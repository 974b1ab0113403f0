"""The port to where pandas runs: slots, each one worker at a time, that can be killed and are soon back.

The adapter is the module named after the URL's scheme. A call names a function of consumer/pool/work.py, so that the
process that asks never imports pandas; what comes back is a value, also when the work raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, cast

from protocol import adapters
from protocol.job import Fault


class WorkerLost(Exception):
    """The process that held the work died: killed, out of memory, crashed. Try again."""


class NoWorker(WorkerLost):
    """The machine has no process for the work, which has not begun. Try again later."""


class Overdue(Exception):
    """The work took longer than it may; its process was killed."""


@dataclass(frozen=True)
class Done:
    value: Any


@dataclass(frozen=True)
class Refused:
    """The table or the parameters are wrong; `faults` tell the user where."""

    status: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Raised:
    """The work failed. `error` is for the user, `where` names the file and line, `trace` is for operators."""

    error: str
    where: str
    trace: str


@dataclass(frozen=True)
class NotNow:
    """Something that the work needs cannot be had now; `detail` tells the user what, `why` tells operators more."""

    detail: str
    why: str
    code: str = "records_unavailable"


Answer = Done | Refused | Raised | NotNow


class Slot(Protocol):
    async def run(self, step: str, *arguments: Any, limit: float) -> Answer:
        """Run `work.step(*arguments)`; raise WorkerLost, or Overdue after *limit* seconds of work, and no other error.

        A step of another module has its name before it, as in `handful.do`.
        Cancelling this call kills the process that works on it.
        """

    def kill(self) -> None:
        """End the worker now; the next call starts another."""


def open_slots(url: str) -> AbstractAsyncContextManager[Sequence[Slot]]:
    """The slots of *url*, such as processes://4?memory=2147483648 (bytes that each may allocate).

    With `lazy=1` a slot starts its process only when it has something to do, with `native=0` it uses no compiled code,
    and with `nice=10` it gets what the others leave: a tenth of a core where all are busy.
    """
    return cast("AbstractAsyncContextManager[Sequence[Slot]]", adapters.find(__name__, url).connect(url))

"""The port to a SQL database: units of work that are all or nothing. Stores write portable SQL with :names.

A unit is an ordinary function that runs on the database's own thread. It cannot await, so no two units can
interleave and no cancelled task can leave a transaction open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack, cast

from protocol import adapters
from protocol.findings import Finding

log = logging.getLogger(__name__)
T = TypeVar("T")
Given = TypeVarTuple("Given")
PAUSE = 1.0  # seconds until a database that takes nothing is asked again
Row = dict[str, Any]


class Taken(adapters.BadConfig):
    """The database is another process's."""


class Unwritable(Exception):
    """It takes nothing now, such as while another program has locked it: nothing was written, and nothing is lost."""


class NoSpace(Unwritable):
    """The disk is full."""


class Transaction(Protocol):
    def execute(self, sql: str, /, **values: Any) -> int:
        """Run one statement; return how many rows it touched."""

    def insert(self, sql: str, /, **values: Any) -> int:
        """Add one row to a table that numbers its rows; return its number."""

    def rows(self, sql: str, /, **values: Any) -> list[Row]: ...

    def on_commit(self, call: Callable[[], object]) -> None:
        """Have *call* called on the event loop once this unit is committed; never if it is not."""


class Database(Protocol):
    async def write(self, unit: Callable[[Transaction], T], /) -> T:
        """Run *unit* in a transaction and return its result once that is on disk.

        If the unit raises, only its own changes are undone and the error comes out here. It may be run again where
        another unit of the same commit has failed, so it changes nothing but the database. A caller that is
        cancelled meanwhile does not stop the unit.
        """

    async def read(self, sql: str, /, **values: Any) -> list[Row]:
        """The rows of one query, as of the last commit."""

    async def migrate(self, owner: str, steps: Sequence[str]) -> None:
        """Run those of *owner*'s numbered steps that this database has not seen; one statement a step."""


async def insist(act: Callable[[Unpack[Given]], Awaitable[T]], *given: *Given) -> T:
    """Have *act* write what must be written: where the database takes nothing now, it is done anew until it does."""
    while True:
        try:
            return await act(*given)
        except Unwritable as exc:
            log.warning("not written yet, tried on: %s", exc)
            await asyncio.sleep(PAUSE)


def open_database(url: str) -> AbstractAsyncContextManager[Database]:
    return cast("AbstractAsyncContextManager[Database]", adapters.find(__name__, url).connect(url))


async def examine(url: str) -> Sequence[Finding]:
    """Whether the database at *url* is sound and can be written to. Nothing is made where none is yet."""
    return cast("Sequence[Finding]", await adapters.find(__name__, url).examine(url))

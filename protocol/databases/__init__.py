"""The port to a SQL database: units of work that are all or nothing. Stores write portable SQL with :names.

A unit is an ordinary function that runs on the database's own thread. It cannot await, so no two units can
interleave and no cancelled task can leave a transaction open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar, cast

from protocol import config
from protocol.findings import Finding

T = TypeVar("T")
Row = dict[str, Any]


class Taken(config.BadConfig):
    """The database is another process's."""


class NoSpace(Exception):
    """The disk is full: nothing was written, and nothing is lost."""


class Transaction(Protocol):
    def execute(self, sql: str, /, **values: Any) -> int:
        """Run one statement; return how many rows it touched."""

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


def open_database(url: str) -> AbstractAsyncContextManager[Database]:
    return cast("AbstractAsyncContextManager[Database]", config.adapter(__name__, url).connect(url))


async def examine(url: str) -> Sequence[Finding]:
    """Whether the database at *url* is sound and can be written to. Nothing is made where none is yet."""
    return cast("Sequence[Finding]", await config.adapter(__name__, url).examine(url))

"""The port to the records: the database at RECORDS_URL into which kinds load rows, for programs of others to use.

The adapter is the module named after the URL's scheme. Everything here blocks: it is for worker processes and threads.
The URL is the operator's; what comes from a client are values, never names.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, Protocol, cast
from urllib.parse import urlsplit

from pydantic import Field

from protocol import adapters
from protocol.findings import Finding, fault
from protocol.job import Value

NAME = r"^[a-z][a-z0-9_]{0,59}$"
KEY = "id"
Columns = Sequence[Sequence[Any]]  # some rows, as one sequence of values for each column of the table


class RecordColumn(Value):
    """`text` of at most *length* characters, `integer` (64 bits) or `number` (a double); any may be null.

    A *caseless* text is equal to another one that differs in the case of ASCII letters only.
    """

    name: str = Field(pattern=NAME)
    type: Literal["text", "integer", "number"] = "text"
    length: int | None = None
    caseless: bool = False


class RecordTable(Value):
    """A table of the records; beside these columns it has a key `id`, which counts. Rows equal in *unique* are one."""

    name: str = Field(pattern=NAME)
    columns: tuple[RecordColumn, ...]
    unique: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


class Unavailable(Exception):
    """The records cannot be had now: down, locked, full. Later they may be; the message is for the user.

    `why` is what the database says, which is for operators.
    """

    def __init__(self, detail: str, why: str = "") -> None:
        super().__init__(detail)
        self.why = why


class Unfit(Exception):
    """What lies there does not go with what is to be done, and trying again cannot help."""


@dataclass(frozen=True)
class Lot:
    """The rows of one chunk of a job, cut into chunks of *chunk_size*: what is loaded once or not at all."""

    job: str
    chunk: int
    chunk_size: int


@dataclass(frozen=True)
class Counts:
    """What became of rows: those that were there already are skipped."""

    inserted: int = 0
    updated: int = 0
    skipped: int = 0

    @property
    def numbers(self) -> dict[str, int]:
        return {"inserted": self.inserted, "updated": self.updated, "skipped": self.skipped}

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.inserted + other.inserted, self.updated + other.updated, self.skipped + other.skipped)


class Records(Protocol):
    def load(self, table: RecordTable, lot: Lot, batches: Iterable[Columns]) -> Counts:
        """Insert rows in their order and note in the ledger what became of them, in one transaction.

        A lot that is in the ledger is not loaded again: its counts are those of the first time. A table that is not
        there is made. Raises Unavailable, Unfit.
        """

    def chunk_size(self, job: str) -> int | None:
        """Into chunks of which size a job was cut that has loaded something. Raises Unavailable."""

    def page(self, table: RecordTable, *, after: int, limit: int) -> list[dict[str, Any]]:
        """The first rows whose key is larger than *after*; none where there is no such table. Raises Unavailable."""


def check_url(url: str) -> None:
    """BadConfig where nobody here speaks *url*; loads nothing of what does."""
    name = f"{adapters.PREFIX}RECORDS_URL"
    try:
        scheme, _ = urlsplit(url).scheme, urlsplit(url).port
    except ValueError as exc:
        raise adapters.BadConfig(f"{name} is no URL: {exc}") from None
    if not re.fullmatch(r"[a-z][a-z0-9]*", scheme) or find_spec(f"{__name__}.{scheme}") is None:
        raise adapters.BadConfig(
            f"{name}: nothing here speaks {scheme}://; sqlite:///path does, and postgresql://host/db"
        )


def open_records(url: str) -> Records:
    """No connection is made before there is something to do, and none is kept."""
    return cast("Records", adapters.find(__name__, url).connect(url))


async def examine(url: str) -> Sequence[Finding]:
    """Whether the records can be asked."""
    check_url(url)
    try:
        await asyncio.to_thread(open_records(url).chunk_size, "")
    except (Unavailable, Unfit) as exc:
        reason = str(exc.__cause__ or exc).strip().partition("\n")[0]  # what users are not told, operators need
        advice = "Start that database, or correct ROWMILL_RECORDS_URL."
        return [fault("records", f"they cannot be had: {reason}", advice)]
    return [Finding(part="records", detail=f"{urlsplit(url).scheme}: it answers")]

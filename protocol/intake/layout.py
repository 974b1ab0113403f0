"""How a table is written, as values: what the user may declare, what looking at it found, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

from pydantic import Field

from protocol.job import Fault, Finding, Value
from protocol.reading import Reading

CANDIDATES = (",", ";", "\t", "|")
DECLARED = ("encoding", "delimiter", "decimal")
QUOTE, APOSTROPHE, UNQUOTED = '"', "'", "none"
MAX_COLUMNS = 2_000
MAX_HEADER = 256 * 1024
MAX_FIELD = 1024 * 1024


class Reader(Protocol):
    """What a kind, or what is announced of it, says about reading its tables."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def surplus(self) -> str: ...


class ReadOptions(Value):
    """What the user declares where looking gets it wrong, and what the kind allows.

    Where there are *names*, a table needs no header: one whose first row has none of them is taken to have these
    columns. Whether there is a header may be declared too. `columns` maps needed names to those in the file.
    """

    encoding: str | None = None
    delimiter: str | None = None
    decimal: str = "."
    names: tuple[str, ...] = ()
    surplus: str = "reject"
    header: bool | None = None
    quote: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def of(cls, params: Mapping[str, Any], kind: Reader | None, reading: Reading | None = None) -> ReadOptions:
        """What is declared for a job: the reading options among its parameters too (the others are the kind's)."""
        declared = {name: params[name] for name in DECLARED if name in params}
        said = (reading or Reading()).model_dump(exclude_none=True)
        return cls.model_validate(declared | said | ({"names": kind.names, "surplus": kind.surplus} if kind else {}))

    @property
    def mark(self) -> str:
        """What surrounds cells."""
        return self.quote or QUOTE

    def name_of(self, needed: str) -> str:
        """What a needed column is called in the file."""
        return self.columns.get(needed, needed)


class Format(StrEnum):
    """How a table is written; what is no CSV is only recognised here, and read by the consumer."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"
    JSONL = "jsonl"


MEDIA_TYPES = {
    Format.CSV: "text/csv",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.JSONL: "application/jsonl",
}


class Layout(Value):
    """How the rows of a table lie in its bytes.

    `rows_begin` (bytes) and `first_line` (physical lines from 1) say where the row after the header starts,
    counted in the table as UTF-8. `blanks` says that blanks before an opening quote belong to the quoting.
    A `headless` table has no header row. `size` (bytes) and `lines` (begun, the last one perhaps empty) are those of
    the whole UTF-8 table. Where it is `rowwise`, lines are counted by rows: a newline in a cell starts none. Of
    another format than CSV nothing else is known before it was copied.
    """

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    blanks: bool = False
    headless: bool = False
    rows_begin: int
    first_line: int
    size: int
    lines: int
    findings: tuple[Finding, ...] = ()
    format: Format = Format.CSV
    rowwise: bool = False


class BadTable(Exception):
    """These bytes are no table that can be worked on, and trying again cannot help.

    `status` is 413, 415 or 422. `layout` is there where at least the header was understood, so that what the
    needed columns lack can be told in the same answer.
    """

    def __init__(self, status: int, faults: tuple[Fault, ...], layout: Layout | None = None) -> None:
        super().__init__(status, faults, layout)  # all of it, so that it pickles
        self.status, self.faults, self.layout = status, faults, layout

    def __str__(self) -> str:
        return " ".join(fault.detail for fault in self.faults)

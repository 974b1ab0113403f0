"""How a table is written, as values: what the user may declare, what looking at it found, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from protocol.job import Fault, Finding, Value

CANDIDATES = (",", ";", "\t", "|")
DECLARED = ("encoding", "delimiter", "decimal")
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
    columns.
    """

    encoding: str | None = None
    delimiter: str | None = None
    decimal: str = "."
    names: tuple[str, ...] = ()
    surplus: str = "reject"

    @classmethod
    def of(cls, params: Mapping[str, Any], kind: Reader | None) -> ReadOptions:
        """The reading options among a job's parameters (the others are the kind's), and those of the kind."""
        declared = {name: params[name] for name in DECLARED if name in params}
        return cls.model_validate(declared | ({"names": kind.names, "surplus": kind.surplus} if kind else {}))


class Layout(Value):
    """How the rows of a table lie in its bytes.

    `rows_begin` (bytes) and `first_line` (physical lines from 1) say where the row after the header starts,
    counted in the table as UTF-8. `blanks` says that blanks before an opening quote belong to the quoting.
    `newline` is `\\n`, `\\r\\n`, `\\r`, `mixed` or, where no line ends, nothing. `size` (bytes) and
    `lines` (begun, the last one perhaps empty) are those of the whole UTF-8 table.
    """

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    newline: str = ""
    has_quotes: bool = False
    blanks: bool = False
    rows_begin: int
    first_line: int
    size: int
    lines: int
    findings: tuple[Finding, ...] = ()


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

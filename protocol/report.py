"""What a job has found: so far, or as its result."""

from __future__ import annotations

from typing import Any

from pydantic import Field, JsonValue

from protocol.value import Value


class Table(Value):
    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[JsonValue, ...], ...]
    truncated: bool = False


class Chart(Value):
    """`spec` is Vega-Lite, with its data inside."""

    name: str
    spec: dict[str, Any]


class Account(Value):
    """Where every row of the table went: `read` is the sum of the others."""

    read: int
    used: int
    rejected: int  # left out, and listed with line and reason
    skipped: int = 0  # right, and deliberately without effect

    def __str__(self) -> str:
        parts = [("used", self.used), ("rejected", self.rejected), ("skipped", self.skipped)]
        shown = " + ".join(f"{count:,} {word}" for word, count in parts if count or word == "used")
        return f"{self.read:,} {'row' if self.read == 1 else 'rows'} read = {shown}"


class Report(Value):
    """What is known so far (`share` of the bytes, 0 to 1) or, when `final`, the result."""

    headline: str
    numbers: dict[str, JsonValue] = Field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    account: Account | None = None
    share: float = 1.0
    final: bool = False

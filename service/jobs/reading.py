"""Reads the records in threads, a page at a time and never writing; knows no HTTP."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any

from protocol.records import KEY, RecordTable, open_records

AT_ONCE = 4  # threads that may wait for the database

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Page:
    """Some rows of a table, and the key after which the next page begins; None on the last one."""

    table: RecordTable
    rows: Rows
    following: int | None


class Reading:
    """Nothing of what speaks to databases is loaded before somebody asks."""

    def __init__(self, url: str) -> None:
        self._url, self._room = url, asyncio.Semaphore(AT_ONCE)

    async def page(self, table: RecordTable, after: int, limit: int) -> Page:
        async with self._room:
            rows = await asyncio.to_thread(self._read, table, after, limit + 1)  # one more tells whether there is more
        return Page(table, rows[:limit], rows[limit - 1][KEY] if len(rows) > limit else None)

    def _read(self, table: RecordTable, after: int, limit: int) -> Rows:
        return [_plain(row) for row in open_records(self._url).page(table, after=after, limit=limit)]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """What JSON cannot say is null."""
    odd = (name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value))
    return row | dict.fromkeys(odd)

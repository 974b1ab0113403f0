"""Combines the partials of a table's chunks, some at a time: no worker is given them all, however long the table is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate
from typing import Any

from consumer.steps import Run

MOST = 2**20  # bytes of partials that are combined in one call, but two of them at least: a worker holds them twice


async def fold(call: Callable[..., Awaitable[Any]], runs: Sequence[Run]) -> Run:
    """All of *runs*, which lie side by side, as one. They are joined one after the other, however many a call takes."""
    left = [*runs]
    while len(left) > 1:
        some = _at_once(left)
        left[:some] = await call("fold", "combining", left[:some])
    return left[0]


def _at_once(runs: Sequence[Run]) -> int:
    """How many of the first ones."""
    sizes = accumulate(len(run.partial) for run in runs)
    return max(2, bisect_right([*sizes], MOST))

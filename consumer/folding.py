"""Combines the partials of a table's chunks, some at a time: no worker is given them all, however long the table is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from consumer.steps import Milled, Plan, Run

HELD = 8 * 2**20  # bytes of partials of what was done before a restart
MOST = 2**20  # bytes of partials that are combined in one call, but two of them at least: a worker holds them twice


async def fold(call: Callable[..., Awaitable[Any]], runs: Sequence[Run]) -> Run:
    """All of *runs*, which lie side by side, as one. They are joined one after the other, however many a call takes."""
    left = [*runs]
    while len(left) > 1:
        some = _at_once(left)
        left[:some] = await call("fold", "combining", left[:some])
    return left[0]


def spare(plan: Plan, result: Any) -> Any:
    """What is to be held of a chunk: not its partial, where only the runs are asked, which are combined by and by."""
    if not isinstance(result, Milled) or plan.ordered or plan.terms:
        return result
    return replace(result, partial=b"")


async def condense(call: Callable[..., Awaitable[Any]], runs: Sequence[Run]) -> tuple[Run, ...]:
    """*runs* in file order; once those of single chunks are more than is to be held, neighbours become one."""
    if sum(len(run.partial) for run in runs if run.stop - run.start == 1) <= HELD:
        return tuple(runs)
    stretches: list[list[Run]] = []
    for run in runs:
        if stretches and stretches[-1][-1].stop == run.start:
            stretches[-1].append(run)
        else:
            stretches.append([run])
    return tuple([await fold(call, stretch) for stretch in stretches])


def _at_once(runs: Sequence[Run]) -> int:
    """How many of the first ones."""
    sizes = accumulate(len(run.partial) for run in runs)
    return max(2, bisect_right([*sizes], MOST))

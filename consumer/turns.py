"""Whose turn it is among rows that each have their time, such as mails and webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol, TypeVar

from protocol.naps import nap


class Timed(Protocol):
    @property
    def due(self) -> float:
        """Epoch seconds."""


T = TypeVar("T", bound=Timed)


async def next_due(
    pending: Callable[[], Awaitable[Sequence[T]]],
    taken: Collection[T],
    news: asyncio.Event,
    clock: Callable[[], float],
    longest: float,
) -> T:
    """The first of *pending* that nobody has *taken*, once it is due. *news* is set when that may be another one.

    What seems due in more than the *longest* time that any waits is due: the clock was set back.
    """
    while True:
        news.clear()
        first = next((one for one in await pending() if one not in taken), None)
        if first is not None and not 0 < first.due - clock() <= longest:
            return first
        await nap(news, None if first is None else first.due - clock())

"""Waiting for an event, but not for ever."""

from __future__ import annotations

import asyncio
from contextlib import suppress


async def nap(until: asyncio.Event, most: float | None) -> None:
    """Until the event is set, or *most* seconds have gone by."""
    with suppress(TimeoutError):
        async with asyncio.timeout(most):
            await until.wait()

"""How a process that serves is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def expected() -> Iterator[asyncio.Event]:
    """An event that SIGINT or SIGTERM sets. A second Ctrl-C cancels what still runs; SIGTERM may come twice."""
    loop, task, stop = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()

    def interrupt() -> None:
        if stop.is_set() and task:
            task.cancel()
        stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    yield stop

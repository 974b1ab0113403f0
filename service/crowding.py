"""When there are as many connections as there may be: whoever comes then is told so, and the others notice nothing.

Without that the system accepts no more once this process has too many files open, and nothing can be stored or read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import cast

from service import descriptors
from service.problems import MEDIA_TYPE, describe

log = logging.getLogger(__name__)
EACH = 2  # open files that a connection may need: itself, and the file that goes over it
PAUSE = 60.0  # seconds between two lines in the log
RETRY = 5


def room(most: int) -> int:
    """How many connections there may be: *most*, or fewer where this process may not have so many files open."""
    return min(most, descriptors.limit() // EACH)


class Crowd:
    """Makes what speaks with a client: by *connect* while fewer than *most* are *taken*; *refuse* counts the rest."""

    def __init__(
        self, connect: Callable[[], asyncio.Protocol], taken: Callable[[], int], most: int, refuse: Callable[[], object]
    ) -> None:
        self._connect, self._taken, self._most, self._refuse = connect, taken, most, refuse
        self._told = -PAUSE

    def __call__(self) -> asyncio.Protocol:
        if self._taken() < self._most:
            return self._connect()
        self._refuse()
        if time.monotonic() - self._told >= PAUSE:
            self._told = time.monotonic()
            log.warning("too many connections", extra={"action": "refuse", "connections": self._most})
        return _Refusal()


class _Refusal(asyncio.Protocol):
    """Answers before there is a request, and hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        body = describe("busy", "There are too many connections.").model_dump_json().encode()
        lines = (
            "HTTP/1.1 503 Service Unavailable",
            f"Content-Type: {MEDIA_TYPE}",
            f"Content-Length: {len(body)}",
            f"Retry-After: {RETRY}",
            "Connection: close",
        )
        writing = cast("asyncio.Transport", transport)
        writing.write("\r\n".join((*lines, "", "")).encode() + body)
        writing.close()

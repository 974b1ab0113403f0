"""Tickets, for those who cannot send a header: one opens one address, once, within a minute."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from protocol.access import Scope
from service.door.caller import Caller

LIFE = 60.0  # seconds
MOST = 10_000  # at a time


class Tickets:
    """They live in memory: who loses one, as the service restarts, asks for another."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._given: dict[str, tuple[float, str, Caller]] = {}  # the oldest first

    def give(self, path: str, caller: Caller) -> str:
        """A ticket to look at *path* as *caller*; where there are too many, the oldest is worth nothing any more."""
        self._forget()
        ticket = secrets.token_urlsafe(32)
        reader = replace(caller, scopes=caller.scopes & {Scope.READ, Scope.ADMIN}, csrf=None)
        self._given[ticket] = self._clock() + LIFE, path, reader
        return ticket

    def take(self, ticket: str, path: str) -> Caller | None:
        """Whose ticket it is; from then on it is nobody's."""
        until, place, caller = self._given.pop(ticket, (0.0, "", None))
        return caller if place == path and until > self._clock() else None

    def _forget(self) -> None:
        now = self._clock()
        while self._given:
            oldest = next(iter(self._given))
            if self._given[oldest][0] > now and len(self._given) < MOST:
                return
            del self._given[oldest]

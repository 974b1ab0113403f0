"""What one key may take of the service: requests a minute, uploads at a time, jobs in the queue.

Where no keys are in use nobody is counted.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Network
from math import ceil

from aiohttp import web

from protocol.config import Settings
from service.door.caller import Caller
from service.problems import Refused

WINDOW = 60.0  # seconds
KNOWN = 10_000  # who are remembered: the latest
FAILURES = 30  # wrong keys of one address in a minute


@dataclass(frozen=True)
class Allowance:
    """After one request: how many more there may be, and in how many seconds there may be *most* again."""

    most: int
    left: float

    @property
    def granted(self) -> bool:
        return self.left >= 0

    def seconds(self, wanted: float) -> int:
        """Until there are so many."""
        return max(0, ceil((wanted - self.left) * WINDOW / self.most))

    def headers(self) -> Mapping[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers spells it."""
        left, reset = max(0, int(self.left)), self.seconds(self.most)
        return {"RateLimit-Policy": f'"key";q={self.most};w={WINDOW:.0f}', "RateLimit": f'"key";r={left};t={reset}'}


ALLOWANCE = web.RequestKey("allowance", Allowance)


class Rate:
    """*most* requests a minute of each: all at once or spread, they come back one by one."""

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._left: dict[str, tuple[float, float]] = {}  # what was left and when; who was seen last comes last

    def look(self, who: str) -> Allowance:
        """What one more request would leave, without its being one."""
        return Allowance(self._most, self._now(who, self._clock()) - 1)

    def _now(self, who: str, now: float) -> float:
        left, at = self._left.get(who, (float(self._most), now))
        return min(self._most, left + (now - at) * self._most / WINDOW)

    def take(self, who: str) -> Allowance:
        now = self._clock()
        left = self._now(who, now)
        self._left.pop(who, None)
        allowance = Allowance(self._most, left - 1)
        self._left[who] = left - 1 if allowance.granted else left, now
        if len(self._left) > KNOWN:
            del self._left[next(iter(self._left))]
        return allowance


class Failures:
    """Wrong keys from one address: after so many in a minute nobody there can go on guessing for a while."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = Rate(FAILURES, clock=clock)

    def check(self, address: str) -> None:
        allowance = self._rate.look(_household(address))
        if not allowance.granted:
            detail = "Too many wrong keys came from your address; wait a moment."
            raise Refused("too_many_failures", detail, headers={"Retry-After": str(allowance.seconds(0))})

    def note(self, address: str) -> None:
        self._rate.take(_household(address))


def _household(address: str) -> str:
    """Who may be one guesser: of IPv6 everybody has 2**64 addresses to guess from."""
    try:
        network = IPv6Network((address.partition("%")[0], 64), strict=False)
    except ValueError:
        return address
    return str(network) if int(network.network_address) else address  # an IPv4 address in IPv6 is somebody's own


class Quotas:
    def __init__(self, settings: Settings) -> None:
        self.queued = settings.key_queue
        self._rate, self._uploads = Rate(settings.key_rate), settings.key_uploads
        self._under_way = Counter[str]()

    def meter(self, request: web.Request, caller: Caller) -> None:
        """Count the request; its answer will say what is left."""
        who = caller.name or (f"link {caller.job}" if caller.job else None)
        if who is None:
            return
        allowance = request[ALLOWANCE] = self._rate.take(who)
        if not allowance.granted:
            detail = f"A key may make {allowance.most} requests a minute here."
            raise Refused("too_many_requests", detail, headers={"Retry-After": str(allowance.seconds(0))})

    @contextmanager
    def upload(self, who: str | None) -> Iterator[None]:
        if who is None:
            yield
            return
        if self._under_way[who] >= self._uploads:
            detail = f"A key may have {self._uploads} uploads under way here."
            raise Refused("too_many_uploads", detail, headers={"Retry-After": "5"})
        self._under_way[who] += 1
        try:
            yield
        finally:
            self._under_way[who] -= 1
            self._under_way += Counter()  # forgets those who have none

    def full(self) -> Refused:
        detail = f"A key may have {self.queued} jobs in the queue here."
        return Refused("queue_full", detail, headers={"Retry-After": "30"})

"""Which kinds there are: what consumers have announced, kept in memory and in the database.

A kind stays known when its consumers fall silent: its jobs wait. Readiness says that nobody is there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

from protocol.databases import Database
from protocol.kinds import KindInfo
from protocol.messages import ConsumerReady

MIGRATIONS = ("CREATE TABLE service_kinds (consumer TEXT PRIMARY KEY, seen REAL NOT NULL, body TEXT NOT NULL)",)
UPSERT = """INSERT INTO service_kinds (consumer, seen, body) VALUES (:consumer, :seen, :body)
    ON CONFLICT (consumer) DO UPDATE SET seen = excluded.seen, body = excluded.body"""
FORGET_AFTER = 7 * 86400.0  # seconds


class Offers:
    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock
        self._offers: dict[str, tuple[float, tuple[KindInfo, ...]]] = {}
        self._kinds: dict[str, KindInfo] = {}

    async def prepare(self) -> None:
        await self._database.migrate("service kinds", MIGRATIONS)
        for row in await self._database.read("SELECT consumer, seen, body FROM service_kinds ORDER BY seen"):
            self._offers[row["consumer"]] = row["seen"], _parse(row["body"])
        self._sort()

    async def record(self, ready: ConsumerReady) -> None:
        now = self._clock()
        body = json.dumps([kind.model_dump(mode="json") for kind in ready.kinds])
        await self._database.write(lambda tx: tx.execute(UPSERT, consumer=ready.consumer, seen=now, body=body))
        self._offers.pop(ready.consumer, None)  # the newest comes last, so that its kinds win
        self._offers[ready.consumer] = now, ready.kinds
        await self._forget_the_long_gone(now - FORGET_AFTER)
        self._sort()

    async def _forget_the_long_gone(self, then: float) -> None:
        if gone := [name for name, (seen, _kinds) in self._offers.items() if seen < then]:
            await self._database.write(lambda tx: tx.execute("DELETE FROM service_kinds WHERE seen < :then", then=then))
            for name in gone:
                self._offers.pop(name, None)

    def kinds(self) -> Mapping[str, KindInfo]:
        """Every kind by name, sorted by it."""
        return self._kinds

    def _sort(self) -> None:
        found = {kind.name: kind for _seen, kinds in self._offers.values() for kind in kinds}
        self._kinds = dict(sorted(found.items()))

    def silence(self) -> float | None:
        """Seconds since a consumer was last heard; None when none ever was."""
        return self._clock() - max(seen for seen, _kinds in self._offers.values()) if self._offers else None


def _parse(body: str) -> tuple[KindInfo, ...]:
    return tuple(KindInfo.model_validate(kind) for kind in json.loads(body))

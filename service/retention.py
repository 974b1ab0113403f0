"""Which ended jobs' files have had their time, by age and by total size. The consumer removes them when it is asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from protocol.config import Settings, parse_size, parse_time
from protocol.value import Value
from service.jobs import listing
from service.problems import Refused
from service.wiring import SERVICE, Service

log = logging.getLogger(__name__)
AT_ONCE = 10_000  # jobs looked at
BATCH = 100  # jobs asked for in one transaction
SHOWN = 1000
AGAIN = 600.0  # seconds until a job is asked for once more
MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Rules:
    """How long files are kept (seconds), and how many bytes of them."""

    age: float | None = None
    size: int | None = None


class Held(Value):
    """An ended job whose files are there: `ended` in microseconds since 1970, `held` in bytes."""

    id: str
    ended: int
    held: int


class Expired(Value):
    id: str
    finished_at: datetime
    bytes: int


class Pruning(Value):
    """What is removed, or with `dry_run` would be: `jobs` lists the oldest of them."""

    dry_run: bool
    count: int
    bytes: int
    jobs: tuple[Expired, ...]


def choose(held: Sequence[Held], total: int, rules: Rules, now: float) -> list[Held]:
    """Those whose time is up, the oldest end first: they are too old, or all the files (*total* bytes) too large."""
    chosen = []
    for one in held:
        old = rules.age is not None and one.ended <= (now - rules.age) * MICROSECONDS
        full = rules.size is not None and total > rules.size
        if not (old or full):
            break
        chosen.append(one)
        total -= one.held
    return chosen


async def look(service: Service, rules: Rules) -> list[Held]:
    """What *rules* say of the jobs as they are."""
    held = [Held(**row) for row in await service.store.held(AT_ONCE)]
    return choose(held, await service.store.held_in_all(), rules, service.clock())


async def ask(service: Service, chosen: Sequence[Held]) -> None:
    for start in range(0, len(chosen), BATCH):
        await service.store.prune([one.id for one in chosen[start : start + BATCH]])
    if chosen:
        size = sum(one.held for one in chosen)
        log.info("files have had their time", extra={"action": "prune", "jobs": len(chosen), "bytes": size})


async def retain(service: Service) -> None:
    """Keep to the settings, for ever. What is asked for goes when a consumer is there."""
    rules = rules_of(service.settings)
    asked: dict[str, float] = {}
    while rules != Rules():
        now = service.clock()
        asked = {job_id: at for job_id, at in asked.items() if now - at < AGAIN}
        fresh = [one for one in await look(service, rules) if one.id not in asked]
        await ask(service, fresh)
        asked |= dict.fromkeys((one.id for one in fresh), now)
        await asyncio.sleep(service.limits.prune)


def rules_of(settings: Settings) -> Rules:
    return Rules(settings.retention, settings.retention_size)


async def prune(request: web.Request) -> web.Response:
    """Apply the rules of the settings, or those that are given, at once; with `dry_run` only say what they mean."""
    service = request.app[SERVICE]
    rules = _rules(request, rules_of(service.settings))
    dry = listing.parse_flag(request.query, "dry_run")
    chosen = await look(service, rules)
    if not dry:
        await ask(service, chosen)
    text = describe(chosen, dry_run=dry).model_dump_json()
    return web.Response(status=200 if dry else 202, body=text.encode(), content_type="application/json")


def describe(chosen: Sequence[Held], *, dry_run: bool) -> Pruning:
    jobs = tuple(
        Expired(id=one.id, finished_at=datetime.fromtimestamp(one.ended / MICROSECONDS, UTC), bytes=one.held)
        for one in chosen[:SHOWN]
    )
    return Pruning(dry_run=dry_run, count=len(chosen), bytes=sum(one.held for one in chosen), jobs=jobs)


def _rules(request: web.Request, usual: Rules) -> Rules:
    given = {name: request.query[name] for name in ("older_than", "max_size") if name in request.query}
    if not given and usual == Rules():
        raise Refused("bad_parameter", "Nothing says what may go: give older_than or max_size.")
    age = listing.parse_given(given, "older_than", parse_time)
    return Rules(age, listing.parse_given(given, "max_size", parse_size)) if given else usual

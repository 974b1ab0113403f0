"""Makes the calls that jobs' ends have put into the box, each again and again until it is taken or hopeless."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Protocol, assert_never, cast

from consumer.webhooks.box import NO_MORE, Box, Due, Fate, Verdict, snapshot
from protocol import envelopes, webhooks
from protocol import log as lines
from protocol.databases import Database, Transaction, insist
from protocol.job import Job
from protocol.messages import JobChanged

log = logging.getLogger(__name__)
DELAYS = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)  # seconds; as the standard has them
LONGEST_DELAY = 86400.0
LANES = 8  # calls at a time
LANES_EACH = 2  # of those to one address
GONE = 410
TAKEN = range(200, 300)


@dataclass(frozen=True)
class Answered:
    status: int
    retry_after: float | None = None  # seconds


@dataclass(frozen=True)
class Unreached:
    reason: str


@dataclass(frozen=True)
class Forbidden:
    """The address is none that may be called from here."""

    reason: str


Outcome = Answered | Unreached | Forbidden


class Web(Protocol):
    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Outcome: ...


def judge(outcome: Outcome, attempts: int, delays: Sequence[float]) -> Verdict:
    """What an outcome means after so many attempts. Whatever is no 2xx is tried again, but for 410."""
    match outcome:
        case Answered(status) if status in TAKEN:
            return Verdict(Fate.DELIVERED, None, status)
        case Answered(status) if status == GONE:
            return Verdict(Fate.DISABLED, NO_MORE, status)
        case Answered(status, after):
            return _again(f"answered {status}", status, attempts, delays, after or 0.0)
        case Unreached(reason):
            return _again(reason, None, attempts, delays)
        case Forbidden(reason):
            return Verdict(Fate.FAILED, reason, None)
        case _:
            assert_never(outcome)


def _again(why: str, status: int | None, attempts: int, delays: Sequence[float], least: float = 0.0) -> Verdict:
    if attempts > len(delays):
        return Verdict(Fate.FAILED, f"{why} (given up after {attempts} attempts)", status)
    return Verdict(Fate.PENDING, why, status, max(delays[attempts - 1], min(least, LONGEST_DELAY)))


class Caller:
    """`changed` is called inside the unit that changes a webhook, so that its job shows it from the same moment."""

    def __init__(
        self,
        database: Database,
        box: Box,
        keys: Sequence[bytes],
        *,
        changed: Callable[[Transaction, str], None],
        trusted: Sequence[str] = (),
        delays: Sequence[float] = DELAYS,
    ) -> None:
        self._database, self._box, self._keys = database, box, keys
        self._changed, self._trusted, self._delays = changed, trusted, delays
        self._lanes, self._taken, self._calling = asyncio.Semaphore(LANES), set[Due](), Counter[str]()

    async def run(self) -> None:
        """Call for ever. What is cut off is called again after the next start."""
        async with AsyncExitStack() as stack:
            await self._lanes.acquire()
            hook = await self._next()
            web = await stack.enter_async_context(await _open_web(self._trusted))
            async with asyncio.TaskGroup() as group:
                while True:
                    with lines.about(job=hook.job):
                        group.create_task(self._call(web, hook)).add_done_callback(partial(self._release, hook))
                    await self._lanes.acquire()
                    hook = await self._next()

    async def _next(self) -> Due:
        hook = await self._box.due(self._database, self._taken, self._busy, LONGEST_DELAY)
        self._taken.add(hook)
        self._calling[hook.url] += 1
        return hook

    def _busy(self) -> list[str]:
        """One that is slow must not hold up the calls to others."""
        return [url for url, calls in self._calling.items() if calls >= LANES_EACH]

    def _release(self, hook: Due, _task: asyncio.Task[None]) -> None:
        self._taken.discard(hook)
        self._calling[hook.url] -= 1
        self._calling += Counter()  # forgets those that nobody calls
        self._lanes.release()
        self._box.news.set()

    async def _call(self, web: Web, hook: Due) -> None:
        ended = await snapshot(self._database, hook)
        if ended is None:
            return
        body = await asyncio.to_thread(_spell, ended)
        headers = webhooks.sign(self._keys, hook.message_id, int(self._box.clock()), body)
        try:
            outcome = await web.post(hook.url, body, headers | {"Content-Type": "application/json"})
        except Exception as exc:
            log.exception("webhook not called", extra={"attempt": hook.attempts + 1})
            outcome = Unreached(f"not called: {type(exc).__name__}")
        verdict = judge(outcome, hook.attempts + 1, self._delays)
        await insist(self._database.write, partial(self._record, hook, verdict))
        level = logging.INFO if verdict.state is Fate.DELIVERED else logging.WARNING
        about = {"webhook": webhooks.origin_of(hook.url), "attempt": hook.attempts + 1}
        log.log(level, "webhook %s: %s", verdict.state, verdict.detail or verdict.status, extra=about)

    def _record(self, hook: Due, verdict: Verdict, tx: Transaction) -> None:
        for job in self._box.settle(tx, hook, verdict):
            self._changed(tx, job)


async def _open_web(trusted: Sequence[str]) -> AbstractAsyncContextManager[Web]:
    """Only who calls loads the library for it, and without stopping the loop."""
    browsing = await asyncio.to_thread(importlib.import_module, "consumer.http.browsing")
    return cast("AbstractAsyncContextManager[Web]", browsing.calling(trusted, LANES))


def _spell(ended: str) -> bytes:
    """The event of the job's end, the same bytes each time."""
    job = Job.model_validate_json(ended)
    return envelopes.encode(JobChanged(job=job), at=job.finished_at or job.created_at)

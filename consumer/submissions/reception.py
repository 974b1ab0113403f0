"""Jobs that other services ask for by message: judged by the rules of HTTP, stored, answered, or refused and set aside.

A table that came along is dealt with while its message is unacknowledged; for one that must be fetched the message is
stored first, since that may take long.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterable
from typing import Any
from weakref import WeakValueDictionary

from consumer import submitted
from consumer.http import fetching
from consumer.http.fetching import Unfetchable
from consumer.metrics import Metrics
from consumer.submissions import requests
from consumer.submissions.acceptance import Acceptance, Rules, in_blocks
from consumer.submissions.requests import Inline, Refusal, Remote
from consumer.submissions.retrieval import Retrieval
from consumer.submissions.store import SubmissionStore
from consumer.submitted import Asked, Known
from protocol.databases import NoSpace
from protocol.files import Files
from protocol.job import Job
from protocol.kinds import KindInfo
from protocol.messages import SubmitJob
from protocol.transports import Delivery

log = logging.getLogger(__name__)
MOST_FAILURES = 10  # of our own, before a message is set aside
PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0)  # seconds before a message that could not be stored goes back


class Submissions:
    def __init__(self, store: SubmissionStore, files: Files, rules: Rules, metrics: Metrics) -> None:
        self._store, self._sources, self._metrics = store, rules.sources, metrics
        self._acceptance = Acceptance(store, files, rules, metrics)
        self._retrieval = Retrieval(store, self._acceptance, rules.sources, metrics)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._failed: dict[str, int] = {}  # how often, by fingerprint

    async def prepare(self, kinds: Iterable[KindInfo]) -> None:
        """Before anything is taken: clear away what a dead process left, and learn which kinds may be asked for."""
        self._acceptance.offer(kinds)
        await self._acceptance.sweep()

    async def retrieve(self) -> None:
        """Fetch the tables that messages only named, for ever."""
        await self._retrieval.run()

    def identify(self, message: SubmitJob) -> Asked:
        return Asked(requests.job_id(message, uuid.uuid4().hex), requests.fingerprint(message), message)

    async def take(self, delivery: Delivery[Any], asked: Asked, *, run: bool = False) -> Job | None:
        """Deal with one message; where that fails, it comes again.

        Who would *run* a job now gets the one that it has become, if it is not to wait for its turn.
        """
        job = None
        try:
            async with self._locks.setdefault(asked.job, asyncio.Lock()):  # the same may come twice at once
                job = await self._begin(asked, take=run)
        except Refusal as no:
            await self._refuse(delivery, asked, no)
        except Exception as exc:
            log.exception("message not stored; it comes again", extra={"message_id": asked.message.message_id})
            await self._give_back(delivery, asked, exc)
        else:
            self._failed.pop(asked.fingerprint, None)
            await delivery.ack()
        return job

    async def _begin(self, asked: Asked, *, take: bool) -> Job | None:
        """Have the job stored, or at least the message."""
        request = requests.read(asked.message)
        if submitted.is_ours(asked.message.reply_to):
            raise Refusal("malformed", "reply_to names a queue of Rowmill's own.")
        comes_along = isinstance(request.source, Inline | None)
        if self._is_known(asked, await self._store.known(asked, begin=comes_along)):
            return None
        match request.source:
            case Inline() | None as source:
                return await self._acceptance.accept(
                    asked, request, in_blocks(source.data) if source else None, take=take
                )
            case Remote(url):
                self._allow(url)
                await self._store.keep(asked)
                self._retrieval.look()
                return None

    def _is_known(self, asked: Asked, earlier: Known | None) -> bool:
        if earlier is None:
            return False
        if earlier.fingerprint != asked.fingerprint:
            raise Refusal("key_reused", "This message_id was used for something else.")
        if earlier.deleted:
            raise Refusal("deleted", "The job of this message_id has been deleted.")
        return True

    def _allow(self, url: str) -> None:
        try:
            fetching.allow(url, self._sources)
        except Unfetchable as exc:
            raise Refusal("source_refused", str(exc)) from None

    async def _refuse(self, delivery: Delivery[Any], asked: Asked, no: Refusal) -> None:
        """Answer first: where that fails, the message comes again."""
        try:
            await self._store.refuse(asked.message, no.problem)
        except Exception:
            log.exception("refusal not stored; the message comes again")
            await asyncio.sleep(PAUSES[0])
            await delivery.requeue()
            return
        self._metrics.submissions.labels("refused").inc()
        log.info("submission refused: %s", no.problem.detail, extra={"message_id": asked.message.message_id})
        await delivery.bury(no.problem.detail)

    async def _give_back(self, delivery: Delivery[Any], asked: Asked, why: Exception) -> None:
        """It comes again; but what fails each time, and not for want of space, is not tried for ever."""
        fails = self._failed[asked.fingerprint] = self._failed.get(asked.fingerprint, 0) + 1
        await asyncio.sleep(PAUSES[min(fails, len(PAUSES)) - 1])
        if fails < MOST_FAILURES or isinstance(why, OSError | NoSpace) or await self._acceptance.short_of_space():
            await delivery.requeue()
        else:
            del self._failed[asked.fingerprint]
            detail = f"Rowmill failed at it {MOST_FAILURES} times; its log has the reasons."
            await self._refuse(delivery, asked, Refusal("internal", detail))

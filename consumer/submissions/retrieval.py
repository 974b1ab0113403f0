"""Fetches the tables that submissions only name, some at a time, each as often as it may help, across restarts.

Beside the jobs: a source that is slow or down holds up other sources at worst.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from consumer.http import fetching
from consumer.http.fetching import Unfetchable
from consumer.metrics import Metrics
from consumer.submissions import requests
from consumer.submissions.acceptance import Acceptance
from consumer.submissions.requests import Refusal, Remote, Request
from consumer.submissions.store import SubmissionStore
from consumer.submitted import Asked
from protocol import log as lines

log = logging.getLogger(__name__)
AT_ONCE = 8
AGAIN = (2.0, 10.0, 60.0)  # seconds before a source is tried again
PAUSE = 30.0  # seconds after trouble of our own


class Retrieval:
    def __init__(
        self, store: SubmissionStore, acceptance: Acceptance, sources: tuple[str, ...], metrics: Metrics
    ) -> None:
        self._store, self._acceptance, self._sources, self._metrics = store, acceptance, sources, metrics
        self._news = asyncio.Event()
        self._under_way: set[str] = set()

    def look(self) -> None:
        """There may be another one."""
        self._news.set()

    async def run(self) -> None:
        """For ever. What is under way when this is cancelled begins anew at the next start."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._news.clear()
                waiting = await self._store.pending(2 * AT_ONCE)  # those under way are among the oldest
                fresh = [job for job in waiting if job not in self._under_way]
                for job_id in fresh[: AT_ONCE - len(self._under_way)]:
                    self._begin(group, job_id)
                await self._news.wait()

    def _begin(self, group: asyncio.TaskGroup, job_id: str) -> None:
        self._under_way.add(job_id)
        with lines.about(job=job_id):
            task = group.create_task(self._retrieve(job_id), name=f"table of {job_id}")
        task.add_done_callback(partial(self._end, job_id))

    def _end(self, job_id: str, _task: object) -> None:
        self._under_way.discard(job_id)
        self._news.set()

    async def _retrieve(self, job_id: str) -> None:
        try:
            if (asked := await self._store.find(job_id)) is not None:
                await self._settle(asked)
        except Exception:
            log.exception("table not stored; it is fetched again")
            await asyncio.sleep(PAUSE)

    async def _settle(self, asked: Asked) -> None:
        """It becomes a job or is refused."""
        try:
            await self._persist(asked, requests.read(asked.message))
        except Refusal as no:
            await self._store.give_up(asked, no.problem)
            self._metrics.submissions.labels("refused").inc()
            log.info("submission refused: %s", no.problem.detail)

    async def _persist(self, asked: Asked, request: Request) -> None:
        """Try as often as may help."""
        url = request.source.url if isinstance(request.source, Remote) else ""
        for pause in (*AGAIN, None):
            try:
                async with fetching.fetch(url, self._sources) as blocks:
                    await self._store.begin(asked.job)
                    await self._acceptance.accept(asked, request, blocks)
                    return
            except Unfetchable as exc:
                if not exc.again or pause is None:
                    raise Refusal("source_refused", str(exc)) from None
                log.info("source not had, tried again: %s", exc)
                await asyncio.sleep(pause)

"""Who watches which jobs. Each version is encoded once; a slow watcher skips to the latest and costs a constant."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from protocol import envelopes
from protocol.job import Job
from protocol.messages import JobChanged, JobDeleted


@dataclass(frozen=True)
class Event:
    """One version of a job, or that it is no more."""

    job: Job
    last: bool = False

    @cached_property
    def data(self) -> bytes:
        """Its envelope, the same for all who watch; who only waits for the end needs none."""
        return envelopes.encode(JobDeleted(job=self.job) if self.last else JobChanged(job=self.job))


def event_of(job: Job) -> Event:
    return Event(job)


def end_of(job: Job) -> Event:
    """The job was deleted."""
    return Event(job, last=True)


@dataclass(eq=False)
class Mailbox:
    """What one watcher has not yet seen: at most the newest version of each of *room* jobs."""

    room: int = 1
    wanted: Callable[[Job], bool] | None = None
    closed: bool = False
    behind: bool = False  # closed though there is more: too much for its room, or its watcher must come again
    _waiting: dict[str, Event] = field(default_factory=dict)
    _filled: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, event: Event) -> None:
        job = event.job
        if self.closed or (self.wanted and not self.wanted(job)):
            return
        known = self._waiting.get(job.id)
        if known is None:
            self._waiting[job.id] = event
            self._filled.set()
        elif event.last or known.job.version < job.version:
            self._waiting[job.id] = event
        if len(self._waiting) > self.room:
            self.behind = True
            self.close()

    async def take(self) -> Event | None:
        """The oldest unseen event, as soon as there is one; None once closed."""
        while not self._waiting and not self.closed:
            self._filled.clear()
            await self._filled.wait()
        return None if self.closed else self._waiting.pop(next(iter(self._waiting)))

    def close(self) -> None:
        self.closed = True
        self._waiting.clear()
        self._filled.set()


class Hub:
    def __init__(self) -> None:
        self._of_job: defaultdict[str, set[Mailbox]] = defaultdict(set)
        self._of_all: set[Mailbox] = set()
        self.closed = False

    def publish(self, job: Job) -> None:
        mailboxes = (*self._of_job.get(job.id, ()), *self._of_all)
        if mailboxes:
            event = event_of(job)
            for mailbox in mailboxes:
                mailbox.put(event)

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Mailbox]:
        """Watch one job. Read its present state after this begins, and no version can fall in between."""
        mailbox = Mailbox(closed=self.closed)
        self._of_job[job_id].add(mailbox)
        try:
            yield mailbox
        finally:
            self._of_job[job_id].discard(mailbox)
            if not self._of_job[job_id]:
                del self._of_job[job_id]

    @contextmanager
    def watch_all(self, room: int, wanted: Callable[[Job], bool]) -> Iterator[Mailbox]:
        mailbox = Mailbox(room, wanted, closed=self.closed)
        self._of_all.add(mailbox)
        try:
            yield mailbox
        finally:
            self._of_all.discard(mailbox)

    def forget(self, job: Job) -> None:
        """The job is no more: nothing will follow, and whoever watches all jobs is told so."""
        for mailbox in tuple(self._of_job.get(job.id, ())):
            mailbox.close()
        if self._of_all:
            event = end_of(job)
            for mailbox in self._of_all:
                mailbox.put(event)

    def interrupt(self) -> None:
        """Whoever watches has to come again, and show that they still may."""
        for mailbox in self._mailboxes():
            mailbox.behind = True
            mailbox.close()

    def close(self) -> None:
        """The service stops: whoever waits goes home."""
        self.closed = True
        for mailbox in self._mailboxes():
            mailbox.close()

    def _mailboxes(self) -> tuple[Mailbox, ...]:
        return (*self._of_all, *(box for boxes in self._of_job.values() for box in boxes))

    @property
    def watchers(self) -> int:
        return len(self._of_all) + sum(map(len, self._of_job.values()))

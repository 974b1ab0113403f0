"""Who watches which jobs. Each version is encoded once; a slow watcher skips to the latest and costs a constant."""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from protocol import envelopes
from protocol.job import Job
from protocol.messages import JobChanged, JobDeleted
from service.stored import Stored

AT_A_TIME = 256  # watchers that are sent something before anybody else has a turn


@dataclass(frozen=True)
class Event:
    """One version of a job, or that it is no more."""

    job: Job
    last: bool = False

    @cached_property
    def data(self) -> bytes:
        """Its envelope, the same for all who watch; who only waits for the end needs none."""
        return envelopes.encode(JobDeleted(job=self.job) if self.last else JobChanged(job=self.job))

    @cached_property
    def frame(self) -> bytes:
        """It as a websocket's text (RFC 6455, 5.2), if shorter than 64 KiB; no envelope is shorter than 126 bytes."""
        return struct.pack("!BBH", 0x81, 126, len(self.data)) + self.data


@dataclass(eq=False)
class Mailbox:
    """What one watcher has not yet seen: at most the newest version of each of *room* jobs."""

    room: int = 1
    wanted: Callable[[Job], bool] | None = None  # else every version of the one job that it is for
    closed: bool = False
    behind: bool = False  # closed though there is more: too much for its room, or its watcher must come again
    session: str | None = None  # of the page that watches, as its token for changes
    rounds: Rounds | None = None
    direct: Callable[[Event], bool] | None = None  # sends an event if that need not wait, which spares waking a task
    _seen: int = -1  # the version that the watcher of one job has
    _waiting: dict[str, Event] = field(default_factory=dict)
    _filled: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: bool = False  # its watcher has nothing to do but to wait for it

    def put(self, event: Event) -> None:
        job = event.job
        if self.closed or job.version <= self._seen or (self.wanted and not self.wanted(job)):
            return
        known = self._waiting.get(job.id)
        if known is None:
            self._waiting[job.id] = event
            self._announce()
        elif event.last or known.job.version < job.version:
            self._waiting[job.id] = event
        if len(self._waiting) > self.room:
            self.behind = True
            self.close()

    def skip(self, job: Job | Stored) -> None:
        """The watcher of this one job has got this version from elsewhere."""
        self._seen = job.version
        self._waiting = {key: event for key, event in self._waiting.items() if event.job.version > job.version}

    async def take(self) -> Event | None:
        """The oldest unseen event, as soon as there is one; None once closed."""
        while not self._waiting and not self.closed:
            self._filled.clear()
            self._idle = True
            try:
                await self._filled.wait()
            finally:
                self._idle = False
        return None if self.closed else self._pop()

    def send(self) -> None:
        """Whatever goes at once goes; the rest, and the end of the one job, is for the watcher to take."""
        while self._waiting and self._idle:
            event = next(iter(self._waiting.values()))
            if (event.job.final and not self.wanted) or not (self.direct and self.direct(event)):
                self._filled.set()
                return
            self._pop()

    def close(self) -> None:
        self.closed = True
        self._waiting.clear()
        self._filled.set()

    def _announce(self) -> None:
        if self.rounds and self.direct and self._idle:
            self.rounds.add(self)
        else:
            self._filled.set()

    def _pop(self) -> Event:
        event = self._waiting.pop(next(iter(self._waiting)))
        self._seen = self._seen if self.wanted else event.job.version
        return event


class Rounds:
    """Who is sent what without being woken: soon, but not at once, so that of what comes together the newest goes."""

    def __init__(self) -> None:
        self._due: list[Mailbox] = []

    def add(self, mailbox: Mailbox) -> None:
        if not self._due:
            asyncio.get_running_loop().call_soon(self._go)
        self._due.append(mailbox)

    def _go(self) -> None:
        due, self._due = self._due[:AT_A_TIME], self._due[AT_A_TIME:]
        if self._due:
            asyncio.get_running_loop().call_soon(self._go)
        for mailbox in due:
            mailbox.send()


class Hub:
    def __init__(self) -> None:
        self._rounds = Rounds()
        self._of_job: defaultdict[str, set[Mailbox]] = defaultdict(set)
        self._of_all: set[Mailbox] = set()
        self.closed = False

    def publish(self, job: Job) -> None:
        mailboxes = (*self._of_job.get(job.id, ()), *self._of_all)
        if mailboxes:
            event = Event(job)
            for mailbox in mailboxes:
                mailbox.put(event)

    @contextmanager
    def watch(self, job_id: str, wanted: Callable[[Job], bool] | None = None) -> Iterator[Mailbox]:
        """Watch one job. Read its present state after this begins, and no version can fall in between.

        Who waits for one version alone says which is *wanted*, and is woken by no other.
        """
        mailbox = Mailbox(wanted=wanted, closed=self.closed, rounds=self._rounds)
        self._of_job[job_id].add(mailbox)
        try:
            yield mailbox
        finally:
            self._of_job[job_id].discard(mailbox)
            if not self._of_job[job_id]:
                del self._of_job[job_id]

    @contextmanager
    def watch_all(self, room: int, wanted: Callable[[Job], bool]) -> Iterator[Mailbox]:
        mailbox = Mailbox(room, wanted, closed=self.closed, rounds=self._rounds)
        self._of_all.add(mailbox)
        try:
            yield mailbox
        finally:
            self._of_all.discard(mailbox)

    def forget(self, job: Job) -> None:
        """The job is no more: whoever watches all jobs is told so. Who watched it alone has left with its end."""
        if self._of_all:
            event = Event(job, last=True)
            for mailbox in self._of_all:
                mailbox.put(event)

    def interrupt(self, session: str | None = None) -> None:
        """Whoever watches, or does so in this session, has to come again, and show that they still may."""
        for mailbox in self._mailboxes():
            if session in {None, mailbox.session}:
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

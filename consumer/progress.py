"""How far a job is: exact counts, and from them a rate and the time left. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from protocol.job import Progress

SAMPLES = 256  # of how far it was when, chunks under way included; from then on every other one is let go
WINDOW, SHARE = 3.0, 0.6  # the rate is that of so many seconds, or of so much of the time that has passed
SOON = 0.3  # seconds of the first pass in which nothing is told: what a process does first takes longer
FADING = 0.25  # of what earlier chunks count for how fast one goes: the first of a process takes longer
FEWEST = 4  # ends of chunks in that time: when the next one comes is luck


@dataclass
class Meter:
    """Counts the chunks of the pass that is under way. `passes_left` counts those to come in lengths of this one.

    `tail` is how many seconds the job takes after its last pass.
    """

    phase: str = "surveying"
    bytes_total: int = 0
    bytes_done: int = 0
    rows: int = 0
    rejected: int = 0
    passes_left: float = 0
    tail: float = 0
    clock: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _bytes_before: int = 0
    _rows_before: int = 0
    _rate: float | None = field(default=None)
    _samples: list[tuple[float, float]] = field(default_factory=list)
    _begun: dict[int, tuple[float, int]] = field(default_factory=dict)  # chunks under way: since when, and their sizes
    _worked: tuple[float, float] = (0.0, 0.0)  # the seconds and bytes of those that have ended, the last ones most
    _finishing: float | None = field(default=None)  # since when only the tail is left
    _expected: float | None = field(default=None)  # seconds that this pass was reckoned to take before it began

    def start(self, phase: str, *, bytes_total: int, bytes_done: int = 0, passes_left: float = 0) -> None:
        """A pass begins; *bytes_done* were done by an earlier attempt and do not count for the rate."""
        speed = self._speed(self.clock())
        self._expected = self.passes_left * self.bytes_total / speed if speed and self.passes_left else None
        self.phase, self.bytes_total, self.bytes_done, self.passes_left = phase, bytes_total, bytes_done, passes_left
        self._began, self._bytes_before, self._rows_before = self.clock(), bytes_done, self.rows
        self._samples, self._begun, self._worked = [], {}, (0.0, 0.0)

    def proceed(self, phase: str, *, bytes_total: int, bytes_done: int) -> None:
        """What went on beside a pass goes on alone."""
        if self.phase != phase:
            self.start(phase, bytes_total=bytes_total, bytes_done=bytes_done)
        self.bytes_done = bytes_done

    def begin(self, chunk: int, size: int) -> None:
        """A slot has taken up the chunk, which has *size* bytes."""
        self._begun[chunk] = self.clock(), size

    def add(self, *, size: int, rows: int = 0, rejected: int = 0, chunk: int | None = None) -> None:
        """A chunk of *size* bytes is done and kept; until then the *chunk* that was begun is under way."""
        if chunk is not None:
            seconds, done = (FADING * before for before in self._worked)
            self._worked = seconds + self.clock() - self._begun.pop(chunk)[0], done + size
        self.bytes_done += size
        self.rows += rows
        self.rejected += rejected
        self._samples.append((now := self.clock(), self._reached(now)))
        if len(self._samples) > SAMPLES:
            del self._samples[1::2]

    def finish(self) -> None:
        """All passes are over; only the tail follows."""
        self.phase, self.bytes_done = "finishing", self.bytes_total
        self._finishing = self.clock()

    def end(self) -> float | None:
        """How long the tail took, where there was one."""
        took = None if self._finishing is None else self.clock() - self._finishing
        self.phase, self.tail, self._finishing = "done", 0, None
        return took

    @property
    def share(self) -> float:
        return self.bytes_done / self.bytes_total if self.bytes_total else 0.0

    def read(self) -> Progress:
        now = self.clock()
        rows = self.rows - self._rows_before
        if rows and now > self._began:
            self._rate = rows / (now - self._began)
        left = self._left(now)
        return Progress(
            phase=self.phase,
            bytes_done=self.bytes_done,
            bytes_total=self.bytes_total,
            rows_done=self.rows,
            rows_rejected=self.rejected,
            rows_per_second=self._rate and round(self._rate, 1),
            eta_seconds=None if left is None else round(left + self._tail_left(now), 1),
        )

    def _tail_left(self, now: float) -> float:
        return self.tail if self._finishing is None else max(0.0, self._finishing + self.tail - now)

    def _left(self, now: float) -> float | None:
        """In seconds, as far as it can be told."""
        left = self.bytes_total - self._reached(now) + self.passes_left * self.bytes_total
        if left and self._expected is None and now - self._began < SOON:
            return None
        if speed := self._speed(now):
            return left / speed
        return None if self._expected is None else max(0.0, self._expected - (now - self._began))

    def _speed(self, now: float) -> float:
        """Bytes a second of late: from one chunk's end on or, before a few have ended, since the pass began."""
        reached = self._reached(now)
        since = min(now - WINDOW, self._began + (now - self._began) * (1 - SHARE))
        for at, size in self._samples[:-FEWEST]:
            if at >= since and now > at and reached > size:
                return (reached - size) / (now - at)
        elapsed = now - self._began
        return (reached - self._bytes_before) / elapsed if elapsed > 0 else 0.0

    def _reached(self, now: float) -> float:
        """In bytes, if chunks that have not ended are as fast as those that have."""
        seconds, done = self._worked
        speed = done / seconds if seconds else 0.0
        return self.bytes_done + sum(min(size, (now - since) * speed) for since, size in self._begun.values())

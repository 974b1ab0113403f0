"""How far a job is: exact counts, and from them a rate and the time left. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from protocol.job import Progress


@dataclass
class Meter:
    """Counts the chunks of the pass that is under way. `passes_left` counts those to come in lengths of this one."""

    phase: str = "surveying"
    bytes_total: int = 0
    bytes_done: int = 0
    rows: int = 0
    rejected: int = 0
    passes_left: float = 0
    clock: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _bytes_before: int = 0
    _rows_before: int = 0
    _rate: float | None = field(default=None)

    def start(self, phase: str, *, bytes_total: int, bytes_done: int = 0, passes_left: float = 0) -> None:
        """A pass begins; *bytes_done* were done by an earlier attempt and do not count for the rate."""
        self.phase, self.bytes_total, self.bytes_done, self.passes_left = phase, bytes_total, bytes_done, passes_left
        self._began, self._bytes_before, self._rows_before = self.clock(), bytes_done, self.rows

    def proceed(self, phase: str, *, bytes_total: int, bytes_done: int) -> None:
        """What went on beside a pass goes on alone."""
        if self.phase != phase:
            self.start(phase, bytes_total=bytes_total, bytes_done=bytes_done)
        self.bytes_done = bytes_done

    def add(self, *, size: int, rows: int = 0, rejected: int = 0) -> None:
        """A chunk of *size* bytes is done."""
        self.bytes_done += size
        self.rows += rows
        self.rejected += rejected

    @property
    def share(self) -> float:
        return self.bytes_done / self.bytes_total if self.bytes_total else 0.0

    def read(self) -> Progress:
        elapsed = self.clock() - self._began
        speed = (self.bytes_done - self._bytes_before) / elapsed if elapsed > 0 else 0.0
        rows = self.rows - self._rows_before
        if rows and elapsed > 0:
            self._rate = rows / elapsed
        left = self.bytes_total - self.bytes_done + self.passes_left * self.bytes_total
        return Progress(
            phase=self.phase,
            bytes_done=self.bytes_done,
            bytes_total=self.bytes_total,
            rows_done=self.rows,
            rows_rejected=self.rejected,
            rows_per_second=self._rate and round(self._rate, 1),
            eta_seconds=round(left / speed, 1) if speed > 0 else None,
        )

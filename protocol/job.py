"""The job: what was asked, how far it got, and which moves are legal. Everything here is a frozen value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, Field, JsonValue

from protocol.kept import BasedOn
from protocol.notices import Mail, Notify, Webhook
from protocol.reading import Reading
from protocol.report import Account, Chart, Report, Table
from protocol.value import Value

__all__ = ["FINAL", "MOVES", "Finding", "IllegalMove", "Job", "LogEntry", "Priority", "Progress", "Source", "State"]
__all__ += ["Account", "Artefact", "Chart", "Fault", "Mail", "Notify", "Problem", "Reading", "Report", "Table", "Value"]

LOG_LIMIT = 100
ID = re.compile(r"[0-9a-f]{32}")  # a part of keys, addresses and headers
Count = Annotated[int, Field(ge=0, le=2**53)]  # what every reader of JSON knows exactly, and databases can store
NOT_OURS = ("NaN", "Infinity", "\r", "\n")  # what no job is spelled with here, but in a text, which does no harm


class State(StrEnum):
    QUEUED = "queued"  # accepted, not yet taken by a consumer
    RUNNING = "running"  # a consumer works on it
    WAITING = "waiting"  # an attempt failed; another is due
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Priority(StrEnum):
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


MOVES: Mapping[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: frozenset({State.WAITING, State.SUCCEEDED, State.FAILED, State.CANCELLED}),
    State.WAITING: frozenset({State.RUNNING, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.QUEUED}),
}
FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


class IllegalMove(Exception):
    """The job is not in a state from which this move is legal."""

    def __init__(self, job: Job, to: State) -> None:
        super().__init__(f"a job that is {job.state} cannot become {to}")


class Source(Value):
    """The uploaded table. `size` in bytes, as it is stored; `sha256` in hex, of the bytes as they arrived.

    Where those were compressed, `compression` says how (`gzip` or `zstd`), and `received` how many they were.
    """

    name: str
    size: Count
    sha256: str
    media_type: str = "text/csv"
    compression: str | None = None
    received: Count | None = None


class Progress(Value):
    """How far the current phase is. Bytes are counted at row boundaries, so they are exact."""

    phase: str = "queued"
    bytes_done: int = 0
    bytes_total: int = 0
    rows_done: int = 0
    rows_rejected: int = 0
    rows_per_second: float | None = None
    eta_seconds: float | None = None


class Artefact(Value):
    """A file of the result. `url` is where the HTTP API serves it; `gone` once its time was up."""

    name: str
    media_type: str
    size: Count
    sha256: str
    url: str
    gone: bool = False


class Fault(Value):
    """One thing that is wrong, and where. `line` counts the file's physical lines from 1."""

    code: str
    detail: str
    pointer: str | None = None
    line: int | None = None
    column: str | None = None


class Problem(Value):
    """RFC 9457. `type` is `/problems/{code}`; `errors` lists every fault where there are several."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[Fault, ...] = ()


class Finding(Value):
    """Something decided about the source while surveying it, and why; `line` is the one that decided it.

    `what` is `encoding`, `delimiter`, `header` or `quotes`, and of some jobs more: of these four each has one.
    """

    what: str
    value: str
    why: str
    line: int | None = None


class LogEntry(Value):
    """One move of the job. The whole log travels with the job, so no lost event can leave a gap in it."""

    version: Count
    at: AwareDatetime
    state: State
    attempt: int
    reason: str


class Job(Value):
    id: str
    kind: str
    state: State = State.QUEUED
    version: Count = 0
    attempt: Count = 0
    max_attempts: int = 3
    params: dict[str, JsonValue] = Field(default_factory=dict)
    reading: Reading = Reading()  # what was declared; `findings` tell what was decided
    source: Source
    based_on: BasedOn | None = None
    priority: Priority = Priority.NORMAL
    progress: Progress = Progress()
    report: Report | None = None
    artefacts: tuple[Artefact, ...] = ()
    problem: Problem | None = None
    notify: Notify = Notify()
    mail: tuple[Mail, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    submitted_by: str | None = None
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    findings: tuple[Finding, ...] = ()
    log: tuple[LogEntry, ...] = ()
    traceparent: str | None = None  # W3C Trace Context of whoever submitted it
    pruned_at: AwareDatetime | None = None  # since when its table and artefacts are gone, while its record is kept

    @cached_property
    def text(self) -> str:
        """The job as JSON. It is stored, sent and answered, and spelled once."""
        return self.model_dump_json()

    @classmethod
    def read(cls, text: str) -> Self:
        """The job in *text*, which remains its spelling where it is like ours: all fields, no NaN, one line."""
        job = cls.model_validate_json(text)
        if len(job.model_fields_set) == len(cls.model_fields) and not any(one in text for one in NOT_OURS):
            job.__dict__["text"] = text
        return job

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied.__dict__.pop("text", None)  # a copy is made to be changed
        return copied

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def last_move(self) -> int:
        """The version of its last move: what a command speaks of, for the fate of a mail may change the version."""
        return self.log[-1].version if self.log else 0

    @property
    def moved(self) -> bool:
        """Whether this version is a move; the others report progress or the fate of a mail."""
        return self.last_move == self.version > 0

    @property
    def source_key(self) -> str:
        return upload_key(self.id)

    @property
    def table_name(self) -> str:
        return self.based_on.name if self.based_on else self.source.name

    @property
    def result_prefix(self) -> str:
        """Under which everything that the job made lies in the file store."""
        return f"results/{self.id}/"

    @property
    def held(self) -> int:
        """How many bytes its table and artefacts take up in the file store."""
        return 0 if self.pruned_at else self.source.size + sum(one.size for one in self.artefacts)

    def artefact_key(self, name: str) -> str:
        return f"{self.result_prefix}artefacts/{name}"

    def move(self, to: State, *, at: datetime, reason: str, **changes: Any) -> Job:
        """Return the next version of this job in state *to*, with the move in its log, or raise IllegalMove.

        `running` to `running` is the one move to itself: a consumer takes up an unfinished run.
        """
        if to not in MOVES[self.state] and not (to is self.state is State.RUNNING):
            raise IllegalMove(self, to)
        attempt = changes.get("attempt", self.attempt)
        entry = LogEntry(version=self.version + 1, at=at, state=to, attempt=attempt, reason=reason)
        log = (*self.log, entry)
        if len(log) > LOG_LIMIT:  # keep how it began and how it stands
            log = (log[0], *log[-LOG_LIMIT + 1 :])
        return self.revise(state=to, log=log, **changes)

    def revise(self, **changes: Any) -> Job:
        """Return the next version in the same state: progress, or the fate of a mail."""
        return self.model_copy(update={"version": self.version + 1, **changes})

    def prune(self, *, at: datetime) -> Job:
        """Return the next version, whose files are gone."""
        gone = tuple(one.model_copy(update={"gone": True}) for one in self.artefacts)
        return self.revise(pruned_at=at, artefacts=gone)


def upload_key(job_id: str) -> str:
    """Where the uploaded bytes of a job lie in the file store, also before there is the job."""
    return f"uploads/{job_id}"

"""What goes into the steps of a job and what comes out: plain values, so that both ends of the pool can hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol.job import Artefact, Finding, Job, Report


@dataclass(frozen=True)
class Task:
    """What every step has to know: where the bytes are, and what is asked of them."""

    job_id: str
    files_url: str
    source_key: str
    source_name: str
    prefix: str  # under which everything that the job makes lies
    kind: str
    params: dict[str, Any]
    chunk_size: int
    records_url: str = ""

    @classmethod
    def of(cls, job: Job, files_url: str, chunk_size: int, records_url: str) -> Task:
        source = (job.source_key, job.source.name)
        return cls(job.id, files_url, *source, job.result_prefix, job.kind, job.params, chunk_size, records_url)

    @property
    def work_prefix(self) -> str:
        """Where the pieces lie until they are joined."""
        return f"{self.prefix}work/"

    def piece(self, what: str, index: int) -> str:
        return f"{self.work_prefix}{what}/{index:08d}"


@dataclass(frozen=True)
class Plan:
    """How the table is read, decided once: every attempt cuts at the same places.

    `survey` and `chunks` are pickled and mean something in the pool only; `stops` are the offsets (bytes) at which
    the chunks end, `begin` that at which the first begins. `loads` names the pass that gives rows for the records.
    """

    survey: bytes
    chunks: tuple[bytes, ...]
    begin: int
    stops: tuple[int, ...]
    selects: bool
    findings: tuple[Finding, ...]
    chunk_size: int = 0
    loads: str = ""

    def size_of(self, index: int) -> int:
        """The bytes of one chunk."""
        return self.stops[index] - (self.stops[index - 1] if index else self.begin)


@dataclass(frozen=True)
class Milled:
    """What a chunk came to: rows read, the rejected ones among them, and the kind's pickled partial."""

    rows: int
    rejected: int
    partial: bytes


@dataclass(frozen=True)
class Run:
    """The combined partial of the chunks from *start* up to *stop*."""

    start: int
    stop: int
    partial: bytes


@dataclass(frozen=True)
class Selected:
    """How many rows a chunk gave to the selected artefact, and the columns that the kind added."""

    rows: int
    added: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """What the passes came to: for each chunk in file order, and as numbers that only the engine knows."""

    rejected: tuple[int, ...]
    selected: tuple[Selected, ...] | None
    counted: dict[str, int]


@dataclass(frozen=True)
class Finished:
    report: Report
    artefacts: tuple[Artefact, ...]

"""What goes into the steps of a job and what comes out: plain values, so that both ends of the pool can hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from consumer.errands import Row, Terms
from consumer.errands.tally import Tally
from consumer.executors import Done, Raised, Refused
from protocol import kept
from protocol.files import BlockingFiles, open_blocking
from protocol.job import Artefact, Finding, Job, Report
from protocol.kept import BasedOn
from protocol.reading import Reading

LISTED = 0.12  # how long a pass takes where shortlists suffice, in lengths of one that reads the table
WHOLE = 2**62  # a chunk size: the table is one chunk, whatever that takes


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
    based_on: BasedOn | None = None
    basis: str = ""  # under which the copies lie of what the job goes on from
    sourceless: bool = False  # parameters stand in for a table
    reading: Reading = field(default_factory=Reading)

    @classmethod
    def of(cls, job: Job, files_url: str, chunk_size: int, records_url: str) -> Task:
        return cls(
            job_id=job.id,
            files_url=files_url,
            source_key=job.source_key,
            source_name=job.source.name,
            prefix=job.result_prefix,
            kind=job.kind,
            params=job.params,
            chunk_size=chunk_size,
            records_url=records_url,
            based_on=job.based_on,
            basis=kept.basis(job.id),
            sourceless=job.source.size == 0,
            reading=job.reading,
        )

    @property
    def files(self) -> BlockingFiles:
        return open_blocking(self.files_url)

    @property
    def work_prefix(self) -> str:
        """Where the pieces lie until they are joined."""
        return f"{self.prefix}work/"

    @property
    def kept_prefix(self) -> str:
        """Where that lies which a later job may go on from."""
        return kept.prefix(self.prefix)

    def piece(self, what: str, index: int) -> str:
        return f"{self.work_prefix}{what}/{index:08d}"


@dataclass(frozen=True)
class Milled:
    """What a chunk came to: rows read, the rejected ones among them, and the kind's pickled partial.

    `before` of the rows were read and rejected by the job that this one goes on from. Of a chunk of errands there is a
    `tally` too, for those who may not open the partial. `listed` is what the second pass may use instead of the chunk.
    """

    rows: int
    rejected: int
    partial: bytes
    before: int = 0
    tally: Tally | None = None
    listed: bytes | None = None


@dataclass(frozen=True)
class Drawn:
    """The good rows of a chunk, for errands, and how many the reader rejected."""

    rows: tuple[Row, ...]
    rejected: int


@dataclass(frozen=True)
class Run:
    """The combined partial of the chunks from *start* up to *stop*, and how many rows they have."""

    start: int
    stop: int
    partial: bytes
    rows: int = 0
    rejected: int = 0

    @classmethod
    def of(cls, place: int, milled: Milled) -> Self:
        rows, rejected = milled.rows - milled.before, milled.rejected - milled.before
        return cls(place, place + 1, milled.partial, rows, rejected)


@dataclass(frozen=True)
class Stretch:
    """The chunks of a pass, pickled for the pool alone. In bytes: `sizes`, and `begin`, what lies before the first."""

    chunks: tuple[bytes, ...]
    sizes: tuple[int, ...]
    begin: int = 0

    def __len__(self) -> int:
        return len(self.chunks)

    def name(self, index: int) -> str:
        return f"chunk {index + 1} of {len(self)}"

    @property
    def size(self) -> int:
        """In bytes, of all."""
        return self.begin + sum(self.sizes)


@dataclass(frozen=True)
class Earlier:
    """What the job that this one goes on from has left: `runs` of it hold, and `state` is all that is known.

    `places` are those of the chunks to mill, among the runs. `counted` are its numbers of the records. `whole` are the
    chunks of the whole table, where a second pass needs them. Of the rejected rows, those on lines from `gone[0][i]`
    up to `gone[1][i]` are not any more.
    """

    runs: tuple[Run, ...]
    places: tuple[int, ...]
    whole: Stretch
    counted: dict[str, int]
    gone: tuple[tuple[int, ...], tuple[int, ...]]
    state: bytes


@dataclass(frozen=True)
class Plan:
    """How the table is read, decided once: every attempt cuts at the same places.

    `survey` is pickled and means something in the pool only. `loads` names the pass that gives rows for the records.
    Where `keeps`, later jobs may go on from this one: from the total, or where `ordered` from each chunk's partial.
    """

    survey: bytes
    mill: Stretch
    selects: bool
    findings: tuple[Finding, ...]
    chunk_size: int = 0
    loads: str = ""
    keeps: bool = False
    ordered: bool = True
    earlier: Earlier | None = None
    terms: Terms | None = None  # of a kind of errands
    lists: bool = False  # what the second pass may do with, instead of the table
    build: str = ""  # of the kind (see builds.py)

    @property
    def select(self) -> Stretch:
        """The chunks of the second pass."""
        return self.earlier.whole if self.earlier else self.mill

    def stretch(self, step: str) -> Stretch:
        return self.mill if step == "mill" else self.select

    @property
    def passes_left(self) -> float:
        """How long the second pass is, if there is one, in lengths of the first."""
        length = self.select.size / max(1, self.mill.size) if self.selects else 0.0
        return length * LISTED if self.lists else length

    @property
    def held(self) -> tuple[Run, ...]:
        """What holds of the job that this one goes on from."""
        return self.earlier.runs if self.earlier else ()

    def run(self, index: int, milled: Milled) -> Run:
        """What the chunk *index* of the first pass came to, where it belongs among all runs."""
        return Run.of(self.earlier.places[index] if self.earlier else index, milled)

    def runs(self, milled: Sequence[Milled]) -> tuple[Run, ...]:
        """All that the first pass comes to, in file order."""
        fresh = (self.run(index, one) for index, one in enumerate(milled))
        return tuple(sorted((*self.held, *fresh), key=lambda run: run.start))


@dataclass(frozen=True)
class Selected:
    """How many rows a chunk gave to the selected artefact, and the columns that the kind added; in some is no text."""

    rows: int
    added: tuple[str, ...]
    numeric: tuple[str, ...] = ()


@dataclass(frozen=True)
class Made:
    """What the passes came to: for each chunk in file order, and as numbers that only the engine knows.

    `runs` are what a later job can go on from, `records` how many each chunk of errands brought.
    """

    rejected: tuple[int, ...]
    selected: tuple[Selected, ...] | None
    counted: dict[str, int]
    runs: tuple[Run, ...] = ()
    records: tuple[int, ...] = ()


@dataclass(frozen=True)
class Finished:
    report: Report
    artefacts: tuple[Artefact, ...]


@dataclass(frozen=True)
class Whole:
    """A small job from the look at its table to its report."""

    findings: tuple[Finding, ...]
    size: int  # in bytes, of which `begin` lie before the first row
    begin: int
    rows: int
    rejected: int
    finished: Finished


@dataclass(frozen=True)
class Ended:
    """How a small job went. `answer` is about the step *what*; without a value the job is none for one go."""

    what: str
    answer: Done | Refused | Raised
    findings: tuple[Finding, ...] = ()

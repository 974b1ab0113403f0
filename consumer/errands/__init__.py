"""What a kind says whose work waits for others instead of computing: an errand for each row, as a coroutine.

It runs in a process of its own, since a line that blocks or crashes would otherwise stop every other job. Nothing
heavy is loaded here, so that such a process stays small: a kind of errands does well not to import pandas either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # its library is for those that read settings
    from protocol.config import Settings

LONGEST_REASON = 200


class Reject(Exception):
    """The errand has failed for good; the row goes to rejected.csv with the reason and the column at fault."""

    def __init__(self, reason: str, column: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.column = reason, column


class Later(Exception):
    """It certainly was not done, and may be later: not before *after* seconds, where that is known."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.after = reason, after


class Unclear(Exception):
    """It may have been done: doing it again could do it twice, so nobody does."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Row:
    """The needed cells of one row, as the reader converted them (a missing one is None), and its physical line."""

    line: int
    cells: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        return self.cells[column]


@dataclass(frozen=True)
class Done:
    """The errand is done: a word about it, and what it brought, by the names of the kind's columns."""

    detail: str = ""
    records: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Place:
    """Where errands run: for which job, and what the operator has set."""

    job: str
    settings: Settings


@dataclass(frozen=True)
class Terms:
    """How errands are run; times in seconds.

    One that is not `repeatable` is written down before it begins. Where the process ends in its middle, nobody knows
    whether it was done, and it is not done again.
    """

    concurrency: int = 10
    per_second: float | None = None  # how many may begin
    timeout: float = 30.0  # for one try
    tries: int = 4
    first_delay: float = 1.0  # before the second try; four times as long each time
    longest_delay: float = 300.0
    repeatable: bool = True

    def delay(self, tries: int) -> float:
        """How long to wait after so many tries."""
        return min(self.longest_delay, self.first_delay * 4.0 ** (tries - 1))


def _no_tools(_params: Any, _place: Place) -> AbstractAsyncContextManager[None]:
    return nullcontext()


def _usual_terms(_params: Any) -> Terms:
    return Terms()


@dataclass(frozen=True, kw_only=True)
class Each:
    """What is done for each row of a kind.

    do(row, params, tools) -> Done | None   one errand; raises Reject, Later or Unclear
    opens(params, place)                    a context manager of what all errands of the job share, such as
                                            connections: the tools; raises kinds.BadInput where the job cannot be
    terms(params) -> Terms                  how many at a time, how fast, how often
    done                                    what a success is called in the report and in outcomes.csv
    brings, columns                         the name and the columns of the table of records, if errands bring any
    """

    do: Callable[[Row, Any, Any], Awaitable[Done | None]]
    opens: Callable[[Any, Place], AbstractAsyncContextManager[Any]] = _no_tools
    terms: Callable[[Any], Terms] = _usual_terms
    done: str = "done"
    brings: str = "records"
    columns: Sequence[str] = ()


class Fate(StrEnum):
    DONE = "done"
    REJECTED = "rejected"
    UNKNOWN = "unknown"  # nobody knows whether it was done
    AGAIN = "again"  # to be tried once more


@dataclass(frozen=True)
class Outcome:
    """What one try came to. `records` are in the order of the kind's columns, `made` is how many they are.

    What is large lies in the file `spilled` instead.
    """

    fate: Fate
    detail: str = ""
    column: str | None = None
    after: float | None = None
    made: int = 0
    records: tuple[tuple[Any, ...], ...] = ()
    spilled: str | None = None
    tries: int = 1


def judge(outcome: Outcome, terms: Terms) -> Outcome:
    """What an outcome means after its number of tries: one to be tried again has a delay, or is given up."""
    if outcome.fate is not Fate.AGAIN:
        return outcome
    if outcome.tries >= terms.tries:
        detail = f"{outcome.detail} (given up after {outcome.tries} tries)"
        return Outcome(Fate.REJECTED, detail, tries=outcome.tries)
    wait = max(outcome.after or 0.0, terms.delay(outcome.tries))
    return Outcome(Fate.AGAIN, outcome.detail, after=min(wait, terms.longest_delay), tries=outcome.tries)

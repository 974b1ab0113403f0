"""What became of each errand, written down as it happens: what has ended is never done again, however a process ends.

Kept until the rows around it are closed together, as a checkpoint. A cancelled job keeps its ledger, so that another
try goes on where it stood instead of writing to people a second time.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from consumer.errands import Fate, Outcome
from protocol.databases import Database, Row, insist

MIGRATIONS = (
    """CREATE TABLE consumer_errands (
        job   TEXT NOT NULL,
        chunk INTEGER NOT NULL,  -- of the table
        place INTEGER NOT NULL,  -- of the row among the chunk's good ones
        state TEXT NOT NULL,     -- begun, again, ended
        tries INTEGER NOT NULL,
        due   REAL NOT NULL,     -- epoch seconds of the next try
        body  BLOB,              -- the outcome, once there is one
        PRIMARY KEY (job, chunk, place)) WITHOUT ROWID""",
)
PUT = """INSERT INTO consumer_errands (job, chunk, place, state, tries, due, body)
    VALUES (:job, :chunk, :place, :state, :tries, :due, :body)
    ON CONFLICT (job, chunk, place) DO UPDATE SET
    state = excluded.state, tries = excluded.tries, due = excluded.due, body = excluded.body"""
LOAD = "SELECT place, state, tries, due, body FROM consumer_errands WHERE job = :job AND chunk = :chunk"
CLOSE = "DELETE FROM consumer_errands WHERE job = :job AND chunk = :chunk"
DROP = "DELETE FROM consumer_errands WHERE job = :job"
CUT_OFF = Outcome(Fate.UNKNOWN, "the process ended while it was being done")


class State(StrEnum):
    BEGUN = "begun"  # being done; only written down where it must not be repeated
    AGAIN = "again"  # to be tried once more
    ENDED = "ended"


@dataclass(frozen=True)
class Entry:
    """How one errand stands: its outcome, or when it is due (epoch seconds) after how many tries."""

    tries: int = 0
    due: float = 0.0
    outcome: Outcome | None = None


class Ledger:
    """The rows of one job's errands; `clock` gives epoch seconds."""

    def __init__(self, database: Database, job_id: str, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._job, self.clock = database, job_id, clock

    async def load(self, chunk: int) -> Mapping[int, Entry]:
        """The entries of a chunk's rows, by their place. What was cut off in its middle is of unknown outcome."""
        rows = await self._database.read(LOAD, job=self._job, chunk=chunk)
        return {row["place"]: _entry(row) for row in rows}

    async def begin(self, chunk: int, place: int, tries: int) -> None:
        """About to do it for the *tries*-th time."""
        await self._put(chunk, place, State.BEGUN, tries)

    async def postpone(self, chunk: int, place: int, outcome: Outcome) -> None:
        """It was not done, and is to be tried again."""
        await self._put(chunk, place, State.AGAIN, outcome.tries, due=self.clock() + (outcome.after or 0.0))

    async def end(self, chunk: int, place: int, outcome: Outcome) -> None:
        """It is over, one way or the other."""
        await self._put(chunk, place, State.ENDED, outcome.tries, body=pickle.dumps(outcome))

    async def close(self, chunk: int) -> None:
        """The chunk is kept as a checkpoint: its entries are not needed any more."""
        await self._database.write(lambda tx: tx.execute(CLOSE, job=self._job, chunk=chunk))

    async def _put(
        self, chunk: int, place: int, state: State, tries: int, *, due: float = 0.0, body: bytes | None = None
    ) -> None:
        values = {"job": self._job, "chunk": chunk, "place": place, "state": state, "tries": tries}
        # An errand whose end is not written down is cut off.
        await insist(self._database.write, lambda tx: tx.execute(PUT, **values, due=due, body=body))


def _entry(row: Row) -> Entry:
    match State(row["state"]):
        case State.BEGUN:
            return Entry(row["tries"], outcome=CUT_OFF)
        case State.AGAIN:
            return Entry(row["tries"], due=row["due"])
        case State.ENDED:
            return Entry(row["tries"], outcome=pickle.loads(row["body"]))  # noqa: S301 - our own

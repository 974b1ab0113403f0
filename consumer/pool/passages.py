"""One chunk on its way through a pass: read slice by slice, worked on by the kind, its pieces written. In the pool.

Slices keep what is in memory small; what is stored is that of the whole chunk.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import pandas as pd

from consumer import accounts
from consumer.accounts import Counted
from consumer.kinds import BadInput, Kind, Load
from consumer.origins import NoKind, sure
from consumer.pool.shortlists import Listed, Listing, known
from consumer.pool.stages import Stages, straight
from consumer.steps import Milled, Selected, Task
from consumer.tables import pieces, read, survey
from consumer.tables.overlay import Alone, Part
from consumer.tables.rejected import Rejected
from protocol.files import BlockingFiles
from protocol.intake import Layout, ReadOptions

MOST_LINES = 1_000_000  # of a chunk: tiny rows take more memory than their bytes
MOST_LOADED = 200_000  # of one that is loaded: it is one transaction, for which others may have to wait
SLICE, FEWEST_LINES, MOST_SLICED = 4 * 2**20, 4_096, 250_000  # bytes, and lines, of what is in memory at once


def slice_size(layout: Layout) -> int:
    """In bytes: few enough to be held at once, but not so few rows that each costs more than it should."""
    line = max(1, layout.size // layout.lines)
    return min(max(SLICE, line * FEWEST_LINES), line * MOST_SLICED)


def most_lines(kind: Kind) -> int:
    """How many a chunk may have."""
    return MOST_LOADED if kind.load else MOST_LINES


@dataclass(frozen=True)
class Passage:
    """A chunk of a table, and the kind that works on it.

    Where batches are `held`, the first pass leaves them there, and the second has no need to read.
    """

    task: Task
    kind: Kind
    params: Any
    table: survey.Survey
    part: Part
    held: list[read.Batch] | None = None

    def mill(self) -> Milled:
        """The chunk's partial; its rejected rows are set aside, and those to be loaded."""
        return straight(self.mill_in_stages())

    def mill_in_stages(self) -> Stages[Milled]:
        partials, loaded, rows, bad = list[Counted](), [], 0, 0
        listing, rejected, slices = self._listing, Rejected(self.table.layout), self._slices()
        while fresh := next(slices, None):
            yield
            batch = self._judged(*fresh)
            del fresh
            yield
            for aside in batch.asides():
                rejected.add(aside)
            given = [self._given(batch)]
            if self.kind.load and self.kind.select is None:
                loaded.append(self.to_load(self.kind.load, given[0]))
            before = batch.rows if self._stands_in else 0
            told, lacking = batch.rows - before, batch.rejected - before
            given[0].attrs["rejected"] = lacking
            rows, bad = rows + batch.rows, bad + batch.rejected
            seen = batch if listing else None
            del batch  # the kind has the frame now, and nobody else: what it lets go of is gone
            yield
            found = Counted(told, lacking, self.kind.chunk(given.pop(), self.params))
            if listing and seen:
                listing.see(seen, found.partial)
            partials = [self._together([*partials, found])]  # one at a time, however many slices there are
            del seen, found  # before the next slice is read
            yield
        self._write("rejected", rejected.finish())
        self._write("listed", listing.rows if listing else ())
        self.set_aside(loaded)
        [total] = partials
        listed = listing.end(total.partial) if listing else None
        return Milled(rows, bad, pickle.dumps(total), rows if self._stands_in else 0, listed=listed)

    def _given(self, batch: read.Batch) -> pd.DataFrame:
        """What the kind works on; it may change that, but not what is held."""
        frame = batch.by_line if self.kind.columns is None else batch.frame
        if self.held is None:
            return frame
        self.held.append(batch)
        return frame.copy(deep=False)

    def _together(self, parts: list[Counted]) -> Counted:
        return accounts.combine(self.kind, parts) if len(parts) > 1 else parts[0]

    @property
    def _listing(self) -> Listing | None:
        """What goes on from an earlier job has its second pass over other chunks."""
        shortlist = None if self.task.based_on or self.held is not None else self.kind.shortlist
        return Listing(self.kind, self.params, shortlist, known(self.task.job_id)) if shortlist else None

    @property
    def _stands_in(self) -> bool:
        """Whether all these rows were there before, and rejected."""
        return isinstance(self.part.overlay, Alone)

    def select(self, before: Any, total: Any, listed: Listed | None) -> Selected:
        """The rows that the kind selects, as a piece of the artefact; *before* and *total* are partials.

        The chunk is not read where it is held, or the *listed* rows suffice.
        """
        return straight(self.select_in_stages(before, total, listed))

    def select_in_stages(self, before: Any, total: Any, listed: Listed | None) -> Stages[Selected]:
        if self.kind.select is None:
            raise TypeError(f"{self.task.kind} selects nothing")
        added, texts = tuple[str, ...](), set[str]()
        rows, selected, loaded = 0, [], []
        for nth, batch in enumerate(self.held or self._listed(listed, total) or self._batches(), 1):
            given = batch.frame.copy(deep=False)  # the kind may add to it
            frame = sure(self.kind.select(given, before, total, self.params), pd.DataFrame, "its selection")
            yield
            self._check_names(batch, frame)
            added = batch.added(frame)
            texts.update(name for name in added if _holds_text(frame[name]))
            yield
            if len(frame):
                rows += len(frame)
                selected.append(batch.carried_csv(frame))
            if self.kind.load:
                loaded.append(self.to_load(self.kind.load, frame))
            if nth < len(self.part.chunk.slices) and not self.kind.commutative:
                before = self._after(before, batch.frame)
        self._write("selected", selected)
        self.set_aside(loaded)
        return Selected(rows, added, tuple(name for name in added if name not in texts))

    def _listed(self, listed: Listed | None, total: Any) -> Sequence[read.Batch]:
        if not (listed and self.kind.shortlist and listed.suffices(self.kind.shortlist, total, self.params)):
            return ()
        key = self.task.piece("listed", self.part.chunk.index)
        data = self._files.read(key, 0, listed.size) if listed.size else b""
        return (self._judged(self._reader.again(self.part.chunk, data), len(data)),)

    def _check_names(self, batch: read.Batch, frame: pd.DataFrame) -> None:
        """A column that was delivered and is not as it was is lost, or belongs to other rows."""
        if (name := batch.taken(frame)) is None:
            return
        if self.kind.columns is None:
            raise BadInput(f"The table already has a column {name!r}, which this kind adds; rename it.", "column_taken")
        raise NoKind(
            f"its selection has other values in {name!r} than those rows have: select keeps the index of its rows, "
            "which merge does not, and what it changes has another name"
        )

    def whole(self) -> read.Batch:
        """All rows at once, without those that the kind turns down."""
        return self._judged(*self._whole())

    def _batches(self) -> Iterator[read.Batch]:
        """The same, slice by slice."""
        return starmap(self._judged, self._slices())  # which keeps none of them

    def _whole(self) -> tuple[read.Batch, int]:
        """All rows at once, and how many bytes they take."""
        chunk = self.part.chunk
        return self._reader.read(chunk, self.part.overlay), chunk.stop - chunk.start

    def _slices(self) -> Iterator[tuple[read.Batch, int]]:
        """The same, slice by slice; what others stand in for is not sliced."""
        if self.part.overlay is not None:
            yield self._whole()
            return
        sizes = (part.stop - part.start for part in self.part.chunk.slices)
        yield from map(_pair, self._reader.slices(self.part.chunk), sizes)

    @property
    def _reader(self) -> read.Reader:
        kind, layout = self.kind, self.table.layout
        columns = read.every_column(layout) if kind.columns is None else kind.columns(self.params)
        options = ReadOptions.of(self.task.params, kind, self.task.reading)
        return read.Reader(self._files, self.table, columns, options, surplus=kind.surplus)

    def _judged(self, batch: read.Batch, size: int) -> read.Batch:
        """What is left of a batch that takes *size* bytes of the table."""
        kept = batch if self.kind.check is None else batch.reject(self.kind.check(batch.frame, self.params))
        kept.frame.attrs["share"] = size / max(1, self.table.size - self.table.layout.rows_begin)
        return kept

    def _after(self, before: Any, frame: pd.DataFrame) -> Any:
        partial = self.kind.chunk(frame, self.params)
        return partial if before is None else self.kind.combine([before, partial])

    def to_load(self, load: Load, frame: pd.DataFrame) -> bytes:
        return pieces.write(load.rows(frame, self.params), load.table)

    def set_aside(self, loaded: Sequence[bytes]) -> None:
        """Keep rows for `load`, which goes through the chunks in the order of the file."""
        if loaded:
            self._write("load", loaded)

    def _write(self, what: str, parts: Sequence[bytes]) -> None:
        if parts:
            self._files.write(self.task.piece(what, self.part.chunk.index), parts)

    @property
    def _files(self) -> BlockingFiles:
        return self.task.files


def _pair(batch: read.Batch, size: int) -> tuple[read.Batch, int]:
    """For `zip` keeps the last pair that it has made."""
    return batch, size


def _holds_text(cells: pd.Series[Any]) -> bool:
    """Where nothing is, nothing is told: a slice without rows, or without values, may be of any type."""
    return not pd.api.types.is_numeric_dtype(cells) and bool(cells.notna().any())

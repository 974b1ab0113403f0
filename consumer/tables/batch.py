"""A chunk that was read: the frame that a kind works on, and the rows that were turned down, each with its reason."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from consumer.kinds import Failed
from consumer.tables import rejected, values, write
from consumer.tables.converted import UNTOLD, Converted
from consumer.tables.originals import Originals
from consumer.tables.rejected import Aside, Explainer
from consumer.tables.rows import Flags, Places

Made = Mapping[str, "pd.Series[Any]"]
_AT_ONCE = 65_536  # rows written in one go, so that memory does not grow with their number


@dataclass(frozen=True)
class Rejects:
    """Places of rejected rows, in file order, and for each the number of its reason in `vocabulary`, or UNTOLD."""

    places: Places
    reasons: npt.NDArray[np.uint16]
    vocabulary: tuple[str, ...]

    def add(self, places: Places, reasons: npt.NDArray[np.uint16], vocabulary: tuple[str, ...]) -> Rejects:
        """With more rows, whose reasons are numbered in a vocabulary of their own."""
        if not len(self.places):
            return Rejects(places, reasons, vocabulary)
        both = np.concatenate([self.places, places])
        shifted = np.where(reasons == UNTOLD, reasons, reasons + len(self.vocabulary))
        numbers = np.concatenate([self.reasons, shifted]).astype(np.uint16)
        order = np.argsort(both, kind="stable")
        return Rejects(both[order], numbers[order], (*self.vocabulary, *vocabulary))


@dataclass(frozen=True)
class Batch:
    """The rows that were read, those in *places* of the originals, and those that were turned down."""

    found: Converted
    names: tuple[str, ...]
    places: Places
    rejects: Rejects
    originals: Originals
    explainer: Explainer  # finds the reasons that are not told

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The needed columns, index 0 to n-1; `attrs["rejected"]` is how many rows of the chunk it lacks."""
        frame = self.found.frame(self.names)
        frame.attrs["rejected"] = self.rejected
        return frame

    @property
    def rows(self) -> int:
        """All of the chunk, kept and rejected."""
        return len(self.places) + self.rejected

    @property
    def rejected(self) -> int:
        return len(self.rejects.places)

    @property
    def by_line(self) -> pd.DataFrame:
        """The frame with each row's physical line as its index."""
        return self.frame.set_axis(pd.Index(self.originals.lines(self.places), name="line"))

    def reject(self, failures: Sequence[Failed]) -> Batch:
        """The batch without the rows that a kind turns down; for each the first failure counts."""
        reasons = np.zeros(len(self.places), np.uint16)
        for number, failed in enumerate(failures, 1):
            reasons[self._flags(failed) & (reasons == 0)] = number
        bad = reasons > 0
        if not bad.any():
            return self
        vocabulary = tuple(f"{self.explainer.name_of(failed.column)}: {failed.reason}" for failed in failures)
        rejects = self.rejects.add(self.places[bad], reasons[bad] - 1, vocabulary)
        return replace(self, found=self.found.where(~bad), places=self.places[~bad], rejects=rejects)

    def _flags(self, failed: Failed) -> Flags:
        """Where the rows are true: flags row by row, or a series with the frame's index, perhaps of some rows only."""
        if isinstance(failed.rows, np.ndarray):
            return failed.rows
        return failed.rows.reindex(self.frame.index).eq(other=True).fillna(value=False).to_numpy(np.bool_)

    def asides(self) -> Iterator[Aside]:
        """The rejected rows, some at a time, for `Rejected`."""
        rows, words = self.originals, self.rejects.vocabulary
        for begin in range(0, self.rejected, _AT_ONCE):
            places = self.rejects.places[begin : begin + _AT_ONCE]
            numbers = self.rejects.reasons[begin : begin + _AT_ONCE]
            where = rows.bytes_of(places), rows.widths(places), rows.lines(places)
            yield Aside(*where, numbers, words, self.explainer)

    def rejects_csv(self) -> bytes:
        """The same as lines of rejected.csv: their cells as they stood, the line, the reason."""
        return _whole(rejected.lines(self.originals.layout, [aside]) for aside in self.asides())

    @property
    def reasons(self) -> list[str]:
        """Why each of them was rejected."""
        layout = self.originals.layout
        return [reason for aside in self.asides() for reason in rejected.reasons(layout, [aside])]

    def carried_csv(self, frame: pd.DataFrame) -> bytes:
        """The rows in *frame*'s index: all input cells, stripped, and the columns that *frame* adds.

        An added column takes the place of one that the table has of that name.
        """
        return _whole(self._carried(frame))

    def added(self, frame: pd.DataFrame) -> tuple[str, ...]:
        """The columns of *frame* that were not delivered in this one's."""
        return tuple(name for name in frame.columns if name not in self.frame.columns)

    def taken(self, frame: pd.DataFrame) -> str | None:
        """A column of this one's frame that *frame* has otherwise."""
        both = (name for name in frame.columns if name in self.frame.columns)
        return next((name for name in both if not _same(frame[name], self.frame[name].reindex(frame.index))), None)

    def _carried(self, frame: pd.DataFrame) -> Iterator[bytes]:
        names = write.carried(self.originals.layout, added := self.added(frame))
        for begin in range(0, len(frame), _AT_ONCE):
            part = frame.iloc[begin : begin + _AT_ONCE] if len(frame) > _AT_ONCE else frame
            places, made = self.places[part.index.to_numpy()], {name: part[name] for name in added}
            few = self.originals.texts(places)
            yield self._few(few, made, names) if few else self._many(places, made, names)

    def _few(self, cells: Sequence[Sequence[str]], made: Made, names: Sequence[str]) -> bytes:
        stripped = ([cell.strip() for cell in column] for column in cells)
        columns: dict[str, Sequence[str]] = dict(zip(self.originals.layout.header, stripped, strict=True))
        columns |= {name: write.texts(series) for name, series in made.items()}
        return write.spelled([columns[name] for name in names])

    def _many(self, places: Places, made: Made, names: Sequence[str]) -> bytes:
        stripped = map(values.strip, self.originals.cells(places, surplus=False))
        columns = dict(zip(self.originals.layout.header, stripped, strict=True))
        columns |= {name: write.column(series) for name, series in made.items()}
        return write.lines([columns[name] for name in names])


def _same(cells: pd.Series[Any], others: pd.Series[Any]) -> bool:
    """Also where categories became text, as by a merge."""
    return cells.equals(others) or (cells.dtype != others.dtype and cells.astype(object).equals(others.astype(object)))


def _whole(pieces: Iterator[bytes]) -> bytes:
    """All pieces as one; BytesIO hands out its own buffer, where joining them would hold everything twice."""
    whole = io.BytesIO()
    whole.writelines(pieces)
    return whole.getvalue()

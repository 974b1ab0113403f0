"""A kind at work on one table, outside of any job: what the tests of a kind are made of."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import pandas as pd
from pandas.testing import assert_frame_equal

from consumer import accounts
from consumer.accounts import Counted
from consumer.errands import Outcome, Place
from consumer.errands.trying import attempt
from consumer.kinds import Kind, Params, Report
from consumer.pool import results
from consumer.tables import cut, read, survey
from consumer.tables.batch import Batch
from protocol import config
from protocol.files import open_blocking
from protocol.intake import ReadOptions

Rows = tuple[int, int]  # from the first to before the second
Table = pd.DataFrame | str | bytes
NAME = "table.csv"


@dataclass(frozen=True)
class Reading:
    """The rows of a table that a kind is given, and those that it is not: line and reason."""

    frame: pd.DataFrame
    rejects: list[tuple[int, str]]


def reading(kind: Kind, table: str | bytes, params: Params) -> Reading:
    """What the reader and then the kind's own check make of *table*."""
    batch = _batch(kind, table, params)
    batch = batch if kind.check is None else batch.reject(kind.check(batch.frame, params))
    lines = batch.originals.lines(batch.rejects.places).tolist()
    return Reading(_as_given(kind, batch), list(zip(lines, batch.reasons, strict=True)))


async def attempts(kind: Kind, table: str | bytes, params: Params) -> dict[int, Outcome]:
    """What one try of each row's errand comes to, by line; one after the other, with the settings of this process."""
    if kind.each is None:
        raise TypeError("a kind without each has no errands")
    terms = kind.each.terms(params)
    async with kind.each.opens(params, Place("0" * 32, config.load())) as tools:
        rows = results.rows(_batch(kind, table, params))
        return {row.line: await attempt(kind.each, terms, row, params, tools) for row in rows}


def _batch(kind: Kind, table: str | bytes, params: Params) -> Batch:
    options = ReadOptions.of(params.model_dump(), kind)
    with tempfile.TemporaryDirectory() as folder:
        files = open_blocking(Path(folder).as_uri())
        files.write(NAME, [table.encode() if isinstance(table, str) else table])
        found = survey.survey(files, NAME, options, name=NAME, work_prefix="work/")
        first = found.layout.rows_begin
        whole = cut.Chunk(0, (cut.Slice(first, found.size, found.layout.first_line),))
        columns = read.every_column(found.layout) if kind.columns is None else kind.columns(params)
        return read.Reader(files, found, columns, options, surplus=kind.surplus).read(whole)


def _as_given(kind: Kind, batch: Batch) -> pd.DataFrame:
    return batch.by_line if kind.columns is None else batch.frame


@dataclass(frozen=True)
class Bench:
    """A kind at work on the rows of *frame*; *rejected* ones before its first were left out.

    Every partial goes through pickle, as it does between processes.
    """

    kind: Kind
    params: Params
    frame: pd.DataFrame
    rejected: int

    @classmethod
    def of(cls, kind: Kind, table: Table, params: Params | None, rejected: int = 0) -> Bench:
        params = kind.params.model_validate({}) if params is None else params
        if not isinstance(table, pd.DataFrame):
            batch = _batch(kind, table, params)
            table, rejected = _as_given(kind, batch), batch.rejected
        return cls(_as_one_chunk(kind), params, table, rejected)

    def rows(self, *ranges: Rows) -> pd.DataFrame:
        """The rows of these ranges as one chunk, without those that the kind turns down."""
        by_line = self.kind.columns is None
        piece = pd.concat([self.frame[start:stop] for start, stop in ranges], ignore_index=not by_line)
        before = self.rejected if any(start == 0 < stop for start, stop in ranges) else 0
        failed = [] if self.kind.check is None else self.kind.check(piece, self.params)
        turned_down = reduce(lambda some, more: some | more.rows, failed, pd.Series(data=False, index=piece.index))
        kept = piece[~turned_down]
        kept.attrs["rejected"] = before + len(piece) - len(kept)
        return kept

    def partial(self, *ranges: Rows) -> Counted:
        frame = self.rows(*ranges)
        given = frame.copy()
        partial = self.kind.chunk(frame, self.params)
        if self.kind.frame is None:
            assert_frame_equal(frame, given, obj="the frame after chunk", check_exact=True)
        rejected = given.attrs["rejected"]
        return _travelled(Counted(len(given) + rejected, rejected, partial))

    def combine(self, partials: Sequence[Counted]) -> Counted:
        return _travelled(accounts.combine(self.kind, partials))

    def report(self, total: Counted) -> Report:
        report = self.kind.finalize(total.partial, self.params)
        try:
            accounts.settle(total, report)
        except accounts.Unaccounted as exc:
            raise AssertionError(f"a report accounts for every row: {exc}") from None
        return report

    def select(self, rows: Rows, before: Counted | None, total: Counted) -> pd.DataFrame:
        """The selected rows, with their positions in the whole table as index."""
        return self._select(self.rows(rows), before, total, rows[0])

    def select_listed(self, rows: Rows, part: Counted, total: Counted) -> pd.DataFrame | None:
        """The same, of those rows alone that are listed by a bound that *part* shows; None where that does not hold."""
        shortlist = self.kind.shortlist
        if shortlist is None:
            return None
        bound = shortlist.bound(part.partial, self.params)
        if not shortlist.holds(bound, total.partial, self.params):
            return None
        frame = self.rows(rows)
        return self._select(frame[shortlist.rows(frame, bound, self.params)], None, total, rows[0])

    def _select(self, frame: pd.DataFrame, before: Counted | None, total: Counted, start: int) -> pd.DataFrame:
        if self.kind.select is None:
            raise TypeError("a kind without select selects nothing")
        given = frame.reset_index(drop=True)  # as in a job, where only chunk sees lines
        selected = self.kind.select(given, before and before.partial, total.partial, self.params)
        hold(selected.index.isin(range(len(frame))).all(), "select returns rows of its frame, with their index")
        hold(selected.index.is_monotonic_increasing, "select keeps the order of rows")
        places = frame.index[selected.index]
        return selected.set_index(places if self.kind.columns is None else places + start)


def _as_one_chunk(kind: Kind) -> Kind:
    """A kind that wants the whole table at once has no other chunk."""
    if kind.frame is None:
        return kind
    return replace(
        kind, chunk=kind.frame, combine=lambda partials: partials[0], finalize=lambda report, _params: report
    )


def hold(law: object, what: str) -> None:
    if not law:
        raise AssertionError(what)


def _travelled(partial: Counted) -> Counted:
    travelled: Counted = pickle.loads(pickle.dumps(partial))  # noqa: S301 - just pickled
    return travelled

"""The laws of a kind, for the tests of whoever writes one: `check_laws(KIND, frame, params)`; not a kind itself.

*The result does not depend on where the table was cut, in which order its chunks end, or how often the process died.*
It is held to the last bit: a kind that adds floats as they come breaks it.
*Each report accounts for every row: used or skipped.*
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain, combinations, islice, pairwise

import pandas as pd
from pandas.testing import assert_frame_equal

from consumer import accounts
from consumer.accounts import Counted
from consumer.kinds import Kind, Params, Report

MOST_SUBSETS = 8
Cut = Sequence[int]  # the positions of rows before which the table is cut; one twice makes an empty chunk
Rows = tuple[int, int]


def check_laws(
    kind: Kind,
    frame: pd.DataFrame,
    params: Params | None = None,
    cuts: Iterable[Cut] | None = None,
    *,
    rejected: int = 0,
) -> Report:
    """Raise AssertionError where *kind* breaks the law on *frame*; return the report of the whole table.

    *frame* is as the reader delivers it: the needed columns, typed; *rejected* rows before its first were left out.
    For a kind of every column its index is the lines of the rows.
    What the kind's own check turns down is left out here. Cut as in *cuts*, or else in some usual ways.
    """
    bench = _Bench(kind, kind.params.model_validate({}) if params is None else params, frame, rejected)
    everything = (0, len(frame))
    whole = bench.report(bench.partial(everything))
    for cut in _usual_cuts(len(frame)) if cuts is None else cuts:
        chunks = tuple(pairwise((0, *sorted(cut), len(frame))))
        _check_groupings(bench, chunks, whole)
        _check_subsets(bench, chunks)
        _check_selection(bench, chunks, everything)
    _check_words(bench, whole)
    return whole


@dataclass(frozen=True)
class _Bench:
    """A kind at work on one table. Every partial goes through pickle, as it does between processes."""

    kind: Kind
    params: Params
    frame: pd.DataFrame
    rejected: int

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
        if self.kind.select is None:
            raise TypeError("a kind without select selects nothing")
        frame = self.rows(rows)
        selected = self.kind.select(frame, before and before.partial, total.partial, self.params)
        _hold(selected.index.isin(frame.index).all(), "select returns rows of its frame, with their index")
        _hold(selected.index.is_monotonic_increasing, "select keeps the order of rows")
        return selected.set_index(selected.index + rows[0])


def _check_groupings(bench: _Bench, chunks: Sequence[Rows], whole: Report) -> None:
    """Chunks may end in any order and be combined in any grouping; empty ones change nothing."""
    last_first = {rows: bench.partial(rows) for rows in reversed(chunks)}
    partials = [last_first[rows] for rows in chunks]
    empty = bench.partial((0, 0))
    totals = {
        "all at once": bench.combine(partials),
        "one after the other": reduce(lambda left, right: bench.combine([left, right]), partials),
        "from the end": reduce(lambda right, left: bench.combine([left, right]), reversed(partials)),
        "with empty chunks": bench.combine([empty, *chain(*((partial, empty) for partial in partials))]),
        "once more": bench.combine(partials),
    }
    for how, total in totals.items():
        _same(bench.report(total), whole, f"cut into {chunks}, combined {how}")


def _check_subsets(bench: _Bench, chunks: Sequence[Rows]) -> None:
    """The report of some chunks is the report of their rows."""
    some = chain.from_iterable(combinations(chunks, size) for size in range(1, len(chunks)))
    for subset in islice(some, MOST_SUBSETS):
        report = bench.report(bench.combine([bench.partial(rows) for rows in subset]))
        _same(report, bench.report(bench.partial(*subset)), f"the chunks {subset} of {chunks}")


def _check_selection(bench: _Bench, chunks: Sequence[Rows], everything: Rows) -> None:
    """What is selected chunk by chunk is what is selected from the whole."""
    if bench.kind.select is None:
        return
    partials = [bench.partial(rows) for rows in chunks]
    total = bench.combine(partials)
    befores = [None, *(bench.combine(partials[:end]) for end in range(1, len(chunks)))]
    pieces = [bench.select(rows, before, total) for rows, before in zip(chunks, befores, strict=True)]
    whole = bench.select(everything, None, total)
    pieces = [piece for piece in pieces if len(piece)] or [whole[:0]]
    assert_frame_equal(pd.concat(pieces), whole, obj=f"selected, cut into {chunks}", check_exact=True)


def _check_words(bench: _Bench, report: Report) -> None:
    """What a report says can be shown, whether the selected rows are counted or not."""
    kind = bench.kind
    numbers = json.loads(json.dumps(report.numbers))
    for selected in (None, 0, 1, 2) if kind.select else (None,):
        headline = kind.headline(numbers | {kind.selected: selected})
        _hold(bool(headline.strip()), "a headline says something")
    if kind.chart is not None:
        json.dumps(kind.chart(report, bench.params))


def _usual_cuts(rows: int) -> Iterator[Cut]:
    """Not at all, in two, in three, with empty chunks at both ends, in up to eight, and around the first row."""
    yield ()
    yield (rows // 2,)
    yield (rows // 3, rows - rows // 3)
    yield (0, 0, rows // 2, rows // 2, rows)
    yield tuple(range(0, rows, max(1, -(-rows // 8))))
    yield (min(1, rows),)


def _travelled(partial: Counted) -> Counted:
    travelled: Counted = pickle.loads(pickle.dumps(partial))  # noqa: S301 - just pickled
    return travelled


def _same(report: Report, expected: Report, when: str) -> None:
    """Equal to the last bit: floats are compared by their shortest exact spelling, so NaN equals NaN."""
    found, wanted = json.dumps(report.numbers), json.dumps(expected.numbers)
    _hold(found == wanted, f"{when}: the numbers are {found}, of the same rows at once {wanted}")
    _hold(list(report.tables) == list(expected.tables), f"{when}: the tables are {list(report.tables)}")
    for name, table in report.tables.items():
        assert_frame_equal(table, expected.tables[name], obj=f"{when}: the table {name}", check_exact=True)


def _hold(law: object, what: str) -> None:
    if not law:
        raise AssertionError(what)

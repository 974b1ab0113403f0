"""What whoever writes a kind tests it with; not a kind itself. `docs/kinds.md` shows it at work.

check_laws       the laws: *the result does not depend on where the table was cut, in which order its chunks end, or how
                 often the process died*, to the last bit: a kind that adds floats as they come breaks it;
                 *each report accounts for every row*; what a report says can be shown
check_restarts   the same for chunks that processes of their own made, in which sets have another order
read             what a kind is given of a table: the typed rows; and what it is not: lines and reasons
select           the rows that a kind selects from a table
try_each         what one try of each row's errand comes to, by line

A table is text, as it would lie in a file, or a frame as the reader delivers it.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from importlib.metadata import EntryPoint
from itertools import chain, combinations, islice, pairwise

import pandas as pd
from pandas.testing import assert_frame_equal

from consumer import trials
from consumer.accounts import Counted
from consumer.errands import Outcome
from consumer.kinds import Kind, Params, Report
from consumer.pool.reporting import flat
from consumer.trials import Bench, Reading, Rows, Table, hold, reading

__all__ = ["Reading", "check_laws", "check_restarts", "read", "select", "try_each"]

MOST_SUBSETS = 8
Cut = Sequence[int]  # the positions of rows before which the table is cut; one twice makes an empty chunk
SEEDS = ("1", "2")  # of two processes, for the hashes of texts
ELSEWHERE = "from consumer.kinds import testing; testing.answer()"


def check_laws(
    kind: Kind,
    table: Table,
    params: Params | None = None,
    cuts: Iterable[Cut] | None = None,
    *,
    rejected: int = 0,
) -> Report:
    """Raise AssertionError where *kind* breaks a law on *table*; return the report of the whole table.

    A frame has the needed columns, typed; *rejected* rows before its first were left out. For a kind of every column
    its index is the lines of the rows. What the kind's own check turns down is left out here.
    Cut before the rows at *cuts*, or else in some usual ways.
    """
    if kind.each is not None:
        raise TypeError("a kind with each has no chunks: try_each tests it")
    bench = Bench.of(kind, table, params, rejected)
    everything = (0, len(bench.frame))
    whole = bench.report(bench.partial(everything))
    if kind.frame is None:
        for cut in _usual_cuts(len(bench.frame)) if cuts is None else cuts:
            chunks = tuple(pairwise((0, *sorted(cut), len(bench.frame))))
            _check_groupings(bench, chunks, whole)
            _check_subsets(bench, chunks)
            _check_selection(bench, chunks, everything)
            _check_shortlist(bench, chunks)
    _check_words(bench, whole)
    return whole


def check_restarts(place: str, table: Table, params: Params | None = None) -> None:
    """Raise AssertionError where the kind at *place* (`my_kind:KIND`) makes something else in other processes."""
    bench = Bench.of(_imported(place), table, params)
    middle, end = len(bench.frame) // 2, len(bench.frame)
    chunks = [(0, middle), (middle, end)] if bench.kind.frame is None else [(0, end)]
    partials = [
        _elsewhere(seed, (place, bench.frame, bench.params, bench.rejected, rows))
        for seed, rows in zip(SEEDS, chunks, strict=False)
    ]
    whole = bench.report(bench.partial((0, end)))
    _same(bench.report(bench.combine(partials)), whole, "made in two processes")


def _elsewhere(seed: str, task: object) -> Counted:
    """What `answer` makes of *task* in a process whose hashes are other ones."""
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", ELSEWHERE]
    ran = subprocess.run(command, input=pickle.dumps(task), capture_output=True, env=environment, check=False)  # noqa: S603
    hold(ran.returncode == 0, ran.stderr.decode(errors="replace"))
    partial: Counted = pickle.loads(ran.stdout)  # noqa: S301 - our own
    return partial


def answer() -> None:
    """The other end of `check_restarts`: one chunk's partial."""
    place, frame, params, rejected, rows = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own
    sys.stdout.buffer.write(pickle.dumps(Bench.of(_imported(place), frame, params, rejected).partial(rows)))


def _imported(place: str) -> Kind:
    kind: Kind = EntryPoint("", place, "").load()
    return kind


def read(kind: Kind, table: str | bytes, params: Params | None = None) -> Reading:
    """The rows that *kind* is given of *table*, and of the others line and reason."""
    return reading(kind, table, kind.params.model_validate({}) if params is None else params)


def select(kind: Kind, table: Table, params: Params | None = None) -> pd.DataFrame:
    """The rows of *table* that *kind* selects."""
    bench = Bench.of(kind, table, params)
    everything = (0, len(bench.frame))
    return bench.select(everything, None, bench.partial(everything))


def try_each(kind: Kind, table: str | bytes, params: Params | None = None) -> dict[int, Outcome]:
    """By line, what the errand of each right row comes to when it is tried once; in a job, AGAIN is tried again."""
    return asyncio.run(trials.attempts(kind, table, kind.params.model_validate({}) if params is None else params))


def _check_groupings(bench: Bench, chunks: Sequence[Rows], whole: Report) -> None:
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
        "made anew": bench.combine([bench.partial(rows) for rows in chunks]),
    }
    for how, total in totals.items():
        _same(bench.report(total), whole, f"cut into {chunks}, combined {how}")


def _check_subsets(bench: Bench, chunks: Sequence[Rows]) -> None:
    """The report of some chunks is the report of their rows."""
    some = chain.from_iterable(combinations(chunks, size) for size in range(1, len(chunks)))
    for subset in islice(some, MOST_SUBSETS):
        report = bench.report(bench.combine([bench.partial(rows) for rows in subset]))
        _same(report, bench.report(bench.partial(*subset)), f"the chunks {subset} of {chunks}")


def _check_selection(bench: Bench, chunks: Sequence[Rows], everything: Rows) -> None:
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


def _check_shortlist(bench: Bench, chunks: Sequence[Rows]) -> None:
    """Where a bound holds, the rows on the list are all that is needed to select; it may be any part's."""
    if bench.kind.shortlist is None:
        return
    partials = [bench.partial(rows) for rows in chunks]
    total = bench.combine(partials)
    for rows in chunks:
        expected = bench.select(rows, None, total)
        for part in partials:
            found = bench.select_listed(rows, part, total)
            if found is not None:
                assert_frame_equal(
                    found, expected, obj=f"selected of a short list, cut into {chunks}", check_exact=True
                )


def _check_words(bench: Bench, report: Report) -> None:
    """What a report says can be shown, whether the selected rows are counted or not."""
    kind = bench.kind
    numbers = json.loads(json.dumps(report.numbers))
    for selected in (None, 0, 1, 2) if kind.select else (None,):
        headline = kind.headline(numbers | {kind.selected: selected})
        hold(bool(headline.strip()), "a headline says something")
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


def _same(report: Report, expected: Report, when: str) -> None:
    """Equal to the last bit: floats are compared by their shortest exact spelling, so NaN equals NaN."""
    found, wanted = _spelled(report), _spelled(expected)
    hold(found == wanted, f"{when}: the numbers are {found}, of the same rows at once {wanted}")
    hold(list(report.tables) == list(expected.tables), f"{when}: the tables are {list(report.tables)}")
    for name, table in report.tables.items():
        wanted_table = flat(expected.tables[name])
        assert_frame_equal(flat(table), wanted_table, obj=f"{when}: the table {name}", check_exact=True)


def _spelled(report: Report) -> str:
    for name, value in report.numbers.items():
        try:
            json.dumps(value)
        except TypeError:
            kind_of = type(value).__name__
            raise TypeError(f"{name!r} is of the type {kind_of}: make it an int, a float or a text") from None
    return json.dumps(report.numbers)

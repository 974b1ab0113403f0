"""The rows of a chunk as errands want them, and what the errands came to as pieces of the result. Runs in the pool."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from consumer.errands import Each, Fate, Outcome, Row
from consumer.errands.tally import Tally, total
from consumer.kinds import Failed, Kind, Report
from consumer.pool.artefacts import Artefacts
from consumer.steps import Task
from consumer.tables import decimals, write
from consumer.tables.batch import Batch
from protocol.files import BlockingFiles
from protocol.job import Artefact, Table

LARGEST, MOST_ROWS = 512 * 2**10, 500  # bytes and rows of a chunk: all of its outcomes are held until the last is there
OUTCOMES = "outcomes"


def rows(batch: Batch) -> tuple[Row, ...]:
    """The good rows of a chunk as plain values."""
    names = [str(name) for name in batch.frame.columns]
    columns = [_plain(batch.frame[name]) for name in names]
    lines = batch.originals.lines(batch.places).tolist()
    cells = zip(*columns, strict=True)
    return tuple(Row(line, dict(zip(names, row, strict=True))) for line, row in zip(lines, cells, strict=True))


def _plain(column: pd.Series[Any]) -> list[Any]:
    missing = column.isna().tolist()
    return [None if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]


def write_all(task: Task, index: int, batch: Batch, each: Each, outcomes: Sequence[Outcome]) -> Tally:
    """The pieces of a chunk whose errands have all ended, and what became of its rows."""
    files = task.files
    files.write(task.piece(OUTCOMES, index), [_outcomes_csv(batch, each, outcomes)])
    if any(one.made for one in outcomes):
        rows = (record for one in outcomes for record in _records(files, one))
        files.write(task.piece("records", index), write.pieces(tuple(map(_cell, row)) for row in rows))
    left = _reject(batch, outcomes)
    if left.rejected:
        files.write(task.piece("rejected", index), [left.rejects_csv()])
    return total((Tally(read=batch.rejected, rejected=batch.rejected), *map(Tally.of, outcomes)))


def brought(task: Task, each: Each, outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """What the errands of a chunk brought, as a frame of text."""
    files = task.files
    rows = [[_cell(value) or None for value in record] for one in outcomes for record in _records(files, one)]
    return pd.DataFrame(rows, columns=list(each.columns), dtype="str")


def _reject(batch: Batch, outcomes: Sequence[Outcome]) -> Batch:
    """The batch without the rows whose errand failed, each a reject with column and reason."""
    first = str(batch.frame.columns[0])
    whys = [(one.column or first, one.detail) if one.fate is Fate.REJECTED else None for one in outcomes]
    index = batch.frame.index
    distinct = sorted({why for why in whys if why})
    return batch.reject([Failed(pd.Series([one == why for one in whys], index=index), *why) for why in distinct])


def _outcomes_csv(batch: Batch, each: Each, outcomes: Sequence[Outcome]) -> bytes:
    """For each row its line, its first needed cell, what became of it, after how many tries, and more about that."""
    words = [each.done if one.fate is Fate.DONE else one.fate.value for one in outcomes]
    tries, details = [str(one.tries) for one in outcomes], [one.detail for one in outcomes]
    lines = [str(line) for line in batch.originals.lines(batch.places).tolist()]
    return write.spelled([lines, write.texts(batch.frame.iloc[:, 0]), words, tries, details])


def _records(files: BlockingFiles, outcome: Outcome) -> Iterable[tuple[Any, ...]]:
    if outcome.spilled is None:
        return outcome.records
    body = files.read(outcome.spilled, 0, files.size(outcome.spilled))
    found: tuple[tuple[Any, ...], ...] = pickle.loads(body)  # noqa: S301 - our own
    return found


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return decimals.text(value) if isinstance(value, float) else str(value)


def join(
    task: Task, store: Artefacts, each: Each, subject: str, chunks: Sequence[int]
) -> tuple[list[Artefact], list[Table]]:
    """The artefacts, and the first rows of what was brought or else of the outcomes; *chunks* are their records."""
    header = write.header(("line", subject, "outcome", "tries", "detail"))
    made = [store.join(f"{OUTCOMES}.csv", header, [task.piece(OUTCOMES, index) for index in range(len(chunks))])]
    if not each.columns:
        return made, [store.preview(OUTCOMES)]
    brought = [task.piece("records", index) for index, count in enumerate(chunks) if count]
    made.append(store.join(f"{each.brings}.csv", write.header(each.columns), brought))
    return made, [store.preview(each.brings)]


def artefacts(each: Each) -> tuple[str, ...]:
    """The files that a kind of errands makes."""
    return (f"{OUTCOMES}.csv", *([f"{each.brings}.csv"] if each.columns else []))


def as_chunks(kind: Kind, each: Each) -> Kind:
    """The kind as the engine reports on it: its partials are tallies."""
    fields = {name: getattr(kind, name) for name in kind.__dataclass_fields__}
    return Kind(**fields | {"combine": total, "finalize": lambda tally, _params: _report(each, tally)})


def _report(each: Each, tally: Tally) -> Report:
    numbers = {"rows": tally.read, each.done: tally.done, "rejected": tally.rejected, "unknown": tally.unknown}
    brought = {each.brings: tally.records} if each.columns else {}
    tables = {"failures": _failures(tally)} if tally.reasons else {}
    return Report(numbers=numbers | brought, tables=tables, used=tally.done + tally.unknown)


def _failures(tally: Tally) -> pd.DataFrame:
    ranked = sorted(Counter(tally.reasons).items(), key=lambda item: (-item[1], item[0]))
    return pd.DataFrame([(fate.value, why, count) for (fate, why), count in ranked], columns=["outcome", "why", "rows"])

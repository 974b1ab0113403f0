"""How a job goes on from another's result: which rows are new, where they belong, and what holds of the rest.

Runs in the pool. The report of a repaired table is that of the whole repaired file, that of an appended one that of
both files as one; but only what is new is milled.
"""

from __future__ import annotations

import heapq
import pickle
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise

from consumer.kinds import Kind
from consumer.pool import keeping
from consumer.pool.keeping import State
from consumer.pool.passages import most_lines, slice_size
from consumer.steps import Earlier, Plan, Run, Stretch, Task
from consumer.tables import cut, overlay, survey
from consumer.tables.overlay import Overlay, Part, Tables
from consumer.tables.survey import Survey
from protocol.files import BlockingFiles, blocks
from protocol.intake import BadTable, Layout, ReadOptions, repaired
from protocol.job import Finding
from protocol.kept import REJECTED, REJECTED_CSV, RISKY, How
from protocol.reading import Reading

END = 2**62  # beyond the last line of any table
Spans = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Todo:
    """What is new: the parts to mill, their places among the runs, and the earlier runs that hold beside them."""

    parts: Sequence[Part]
    places: tuple[int, ...]
    runs: tuple[Run, ...]
    surveys: tuple[Survey, ...]  # of the parts
    begin: int = 0  # bytes before the first of them
    gone: Spans = ((), ())


def plan(task: Task, kind: Kind) -> Plan:
    """What is to be done, and what need not be; BadTable where the sent file does not fit."""
    files = task.files
    state = keeping.load(task, files)
    if task.based_on is not None and task.based_on.how is How.REPAIR:
        return _repair(task, kind, files, state)
    return _append(task, kind, files, state)


def _append(task: Task, kind: Kind, files: BlockingFiles, state: State) -> Plan:
    home = task.kept_prefix if keeping.needs_source(kind) else task.work_prefix
    found = survey.survey(files, task.source_key, _options(task, kind), name=task.source_name, work_prefix=home)
    if faults := repaired.check_appended(found.layout.header, state.layout.header, found.layout):
        raise BadTable(422, faults, found.layout)
    first_line = found.layout.first_line + int(not keeping.ends(files, found) and found.layout.rows_begin == found.size)
    shift = state.next_line - first_line
    chunks = [
        chunk.shifted(shift)
        for chunk in cut.cut(
            files, found, task.chunk_size, most_lines=most_lines(kind), slice_size=slice_size(found.layout)
        )
    ]
    table, end = len(state.surveys), state.runs[-1].stop
    line_after = keeping.line_after(files, found)
    after = replace(state, next_line=line_after + shift)
    if keeping.needs_source(kind):
        more = tuple((table, chunk) for chunk in chunks)
        after = replace(after, surveys=(*state.surveys, found), chunks=(*state.chunks, *more))
    parts = [Part(table, chunk) for chunk in chunks]
    places = tuple(range(end, end + len(parts)))
    todo = Todo(parts, places, state.runs, (*state.surveys, found), begin=found.layout.rows_begin)
    lines = line_after - first_line
    told = Finding(
        what="appended",
        value=f"{lines:,} line{'' if lines == 1 else 's'}",
        why=f"they follow on line {state.next_line:,} of the table",
    )
    return _plan(task, kind, after, todo, (*found.layout.findings, told))


def _options(task: Task, kind: Kind | None) -> ReadOptions:
    """How the sent file is read: rows to append as the *kind*'s tables are."""
    based = task.based_on
    declared = based.model_dump(include={"encoding", "delimiter", "header", "quote"}) if based else {}
    columns = task.reading.columns if kind else {}
    return ReadOptions.of({}, kind, Reading(**declared, columns=columns))


def _repair(task: Task, kind: Kind, files: BlockingFiles, state: State) -> Plan:
    layout = survey.inspect(files, task.source_key, _options(task, None), name=task.source_name)
    sent = _sent(task, files, state.layout, layout)
    rows = _changed(task, files, sent)
    fresh = overlay.write_down(files, f"{task.work_prefix}overlay", rows, len(state.layout.header))
    after = state
    if keeping.needs_source(kind) and rows:
        after = replace(state, overlay=fresh.over(files, state.overlay, f"{task.kept_prefix}overlay"))
    todo = _beside(state, fresh, task.chunk_size) if kind.commutative else _within(after, fresh)
    return _plan(task, kind, after, todo, (*layout.findings, _told(len(rows), len(sent))))


def _sent(task: Task, files: BlockingFiles, table: Layout, layout: Layout) -> dict[int, list[str]]:
    """The sent rows, with the table's columns, by the line of the row that each stands for."""
    names, key = layout.header, f"{task.basis}{REJECTED_CSV}"
    declared = _options(task, None).encoding
    faults = repaired.check_header(names, table.header, layout) or repaired.check_rows(
        repaired.rows(blocks(files, task.source_key), layout, declared),
        layout,
        (line for line, _ in repaired.written(blocks(files, key))),
    )
    if faults:
        raise BadTable(422, faults, layout)
    line, places = names.index(REJECTED[0]), [names.index(name) for name in table.header]
    found = repaired.rows(blocks(files, task.source_key), layout, declared)
    return {repaired.line_number(cells[line]) or 0: [cells[place] for place in places] for _, cells in found}


def _changed(task: Task, files: BlockingFiles, sent: dict[int, list[str]]) -> dict[int, list[str]]:
    """Those rows that are not as they were: only a change can make a row right."""
    changed: dict[int, list[str]] = {}
    for line, row in repaired.written(blocks(files, f"{task.basis}{REJECTED_CSV}")):
        if line in sent:
            before = repaired.cells_of(row)[: -len(REJECTED)]
            now = [_unescaped(cell, was) for cell, was in zip(sent[line], before, strict=True)]
            if now != before:
                changed[line] = now
    return changed


def _unescaped(cell: str, was: str) -> str:
    return was if was.startswith(RISKY) and cell == f"'{was}" else cell


def _told(changed: int, sent: int) -> Finding:
    same = f"; {sent - changed:,} more came back as they were" if sent > changed else ""
    why = f"they take the place of rejected ones; what was not changed stays rejected{same}"
    return Finding(what="repaired", value=f"{changed:,} row{'' if changed == 1 else 's'}", why=why)


def _beside(state: State, fresh: Overlay, chunk_size: int) -> Todo:
    """The repaired rows are milled by themselves."""
    table, end = len(state.surveys), state.runs[-1].stop
    parts = list(overlay.alone(fresh, table, chunk_size))
    surveys = (*state.surveys, overlay.survey_of(fresh, state.layout))
    lines = tuple(fresh.lines.tolist())
    gone = (lines, tuple(line + 1 for line in lines))
    return Todo(parts, tuple(range(end, end + len(parts))), state.runs, surveys, gone=gone)


def _within(after: State, fresh: Overlay) -> Todo:
    """The chunks with repaired rows are milled once more, because it matters where in them the rows stand."""
    spans = _spans(after)
    touched = tuple(place for place, span in enumerate(spans) if fresh.between(*span))
    every = list(_parts(after))
    runs = tuple(run for run in after.runs if run.start not in set(touched))
    gone = (tuple(spans[place][0] for place in touched), tuple(spans[place][1] for place in touched))
    return Todo([every[place] for place in touched], touched, runs, after.surveys, gone=gone)


def _plan(task: Task, kind: Kind, after: State, todo: Todo, findings: tuple[Finding, ...]) -> Plan:
    state = pickle.dumps(replace(after, runs=()))
    whole = _stretch(_parts(after)) if kind.select else Stretch((), ())
    return Plan(
        survey=pickle.dumps(Tables(after.layout, todo.surveys)),
        mill=replace(_stretch(todo.parts), begin=todo.begin),
        selects=kind.select is not None,
        findings=findings,
        chunk_size=task.chunk_size,
        loads="mill" if kind.load else "",
        keeps=True,
        ordered=not kind.commutative,
        earlier=Earlier(todo.runs, todo.places, whole, after.counted, todo.gone, state),
    )


def _stretch(parts: Iterator[Part] | Sequence[Part]) -> Stretch:
    numbered = [replace(part, chunk=replace(part.chunk, index=index)) for index, part in enumerate(parts)]
    sizes = tuple(part.chunk.stop - part.chunk.start for part in numbered)
    return Stretch(tuple(map(pickle.dumps, numbered)), sizes)


def _parts(state: State) -> Iterator[Part]:
    """The whole table, chunk by chunk."""
    for (table, chunk), span in zip(state.chunks, _spans(state), strict=True):
        yield Part(table, chunk, state.overlay.between(*span) if state.overlay else None)


def _spans(state: State) -> list[tuple[int, int]]:
    """The lines of each chunk: the first, and the one after the last."""
    return list(pairwise([*(chunk.first_line for _, chunk in state.chunks), END]))


def rejected(task: Task, earlier: Earlier, header: bytes, pieces: Sequence[str]) -> Iterator[bytes]:
    """The lines of rejected.csv: those of the earlier job that still hold, and the new ones, in the file's order."""
    files = task.files
    before = repaired.written(blocks(files, f"{task.basis}{REJECTED_CSV}"))
    starts, stops = earlier.gone
    holds = ((line, row) for line, row in before if not _in(line, starts, stops))
    new = repaired.written(chain.from_iterable(blocks(files, key) for key in pieces), header=False)
    yield header
    merged = heapq.merge(holds, new)
    while some := b"".join(row for _, row in islice(merged, 10_000)):
        yield some


def _in(line: int, starts: Sequence[int], stops: Sequence[int]) -> bool:
    """Whether one of the spans holds the line."""
    at = bisect_right(starts, line) - 1
    return at >= 0 and line < stops[at]

"""The first step of a job: one look at the whole table, and where it is cut. Runs in the pool."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

from consumer.kinds import BadInput, Kind
from consumer.pool import amendments, catalogue, keeping, results
from consumer.pool.passages import most_lines, slice_size
from consumer.steps import WHOLE, Plan, Stretch, Task
from consumer.tables import cut, survey, write
from protocol.intake import ReadOptions
from protocol.records import open_records

MANY = 32  # chunks: a table of more has larger ones, since each costs the parent a message and a checkpoint


def plan(task: Task) -> Plan:
    """Look at the whole table once and cut it at row boundaries."""
    kind, params = catalogue.understand(task)
    size = (_loaded_by(task) if kind.load else None) or task.chunk_size
    if task.based_on is not None:
        return amendments.plan(replace(task, chunk_size=size), kind)
    files = task.files
    key, options = _source(task, kind, params)
    home = task.kept_prefix if keeping.needs_source(kind) else task.work_prefix
    found = survey.survey(files, key, options, name=task.source_name, work_prefix=home)
    chunk_size, most_lines = _most(kind, found, size)
    small = slice_size(found.layout) if most_lines else None
    chunks = cut.cut(files, found, chunk_size, most_lines=most_lines, slice_size=small)
    # A table without rows still has one chunk, with none in it: then nothing that follows is special.
    chunks = chunks or (cut.Chunk(0, (cut.Slice(found.size, found.size, found.layout.first_line),)),)
    sizes = tuple(chunk.stop - chunk.start for chunk in chunks)
    return Plan(
        survey=pickle.dumps(found),
        mill=Stretch(tuple(map(pickle.dumps, chunks)), sizes, begin=chunks[0].start),
        selects=kind.select is not None,
        lists=kind.shortlist is not None,
        findings=() if task.sourceless else found.layout.findings,
        chunk_size=size,
        loads="" if kind.load is None else "mill" if kind.select is None else "select",
        keeps=kind.merges,
        ordered=not kind.commutative,
        terms=kind.each.terms(params) if kind.each else None,
    )


def _loaded_by(task: Task) -> int | None:
    """The chunk size at which the job has begun to load: cut otherwise, rows would be loaded twice."""
    return open_records(task.records_url).chunk_size(task.job_id)


def _most(kind: Kind, found: survey.Survey, size: int) -> tuple[int, int | None]:
    """How many bytes and lines a chunk may have."""
    if kind.each is not None:
        return min(size, results.LARGEST), results.MOST_ROWS
    if kind.frame is not None or size == WHOLE:
        return found.size + 1, None
    larger = size if kind.load else max(size, min(found.size // MANY, 2 * size))
    return larger, most_lines(kind)


def _source(task: Task, kind: Kind, params: Any) -> tuple[str, ReadOptions]:
    """Where the table lies and how to read it; where parameters stand in for it, it is written first."""
    if not task.sourceless:
        return task.source_key, ReadOptions.of(task.params, kind, task.reading)
    if kind.source is None or kind.columns is None:
        raise BadInput("There is no table.", "no_file")
    key = f"{task.work_prefix}source"
    table = write.table(tuple(column.name for column in kind.columns(params)), kind.source(params))
    task.files.write(key, table)
    return key, ReadOptions(delimiter=",")

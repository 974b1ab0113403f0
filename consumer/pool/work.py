"""The steps of a job that run in the pool, each a function of plain values. Knows no job, no database, no loop.

A step is called by its name (see executors), so that the process that runs the loop never imports pandas.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from consumer import accounts, kinds
from consumer.accounts import Counted
from consumer.errands import Outcome
from consumer.errands import tally as tallies
from consumer.executors import weight
from consumer.kinds import Kind
from consumer.pool import amendments, artefacts, catalogue, keeping, planning, reporting, results
from consumer.pool.builds import build_of
from consumer.pool.passages import Passage
from consumer.pool.stages import Stages, straight
from consumer.steps import Drawn, Finished, Made, Milled, Plan, Run, Selected, Task
from consumer.tables import cut, overlay, pieces, survey, write
from consumer.tables.overlay import Part, Tables
from protocol import rejects
from protocol.job import Artefact, Report, Table
from protocol.kept import REJECTED_CSV
from protocol.kinds import KindInfo
from protocol.records import Counts, Lot, open_records


def describe(kind: str) -> KindInfo:
    return catalogue.describe(kind)


def runs_errands(kind: str) -> bool:
    return catalogue.find(kind).each is not None


def draws(task: Task) -> bool:
    """Whether its report will have charts."""
    return catalogue.find(task.kind).chart is not None


def peak() -> int:
    return weight.peak()


def plan(task: Task) -> Plan:
    """Look at the table and cut it, and say what the columns of its rejected rows will be."""
    made = replace(planning.plan(task), build=build_of(task.kind))
    task.files.write(rejects.header(task.prefix), [write.rejects_header(overlay.load(made.survey).layout)])
    return made


def build(task: Task) -> str:
    """Which build of its kind the job would have now."""
    return build_of(task.kind)


def mill(task: Task, found: bytes, chunk: bytes) -> Milled:
    """Read one chunk, set its rejected rows aside, and let the kind have the rest."""
    return passage_of(task, found, chunk).mill()


def passage_of(task: Task, found: bytes, chunk: bytes) -> Passage:
    """One chunk, as it goes through a pass."""
    where: cut.Chunk | Part = _load(chunk)
    part = where if isinstance(where, Part) else Part(0, where)
    return Passage(task, *catalogue.understand(task), _survey(found, part.table), part)


def load(task: Task, index: int, chunk_size: int) -> Counts:
    """Insert the rows that a chunk gave; doing it again changes nothing."""
    kind, _ = catalogue.understand(task)
    if kind.load is None:
        raise TypeError(f"{task.kind} loads nothing")
    files, key = task.files, task.piece("load", index)
    rows = pieces.read(files.read(key, 0, files.size(key)))
    return open_records(task.records_url).load(kind.load.table, Lot(task.job_id, index, chunk_size), rows)


def draw(task: Task, found: bytes, chunk: bytes) -> Drawn:
    """Read one chunk, and hand out its good rows: their errands are run elsewhere."""
    batch = passage_of(task, found, chunk).whole()
    return Drawn(results.rows(batch), batch.rejected)


def close(task: Task, found: bytes, chunk: bytes, outcomes: Sequence[Outcome]) -> Milled:
    """Write what became of the rows of one chunk, whose errands have all ended."""
    passage = passage_of(task, found, chunk)
    kind = passage.kind
    if kind.each is None:
        raise TypeError(f"{task.kind} runs no errands")
    tally = results.write_all(task, passage.part.chunk.index, passage.whole(), kind.each, outcomes)
    if kind.load:
        passage.set_aside([passage.to_load(kind.load, results.brought(task, kind.each, outcomes))])
    return Milled(tally.read, tally.rejected, tallies.as_partial(tally), tally=tally)


def _survey(found: bytes, table: int) -> survey.Survey:
    tables = overlay.load(found)
    return tables.surveys[table] if isinstance(tables, Tables) else tables


def _load(data: bytes) -> Any:
    return pickle.loads(data)  # noqa: S301 - written by this module, kept in our own store


def fold(task: Task, runs: Sequence[Run]) -> tuple[Run, ...]:
    """Combine what lies side by side in the file; *runs* are in file order."""
    kind, _ = catalogue.understand(task)
    return reduce(lambda done, run: _join(kind, done, run), runs, ())


def _join(kind: Kind, done: tuple[Run, ...], run: Run) -> tuple[Run, ...]:
    if not done or done[-1].stop != run.start:
        return (*done, run)
    *earlier, last = done
    both = _combine(kind, [last.partial, run.partial])
    return (*earlier, Run(last.start, run.stop, both, last.rows + run.rows, last.rejected + run.rejected))


def _combine(kind: Kind, partials: Sequence[bytes]) -> bytes:
    return pickle.dumps(accounts.combine(kind, [_load(partial) for partial in partials]))


def show(task: Task, runs: Sequence[Run], share: float, counted: Mapping[str, int]) -> tuple[tuple[Run, ...], Report]:
    """The report of the chunks so far, and their runs folded; *counted* are numbers that the engine knows."""
    kind, _ = catalogue.understand(task)
    folded = fold(task, runs)
    total = _combine(kind, [run.partial for run in folded])
    return folded, straight(_report(task, total, share, counted))[1]


def _report(task: Task, total: bytes, share: float, counted: Mapping[str, int]) -> Stages[tuple[kinds.Report, Report]]:
    """What the kind has found, and how the job shows it, with every row accounted for."""
    kind, params = catalogue.understand(task)
    rows: Counted = _load(total)
    found = kind.finalize(rows.partial, params)
    yield
    known = 0 if kind.each else counted.get("skipped", 0)  # what an errand brings is no row of the table
    account = accounts.settle(rows, found, already_there=known)
    shown = reporting.show(kind, found, params, share=share, counted=counted)
    return found, shown.model_copy(update={"account": account})


def scan(task: Task, partials: Sequence[bytes]) -> tuple[bytes | None, ...]:
    """For each chunk the combined partial of all chunks before it in the file (a prefix scan); the first has none."""
    kind, _ = catalogue.understand(task)
    before: list[bytes | None] = [None]
    for partial in partials[:-1]:
        last = before[-1]
        before.append(partial if last is None else _combine(kind, [last, partial]))
    return tuple(before)


def select(  # noqa: PLR0917 - steps are called by position
    task: Task, found: bytes, chunk: bytes, before: bytes | None, total: bytes, listed: bytes | None = None
) -> Selected:
    """The second pass over one chunk: the rows that the kind selects, as a piece of the artefact."""
    return straight(select_in_stages(passage_of(task, found, chunk), before, total, listed))


def select_in_stages(
    passage: Passage, before: bytes | None, total: bytes, listed: bytes | None = None
) -> Stages[Selected]:
    earlier = None if before is None else _load(before).partial
    return passage.select_in_stages(earlier, _load(total).partial, None if listed is None else _load(listed))


def finish(task: Task, plan: Plan, total: bytes, passes: Made) -> Finished:
    """Write the artefacts and the final report."""
    return straight(finish_in_stages(task, plan, total, passes))


def finish_in_stages(task: Task, plan: Plan, total: bytes, passes: Made) -> Stages[Finished]:
    kind, params = catalogue.understand(task)
    layout = overlay.load(plan.survey).layout
    result, shown = yield from _report(task, total, 1.0, passes.counted)
    yield
    store = _artefacts(task)
    made = [store.add(f"{name}.csv", [write.table_csv(reporting.flat(frame))]) for name, frame in result.tables.items()]
    yield
    made += [store.add(f"{chart.name}.vl.json", [artefacts.as_json(chart.spec)]) for chart in shown.charts]
    tables: list[Table] = []
    if kind.each is not None:
        subject = kind.columns(params)[0].name if kind.columns else layout.header[0]
        joined, tables = results.join(task, store, kind.each, subject, passes.records)
        made += joined
    yield
    if (chosen := passes.selected) is not None:
        parts = [task.piece("selected", index) for index, piece in enumerate(chosen) if piece.rows]
        made.append(store.join(f"{kind.selected}.csv", write.carried_header(layout, chosen[0].added), parts))
        numbers = {name for name in chosen[0].added if all(name in piece.numeric for piece in chosen)}
        tables.append(store.preview(kind.selected, numbers=numbers))
    yield
    made.append(_rejected(task, plan, store, passes.rejected))
    if made[-1].size > len(write.rejects_header(layout)):
        tables.append(store.preview("rejected"))
    selected = None if chosen is None else sum(piece.rows for piece in chosen)
    yield
    if plan.keeps:
        keeping.keep(task, plan, kind, passes)
    return Finished(reporting.conclude(kind, shown, selected=selected, more=tables), tuple(made))


def _rejected(task: Task, plan: Plan, store: artefacts.Artefacts, rejected: Sequence[int]) -> Artefact:
    """Join rejected.csv from its pieces, and from what still holds of an earlier job's."""
    parts = [task.piece("rejected", index) for index, count in enumerate(rejected) if count]
    header = write.rejects_header(overlay.load(plan.survey).layout)
    if plan.earlier is None:
        return store.join(REJECTED_CSV, header, parts)
    return store.add(REJECTED_CSV, amendments.rejected(task, plan.earlier, header, parts))


def _artefacts(task: Task) -> artefacts.Artefacts:
    return artefacts.Artefacts(task.files, task.job_id, task.prefix)


def render(task: Task, report: Report) -> tuple[Artefact, ...]:
    """Every chart as SVG and PNG."""
    from consumer.pool import charts  # noqa: PLC0415 - V8 comes with it, which only the renderer shall hold

    store = _artefacts(task)
    made = []
    for chart in report.charts:
        drawn = charts.render(chart.spec)
        made += [store.add(f"{chart.name}.svg", [drawn.svg]), store.add(f"{chart.name}.png", [drawn.png])]
    return tuple(made)

"""What a person sees in a terminal: bars while it runs, the report when it is done. Data is shown, never obeyed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rich.console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from client import exits
from protocol import job as jobs
from protocol.job import Job
from protocol.kinds import KindInfo
from protocol.log import printable

REJECTED = "rejected.csv"
WIDE = 140
ROWS = 15  # of each table; the files have them all
MINUTE = 60
MILLION = 1_000_000
NOTHING = "\N{EN DASH}"


class Console(rich.console.Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def stdout() -> Console:
    """Where there is no terminal, a file or a log is wider than the eighty columns of one that is not known."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(highlight=False, markup=False, emoji=False, width=width)


def stderr() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


@contextmanager
def uploading(name: str, size: int | None) -> Iterator[Callable[[int], object]]:
    """A bar for an upload; the function given takes the number of bytes that are sent."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = stderr()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(f"sending {printable(name)}", total=size)
        yield lambda sent: progress.update(task, completed=sent)


@contextmanager
def following() -> Iterator[Callable[[Job], object]]:
    """A bar for a job that runs; where there is no terminal, a line for each new state and phase."""
    console = stderr()
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[facts]}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("waiting", total=None, facts="")
        yield lambda job: progress.update(
            task,
            description=doing(job),
            total=job.progress.bytes_total or None,
            completed=job.progress.bytes_done,
            facts=facts(job.progress),
        )


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console, self._last = console, ""

    def __call__(self, job: Job) -> None:
        if doing(job) != self._last:
            self._last = doing(job)
            self._console.print(f"{self._last} {facts(job.progress)}".rstrip(), soft_wrap=True)


def doing(job: Job) -> str:
    """What the job is about now: its phase while it runs, else its state."""
    return printable(job.progress.phase if job.state is jobs.State.RUNNING else job.state)


def facts(progress: jobs.Progress) -> str:
    parts = [f"{progress.rows_done:,} rows"] if progress.rows_done else []
    parts += [f"{progress.rows_rejected:,} rejected"] if progress.rows_rejected else []
    parts += [f"{progress.rows_per_second:,.0f}/s"] if progress.rows_per_second else []
    parts += [f"{duration(progress.eta_seconds)} left"] if progress.eta_seconds else []
    return " · ".join(parts)


def duration(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / MINUTE), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def accepted(job: Job, page: str) -> None:
    """Print the id alone where a script reads it."""
    stdout().print(job.id, soft_wrap=True)
    note(f"{job.kind} job accepted: {page}")


def say(text: str) -> None:
    _print(stdout(), text)


def note(text: str) -> None:
    _print(stderr(), text)


def show(job: Job, page: str) -> None:
    """Print how a finished job ended: the report, or the problem, and where to see more."""
    console = stdout()
    if job.problem:
        _print(console, *exits.describe(job.problem))
    if job.report:
        _report(console, job.report)
    _print(console, *_account(job), *_findings(job))
    for mail in job.mail:
        _print(console, f"mail to {mail.to}: {mail.state}{f', {mail.detail}' if mail.detail else ''}")
    _print(console, f"{job.state}: {page}")


def _account(job: Job) -> Iterator[str]:
    """Where every row went, as far as it is known."""
    account = job.report.account if job.report else None
    listed = any(artefact.name == REJECTED for artefact in job.artefacts)
    if account and account.read:
        yield f"{account}{f'; {REJECTED} says which and why' if account.rejected and listed else ''}"


def _findings(job: Job) -> Iterator[str]:
    if job.findings:
        yield "How the table was read:"
    for finding in job.findings:
        yield f"  {finding.what}: {finding.value} ({finding.why})"


def _report(console: Console, report: jobs.Report) -> None:
    console.print(Text(printable(report.headline), style="bold"))
    console.print(_grid("", ("number", "value"), list(report.numbers.items())))
    for table in report.tables:
        console.print(_grid(table.name, table.columns, table.rows[:ROWS]))
        if table.truncated or len(table.rows) > ROWS:
            _print(console, f"The first {min(ROWS, len(table.rows))} rows; {table.name}.csv has them all.")


def kinds(offered: Sequence[KindInfo]) -> None:
    rows = [(kind.name, kind.title, _columns(kind), _params(kind)) for kind in offered]
    stdout().print(_grid("", ("kind", "what it does", "needs the columns", "parameters"), rows, lines=True))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    stdout().print(_grid("", columns, rows))


def _columns(kind: KindInfo) -> str:
    return ", ".join(f"{c.name} ({c.type}{'' if c.required else ', may be blank'})" for c in kind.columns)


def _params(kind: KindInfo) -> str:
    properties: dict[str, dict[str, Any]] = kind.params.get("properties", {})
    return "\n".join(f"{name}={cell(about.get('default'))}" for name, about in properties.items())


def _grid(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, lines: bool = False) -> Table:
    table = Table(title=Text(printable(title)) if title else None, title_justify="left", show_lines=lines)
    for number, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[number], int | float | None) for row in rows)
        table.add_column(Text(printable(name)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    return table


def cell(value: object) -> str:
    """A value as people read it: the result files have every digit."""
    if value is None:
        return NOTHING
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "\n".join(printable(line) for line in str(value).split("\n"))
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if abs(value) >= MILLION else f"{value:,.6g}"


def _print(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(Text(printable(line)), soft_wrap=True)

"""What comes from a file or a server is shown, and never obeyed by the terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import screen
from client.exits import describe
from protocol.job import Account, Fault, Job, Problem, Progress, Report, Source, State, Table

HOSTILE = "\x1b]0;owned\x07\x1b[2J[bold]x[/bold] :boom: \u202e\r\n"


def job(**changes: Any) -> Job:
    source = Source(name="t.csv", size=1, sha256="0" * 64)
    return Job(id="0" * 32, kind="sales", source=source, created_at=datetime.now(UTC), **changes)


def shown(finished: Job, monkeypatch: pytest.MonkeyPatch) -> str:
    out = io.StringIO()
    monkeypatch.setattr(
        screen,
        "stdout",
        lambda: screen.Console(
            file=out, width=200, highlight=False, markup=False, emoji=False, force_terminal=True, no_color=True
        ),
    )
    screen.show(finished, "http://here/jobs/1")
    return out.getvalue()


@given(st.text())
def test_no_cell_holds_anything_that_steers_a_terminal(text: str) -> None:
    assert all(c.isprintable() or c == "\n" for c in screen.cell(text))


def test_hostile_names_and_cells_come_out_as_they_are_and_powerless(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(name=HOSTILE, columns=(HOSTILE, "n"), rows=((HOSTILE, 1),), truncated=True)
    report = Report(headline=HOSTILE, numbers={HOSTILE: HOSTILE}, tables=(table,), final=True)
    text = shown(job(state=State.SUCCEEDED, report=report), monkeypatch)
    assert "\\x1b]0;owned\\x07\\x1b[2J[bold]x[/bold] :boom: \\u202e" in text
    assert "\x1b]" not in text
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert "\r" not in text


def test_where_every_row_went_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(read=1234, used=1000, rejected=34, skipped=200)
    report = Report(headline="Loaded", account=account, final=True)
    text = shown(job(state=State.SUCCEEDED, report=report), monkeypatch)
    assert "1,234 rows read = 1,000 used + 34 rejected + 200 skipped\n" in text


def test_every_fault_of_a_problem_is_told_with_its_place() -> None:
    faults = (
        Fault(code="a", detail="No column quantity."),
        Fault(code="b", detail="Not UTF-8.", line=3, column="region"),
    )
    problem = Problem(type="/problems/columns", title="Columns", status=422, detail="Two faults.", errors=faults)
    assert describe(problem) == [
        "Columns: Two faults.",
        "- No column quantity.",
        "- Not UTF-8. (line 3, column region)",
    ]


def test_numbers_keep_their_size_and_nothing_is_a_dash() -> None:
    assert [screen.cell(value) for value in (None, True, 1090, 22.857142857142858, 12345678.9, 0.15)] == [
        "\N{EN DASH}",
        "True",
        "1,090",
        "22.8571",
        "12,345,678.90",
        "0.15",
    ]


def test_a_job_that_runs_tells_its_rows_rate_and_time_left() -> None:
    progress = Progress(phase="reading", rows_done=1500, rows_rejected=3, rows_per_second=1234.5, eta_seconds=75)
    assert screen.doing(job(state=State.RUNNING, progress=progress)) == "reading"
    assert screen.facts(progress) == "1,500 rows · 3 rejected · 1,234/s · 1 min left"

"""Every row that was read is used, rejected or skipped; a kind that says otherwise fails."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from consumer.accounts import Counted, Unaccounted, settle
from consumer.kinds import Report
from consumer.origins import NoKind
from consumer.pool import catalogue, work
from consumer.steps import Run, Task
from protocol.files import open_blocking
from protocol.job import Account

TABLES = {
    "sales": b"region,note,revenue,quantity,discount\nN,a,1,1,0\nN,b,1,0,0\nS,c\nS,d,x,1,0\nS,e,4,2,0\n",
    "summary": b"region,value_column\nN,1\n,2\nS,\nS,x\nS\n",
    "profile": b"a,b\n1,2\n,\n3\n4,5,6\n1,2\n",
}
USED = {"sales": 2, "summary": 3, "profile": 3}


def report(used: int | None = None, skipped: int = 0) -> Report:
    return Report(numbers={}, used=used, skipped=skipped)


@pytest.mark.parametrize(
    ("found", "account"),
    [
        (report(), Account(read=10, used=7, rejected=3)),
        (report(used=7), Account(read=10, used=7, rejected=3)),
        (report(skipped=2), Account(read=10, used=5, rejected=3, skipped=2)),
        (report(used=0, skipped=7), Account(read=10, used=0, rejected=3, skipped=7)),
    ],
)
def test_read_is_used_and_rejected_and_skipped(found: Report, account: Account) -> None:
    assert settle(Counted(10, 3, None), found) == account


@pytest.mark.parametrize("found", [report(6), report(8), report(10), report(7, 1), report(skipped=8), report(8, -1)])
def test_a_report_that_does_not_add_up_is_a_fault_of_the_kind(found: Report) -> None:
    with pytest.raises(Unaccounted, match=r"^it was given 7 rows; its report says -?\d+ used and -?\d skipped$"):
        settle(Counted(10, 3, None), found)


@pytest.mark.parametrize("kind", sorted(TABLES))
@pytest.mark.parametrize("chunk_size", [1, 2**20])
def test_the_kinds_that_ship_account_for_every_row_of_the_chunks_so_far(
    kind: str, chunk_size: int, tmp_path: Path
) -> None:
    open_blocking(tmp_path.as_uri()).write("uploads/x", [TABLES[kind]])
    task = Task("x", tmp_path.as_uri(), "uploads/x", "x.csv", "results/x/", kind, {}, chunk_size)
    plan = work.plan(task)
    milled = [work.mill(task, plan.survey, chunk) for chunk in plan.mill.chunks]
    runs = [Run(n, n + 1, piece.partial) for n, piece in enumerate(milled)]
    for some in (runs, runs[:-1] or runs, runs[::2]):
        account = work.show(task, some, 1.0, {})[1].account
        assert account == Account(
            read=sum(milled[run.start].rows for run in some),
            used=sum(milled[run.start].rows - milled[run.start].rejected for run in some),
            rejected=sum(milled[run.start].rejected for run in some),
        )
    assert work.show(task, runs, 1.0, {})[1].account == Account(read=5, used=USED[kind], rejected=5 - USED[kind])


def test_what_finalize_returns_is_a_report() -> None:
    with pytest.raises(NoKind, match=r"^its report is of the type NoneType and not a Report$"):
        settle(Counted(1, 0, None), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_the_kinds_that_ship_count_the_rows_they_use_themselves(kind: str) -> None:
    frame = pd.DataFrame({"region": ["N", "S"], "value_column": [1.0, 2.0]}).assign(
        revenue=1.0, quantity=1.0, discount=0.0
    )
    found = catalogue.find(kind)
    params = found.params()
    frame = frame.astype("str") if found.columns is None else frame
    total = found.combine([found.chunk(frame[:1], params), found.chunk(frame[1:], params)])
    assert found.finalize(total, params).used == 2

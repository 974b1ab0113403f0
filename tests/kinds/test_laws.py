"""The law tests themselves: each way of breaking the law is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from consumer.kinds import Column, Failed, Kind, Report
from consumer.kinds.testing import check_laws

FRAME = pd.DataFrame({"x": [0.1, 0.7, -1e16, 0.3, 1e16, 3.3, 0.1, 0.2, 9.0]})


def report(total, _params):
    return Report(numbers={"total": total})


LAWFUL = Kind(
    title="How many rows are above one",
    columns=lambda _: [Column("x", "number")],
    headline=lambda numbers: f"{numbers['total']} rows",
    chunk=lambda frame, _: int((frame["x"] > 1).sum()),
    combine=sum,
    finalize=report,
    check=lambda frame, _: [Failed(frame["x"] == 0.2, "x", "odd")],
    select=lambda frame, _before, total, _params: frame[frame["x"] > total],
)


def change(frame, _):
    frame["y"] = 1.0
    return 0


def running(frame, before, _total, _params):
    return frame[frame["x"].cumsum() + (before or 0) > 1]


def test_a_lawful_kind_passes_and_its_report_comes_back():
    assert check_laws(LAWFUL, FRAME, cuts=[range(9)]).numbers == {"total": 3}


@pytest.mark.parametrize(
    "broken",
    [
        {"chunk": lambda frame, _: float(frame["x"].sum())},
        {"combine": lambda partials: partials[-1]},
        {"combine": len},
        {"combine": lambda partials: sum(partials) / len(partials)},
        {"chunk": lambda frame, _: frame.attrs["rejected"] > 0},
        {"chunk": lambda frame, _: int(frame.index.max()) if not frame.empty else 0},
        {"chunk": change},
        {"select": lambda frame, _before, _total, _params: frame[::-1]},
        {"select": lambda frame, _before, _total, _params: frame.nlargest(1, "x")},
        {"select": lambda frame, _before, _total, _params: frame.set_index(frame.index + 100)},
        {"select": running},
        {"headline": lambda _: " "},
        {"finalize": lambda total, _: Report(numbers={"total": total}, used=total)},
        {"finalize": lambda total, _: Report(numbers={"total": total}, skipped=len(FRAME))},
        {"finalize": lambda total, _: Report(numbers={"total": total}, skipped=-1)},
    ],
)
def test_a_broken_kind_is_found(broken):
    with pytest.raises(AssertionError):
        check_laws(replace(LAWFUL, **broken), FRAME)


def test_a_partial_that_does_not_pickle_is_found():
    with pytest.raises((AttributeError, TypeError)):
        check_laws(replace(LAWFUL, chunk=lambda _frame, _: (number for number in (1, 2))), FRAME)


def test_numbers_that_are_no_json_are_found():
    with pytest.raises(TypeError):
        check_laws(replace(LAWFUL, finalize=lambda total, _: Report(numbers={"total": np.int64(total)})), FRAME)

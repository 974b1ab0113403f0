"""The law tests themselves: each way of breaking the law is found."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from consumer.kinds import Column, Failed, Kind, Report
from consumer.kinds.mailing import KIND as MAILING
from consumer.kinds.summary import KIND as SUMMARY
from consumer.kinds.testing import check_laws, check_restarts, read, select

CALLS = itertools.count()
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
        {"chunk": lambda _frame, _params: next(CALLS)},
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
    with pytest.raises(TypeError, match=r"^'total' is of the type int64: make it an int, a float or a text$"):
        check_laws(replace(LAWFUL, finalize=lambda total, _: Report(numbers={"total": np.int64(total)})), FRAME)


def test_a_kind_of_every_column_may_select_and_one_that_turns_rows_down_may_merge():
    every = replace(LAWFUL, columns=None, check=None, chunk=lambda frame, _: len(frame))
    check_laws(replace(every, select=lambda frame, *_: frame[frame["y"] != "a"].assign(z=1)), TABLE)
    halves = pd.DataFrame({"x": FRAME["x"].unique(), "half": FRAME["x"].unique() / 2})
    check_laws(replace(LAWFUL, select=lambda frame, *_: frame.merge(halves, on="x", how="left")), FRAME)


def test_where_the_largest_rows_stood_is_no_part_of_the_result():
    largest = replace(
        LAWFUL,
        chunk=lambda frame, _: frame.nlargest(2, "x"),
        combine=lambda parts: pd.concat(parts).nlargest(2, "x"),
        finalize=lambda top, _: Report(numbers={"total": 2}, tables={"top": top}),
        select=None,
    )
    check_laws(largest, FRAME)


def test_a_kind_of_errands_is_told_what_tests_it():
    with pytest.raises(TypeError, match="try_each"):
        check_laws(MAILING, "email,subject,message\n")


TABLE = "x,y\n1.5,a\nabc,b\n 7 ,c\n0.2,d\n9\n"


def test_a_table_may_be_text_as_it_would_lie_in_a_file():
    assert check_laws(LAWFUL, TABLE).numbers == {"total": 2}
    assert check_laws(LAWFUL, TABLE.encode("utf-16"), LAWFUL.params(encoding="utf-16")).numbers == {"total": 2}


def test_read_tells_what_a_kind_is_given_and_what_not_with_line_and_reason():
    found = read(LAWFUL, TABLE)
    assert found.frame["x"].tolist() == [1.5, 7.0]
    assert found.rejects == [(3, "x: not_a_number"), (5, "x: odd"), (6, "short_row: 1 of 2 cells")]


def test_rejected_rows_of_a_text_are_accounted_for():
    counting = replace(LAWFUL, chunk=lambda frame, _: frame.attrs["rejected"], select=None)
    assert check_laws(counting, TABLE).numbers == {"total": 3}


def test_select_gives_the_selected_rows():
    assert select(LAWFUL, TABLE)["x"].tolist() == [7.0]
    with pytest.raises(TypeError, match="selects nothing"):
        select(SUMMARY, "region,value_column\nN,1\n")


WHOLE = Kind(
    title="The whole table at once",
    columns=lambda _: [Column("x", "number")],
    headline=lambda numbers: f"{numbers['total']} in all",
    frame=lambda frame, _: Report(numbers={"total": float(frame["x"].sum())}, used=len(frame)),
)


def doubles(frame, _):
    frame["x"] *= 2
    return Report(numbers={"total": float(frame["x"].sum())})


def test_a_kind_of_the_whole_table_is_never_cut_but_accounts_for_its_rows():
    assert check_laws(WHOLE, TABLE).numbers == {"total": 8.7}
    check_laws(replace(WHOLE, frame=doubles), TABLE)
    with pytest.raises(AssertionError, match="accounts for every row"):
        check_laws(replace(WHOLE, frame=lambda _frame, _: Report(numbers={"total": 0}, used=0)), TABLE)


ELSEWHERE = """
from consumer.kinds import Column, Kind, Report

KIND = Kind(
    title="The names",
    columns=lambda _: [Column("name")],
    headline=lambda numbers: numbers["names"],
    chunk=lambda frame, _: {how}(set(frame["name"])),
    combine=lambda partials: {how}(set().union(*partials)),
    finalize=lambda names, _: Report(numbers={{"names": " ".join(names)}}),
)
"""
NAMES = "name\n" + "".join(f"n{number}\n" for number in range(400))  # of 50, sets are alike by chance 1 time in 25


@pytest.mark.parametrize(("how", "lawful"), [("sorted", True), ("list", False)])
def test_what_hangs_on_the_order_of_a_set_is_found_in_other_processes(tmp_path, monkeypatch, how, lawful):
    (tmp_path / f"names_{how}.py").write_text(ELSEWHERE.format(how=how))
    monkeypatch.syspath_prepend(tmp_path)
    if lawful:
        check_restarts(f"names_{how}:KIND", NAMES)
    else:
        with pytest.raises(AssertionError, match="made in two processes"):
            check_restarts(f"names_{how}:KIND", NAMES)


def test_the_kinds_that_ship_make_the_same_in_any_process():
    check_restarts("consumer.kinds.summary:KIND", "region,value_column\nN,1\nS,2\nN,4\nE,5\n")
    check_restarts("consumer.kinds.profile:KIND", NAMES)

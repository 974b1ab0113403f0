"""Repairs and additions: whatever the table, the cutting, and the lines that are repaired, what comes out is what
comes out of the whole file."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.kinds import Column, Kind, Report
from consumer.pool import catalogue
from protocol.kept import How
from tests.consumer import milling
from tests.consumer.amended_tables import Body, Dialect, bodies, dialects, repairs
from tests.consumer.milling import Ran

SUMMARY = {"value_column": "revenue", "group_column": "region"}


def first_seen(partials: Any) -> dict[str, Any]:
    """The regions in the order in which they are first seen, which no other order of the chunks gives."""
    regions: dict[str, None] = {}
    for one in partials:
        regions |= dict.fromkeys(one["regions"])
    return {
        "regions": list(regions),
        "rows": sum(one["rows"] for one in partials),
        "last": next((one["last"] for one in reversed(partials) if one["last"] is not None), None),
        "rejected": sum(one["rejected"] for one in partials),
    }


def in_order(frame: pd.DataFrame, _params: Any) -> dict[str, Any]:
    last = float(frame["revenue"].iloc[-1]) if len(frame) else None
    regions = list(dict.fromkeys(frame["region"]))
    return {"regions": regions, "rows": len(frame), "last": last, "rejected": frame.attrs["rejected"]}


def numbered(frame: pd.DataFrame, before: Any, _total: Any, _params: Any) -> pd.DataFrame:
    """Each row with how many were kept before it, and what the one before it had."""
    start, last = (before["rows"], before["last"]) if before else (0, None)
    return frame.assign(
        number=[float(start + at) for at in range(len(frame))],
        previous=frame["revenue"].shift(1).fillna(last if last is not None else -1.0),
    )


ORDERED = Kind(
    title="In order",
    columns=lambda _: [Column("region"), Column("revenue", "number")],
    chunk=in_order,
    combine=first_seen,
    finalize=lambda total, _: Report(
        numbers={"rows": total["rows"], "rejected": total["rejected"], "last": total["last"]},
        tables={"seen": pd.DataFrame({"region": pd.Series(total["regions"], dtype="str")})},
    ),
    select=numbered,
    selected="numbered",
    headline=lambda numbers: f"{numbers['rows']} rows",
)
ORDERED_ONCE = replace(ORDERED, select=None)
KINDS: dict[str, dict[str, Any]] = {"sales": {}, "summary": SUMMARY, "profile": {}, "ordered": {}, "ordered_once": {}}


@pytest.fixture(autouse=True, scope="module")
def _more_kinds() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        more, shipped = {"ordered": ORDERED, "ordered_once": ORDERED_ONCE}, catalogue.find
        patch.setattr(catalogue, "find", lambda name: more.get(name) or shipped(name))
        yield


@settings(max_examples=50)
@given(data=st.data(), kind=st.sampled_from(list(KINDS)), pieces=st.sampled_from([1, 2, 3, 50]))
def test_what_is_repaired_or_appended_is_as_if_it_had_been_there_at_first(data: Any, kind: str, pieces: int) -> None:
    body, dialect = data.draw(bodies()), data.draw(dialects)
    shuffle = data.draw(st.randoms(use_true_random=False))
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def whole(written: bytes, size: int) -> Ran:
            task = milling.submit(
                folder, written, name=f"whole{next(numbers)}", kind=kind, chunk_size=size, **KINDS[kind]
            )
            return milling.run(task, shuffle)

        written = body.write(dialect)
        now = whole(written, max(1, len(written) // pieces))
        for number in range(data.draw(st.integers(1, 3))):
            how = data.draw(st.sampled_from(How))
            sent, body = _repair(data, now, body) if how is How.REPAIR else _append(data, body, dialect)
            now = milling.run(milling.amend(now, sent, how, name=f"amended{number}"), shuffle)
            reference = whole(body.write(replace(dialect, ended=True)), 10**6)
            assert now.result == reference.result


def _repair(data: Any, now: Ran, body: Body) -> tuple[bytes, Body]:
    repair = data.draw(repairs(now.artefact("rejected.csv")))
    body.write(Dialect())  # to know the lines
    rows = [repair.rows.get(line, row) for line, row in zip(body.lines, body.rows, strict=True)]
    return repair.data, Body(rows, body.blanks)


def _append(data: Any, body: Body, dialect: Dialect) -> tuple[bytes, Body]:
    """Of the same delimiter, for surplus cells are told with it."""
    more = data.draw(bodies(8))
    sent = more.write(replace(data.draw(dialects), delimiter=dialect.delimiter))
    return sent, Body([*body.rows, *more.rows], [*body.blanks, *more.blanks])

"""How many rows, what they average, and which group has the largest sum."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from consumer.exact import Sums
from consumer.kinds import Column, Kind, Params, Report
from consumer.parts.bars import bars
from consumer.parts.groups import Groups, merged
from consumer.parts.sentences import count, number


class SummaryParams(Params):
    value_column: str = Field(
        "value_column", min_length=1, max_length=1000, title="Value column", description="The column of numbers."
    )
    group_column: str = Field(
        "region", min_length=1, max_length=1000, title="Group column", description="The column to group the rows by."
    )
    simulate_seconds: float = Field(
        0.0,
        ge=0,
        le=3600,
        title="Simulated work",
        description="Seconds of pretended work, spread over the whole table: to watch a slow job.",
    )

    @model_validator(mode="after")
    def _two_columns(self) -> Self:
        if self.value_column == self.group_column:
            raise ValueError("value_column and group_column must be two different columns")
        return self


@dataclass(frozen=True)
class Summary:
    """What is known of some rows. `rows` counts all of them, those without a group and the rejected ones too."""

    rows: int
    rejected: int
    present: int
    total: Sums
    groups: Groups


def columns(params: SummaryParams) -> Sequence[Column]:
    return (
        Column(params.value_column, "number", required=False),
        Column(params.group_column, required=False),
    )


def chunk(frame: pd.DataFrame, params: SummaryParams) -> Summary:
    time.sleep(params.simulate_seconds * frame.attrs.get("share", 1.0))
    values = frame[params.value_column].to_numpy(np.float64)
    present = ~np.isnan(values)
    numbers = {"value": np.where(present, values, 0.0), "present": present.astype(np.float64)}
    rejected = frame.attrs.get("rejected", 0)
    return Summary(
        rows=len(frame) + rejected,
        rejected=rejected,
        present=int(present.sum()),
        total=Sums.of(numbers["value"]),
        groups=Groups.of(params.group_column, frame[params.group_column], numbers),
    )


def combine(partials: Sequence[Summary]) -> Summary:
    total = partials[0].total
    for partial in partials[1:]:
        total += partial.total
    return Summary(
        rows=sum(each.rows for each in partials),
        rejected=sum(each.rejected for each in partials),
        present=sum(each.present for each in partials),
        total=total,
        groups=merged([each.groups for each in partials]),
    )


def finalize(total: Summary, _: SummaryParams) -> Report:
    table = _by_group(total.groups)
    top = int(table["sum"].argmax()) if len(table) else None  # the first of the largest
    numbers = {
        "total_rows": total.rows,
        "rejected": total.rejected,
        "average": float(total.total.means(np.array([total.present]))[0]) if total.present else None,
        "top_group": None if top is None else total.groups.names[top],
        "top_group_total": None if top is None else float(table["sum"].iloc[top]),
    }
    return Report(numbers=numbers, tables={"summary": table}, used=total.rows - total.rejected)


def headline(numbers: Mapping[str, Any]) -> str:
    if not numbers["total_rows"]:
        return "The table has no rows."
    rejected = f", {numbers['rejected']:,} of them rejected" if numbers["rejected"] else ""
    average = "" if numbers["average"] is None else f"; the average is {number(numbers['average'])}"
    top, total = numbers["top_group"], numbers["top_group_total"]  # which may be too large for a number
    largest = "" if None in {top, total} else f"; {top} has the largest sum, {number(total)}"
    return f"{count(numbers['total_rows'], 'row')}{rejected}{average}{largest}."


def chart(report: Report, params: SummaryParams) -> dict[str, Any]:
    table = report.tables["summary"]
    names, sums = table.iloc[:, 0].tolist(), table["sum"].tolist()
    title = f"Sum of {params.value_column} by {params.group_column}"
    return bars("sums", title, names, sums, (params.group_column, "Sum"))


def _by_group(groups: Groups) -> pd.DataFrame:
    present = groups.totals("present").astype(np.int64)
    return pd.DataFrame(
        {
            "group": pd.Series(groups.names, dtype="str"),
            "rows": groups.rows,
            "sum": groups.totals("value"),
            "average": groups.means("value", present),
        }
    )


KIND = Kind(
    title="Summary",
    description="How many rows, their average, and the group with the largest sum.",
    params=SummaryParams,
    columns=columns,
    chunk=chunk,
    combine=combine,
    finalize=finalize,
    commutative=True,
    headline=headline,
    chart=chart,
)

"""What is in a table: each column's type, values and oddities, repeated rows, and what to look at before using it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pydantic import Field

from consumer.kinds import Kind, Params, Report
from consumer.parts.sentences import count
from consumer.profiling import findings
from consumer.profiling.remarks import remarks
from consumer.profiling.sheet import sheet
from consumer.profiling.table import Profile, Rows, combined
from consumer.profiling.traits import traits


class ProfileParams(Params):
    values: int = Field(
        10, ge=1, le=100, title="Frequent values", description="How many of each column's most frequent values to list."
    )


def chunk(frame: pd.DataFrame, params: ProfileParams) -> Profile:
    rows = Rows.of(frame)
    del frame  # so that only the columns are kept that are still to be looked at
    return Profile.of(rows, params.decimal)


def finalize(total: Profile, params: ProfileParams) -> Report:
    found, told = traits(total), remarks(total)
    numbers = {
        "rows": total.rows,
        "rejected": total.rejected,
        "columns": len(found),
        "blank_cells": sum(trait.missing for trait in found),
        "duplicate_rows": total.duplicates,
        "duplicates_are": "exact" if total.counts_duplicates else "estimated",
        "warnings": len(told),
    }
    tables = {
        "columns": findings.columns(found),
        "warnings": findings.warnings(told),
        "values": findings.values(total, found, params.values),
        "histograms": findings.histograms(found),
    }
    return Report(numbers=numbers, tables=tables, used=total.rows)


def headline(numbers: Mapping[str, Any]) -> str:
    """`1,200 rows in 7 columns; about 3 rows are repeated; 4 things to look at.`"""
    size = f"{count(numbers['rows'], 'row')} in {count(numbers['columns'], 'column')}"
    rejected = f", {numbers['rejected']:,} more rejected" if numbers["rejected"] else ""
    repeated, about = numbers["duplicate_rows"], "" if numbers["duplicates_are"] == "exact" else "about "
    repeats = (
        f"; {about}{count(repeated, 'row')} {'is a repeat' if repeated == 1 else 'are repeats'}" if repeated else ""
    )
    look = f"{count(numbers['warnings'], 'thing')} to look at" if numbers["warnings"] else "nothing looks odd"
    return f"{size[0].upper()}{size[1:]}{rejected}{repeats}; {look}."


def chart(report: Report, _: ProfileParams) -> dict[str, Any]:
    return sheet(report.tables["columns"], report.tables["values"], report.tables["histograms"])


KIND = Kind(
    title="Profile",
    description="Any table: the columns' types, values, quantiles and histograms, repeated rows, and what looks odd.",
    params=ProfileParams,
    columns=None,
    chunk=chunk,
    combine=combined,
    finalize=finalize,
    commutative=True,
    headline=headline,
    chart=chart,
)

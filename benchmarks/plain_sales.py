"""The kind `sales` as an author would write it who thinks of pandas and not of speed."""

# ruff: noqa: ANN001, ANN201

import pandas as pd

from consumer.kinds import Column, Failed, Kind, Report


def columns(_params):
    return [Column("region"), Column("revenue", "number"), Column("quantity", "number"), Column("discount", "number")]


def check(frame, _params):
    return [Failed(frame["quantity"] == 0, "quantity", "zero_quantity")]


def chunk(frame, _params):
    unit = frame["revenue"] / frame["quantity"]
    frame = frame.assign(rows=1, unit=unit, square=unit**2)
    return frame.groupby("region").sum(numeric_only=True), frame.attrs["rejected"]


def combine(partials):
    tables, rejected = zip(*partials, strict=True)
    return pd.concat(tables).groupby("region").sum(), sum(rejected)


def limits(table):
    rows, unit, square = table[["rows", "unit", "square"]].sum()
    mean, std = unit / rows, ((square - unit**2 / rows) / (rows - 1)) ** 0.5
    return int(rows), mean, std


def finalize(total, _params):
    table, rejected = total
    rows, mean, std = limits(table)
    means = table[["revenue", "discount"]].div(table["rows"], axis=0)
    summary = pd.DataFrame({"revenue_sum": table["revenue"], "revenue_mean": means["revenue"]})
    summary = summary.assign(quantity_sum=table["quantity"], discount_mean=means["discount"]).reset_index()
    numbers = {"kept": rows, "rejected": rejected, "mean": mean, "std": std}
    return Report(numbers=numbers, tables={"summary": summary}, used=rows)


def select(frame, _before, total, _params):
    _, mean, std = limits(total[0])
    frame = frame.assign(revenue_per_unit=frame["revenue"] / frame["quantity"])
    return frame[frame["revenue_per_unit"] > mean + 2 * std]


KIND = Kind(
    title="Sales, plainly",
    columns=columns,
    check=check,
    chunk=chunk,
    combine=combine,
    finalize=finalize,
    select=select,
    selected="anomalies",
    commutative=True,
    headline=lambda numbers: f"{numbers['kept']:,} rows",
)

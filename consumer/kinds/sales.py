"""Sales by region, with the rows whose revenue per unit stands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from consumer.exact import Floats, Moments
from consumer.kinds import Column, Failed, Kind, Params, Report, Shortlist
from consumer.parts.bars import bars
from consumer.parts.groups import Groups, merged
from consumer.parts.sentences import count, number

NUMBERS = ("revenue", "quantity", "discount")
SUMMARY = pd.Index(["region", "revenue_sum", "revenue_mean", "quantity_sum", "discount_mean"])
ADDED = pd.Index(["revenue_per_unit"])  # made once: it costs more than a few rows do
MARGIN = 0.2  # of a deviation: so much lower may the threshold of the whole table be than that of a part
Flags = NDArray[np.bool_]


class SalesParams(Params):
    sigma: float = Field(
        2.0,
        ge=0,
        le=100,
        title="Sigma",
        description="A row stands out if its revenue per unit is more than this many deviations above the mean.",
    )


@dataclass(frozen=True)
class Sales:
    """What is known of some rows: their regions, their revenue per unit, and how many rows were rejected."""

    regions: Groups
    per_unit: Moments
    rejected: int


def columns(_: SalesParams) -> Sequence[Column]:
    return (Column("region", "category"), *(Column(name, "number") for name in NUMBERS))


def check(frame: pd.DataFrame, _: SalesParams) -> Sequence[Failed]:
    revenue, quantity = _numbers(frame, "revenue", "quantity")
    none_sold, beyond = quantity == 0, np.isinf(_quotients(revenue, quantity))
    return (
        Failed(none_sold, "quantity", "zero_quantity"),
        Failed(~none_sold & beyond, "revenue", "revenue_per_unit_not_finite"),  # 1e300 for 1e-300
    )


def chunk(frame: pd.DataFrame, _: SalesParams) -> Sales:
    numbers = dict(zip(NUMBERS, _numbers(frame, *NUMBERS), strict=True))
    return Sales(
        Groups.of("region", frame["region"], numbers),
        Moments.of(_quotients(numbers["revenue"], numbers["quantity"])),
        frame.attrs.get("rejected", 0),
    )


def combine(partials: Sequence[Sales]) -> Sales:
    per_unit = partials[0].per_unit
    for partial in partials[1:]:
        per_unit += partial.per_unit
    return Sales(merged([each.regions for each in partials]), per_unit, sum(each.rejected for each in partials))


def finalize(total: Sales, params: SalesParams) -> Report:
    units = total.per_unit
    mean, std = units.mean, units.std
    numbers = {"kept": units.count, "rejected": total.rejected, "mean": mean, "std": std}
    numbers["threshold"] = _limit(mean, std, params)
    return Report(numbers=numbers, tables={"summary": _by_region(total)}, used=units.count)


def select(frame: pd.DataFrame, _before: Sales | None, total: Sales, params: SalesParams) -> pd.DataFrame:
    """The rows above the threshold; without a threshold, none."""
    threshold = _threshold(total.per_unit, params)
    per_unit = _per_unit(frame)
    above = np.flatnonzero(per_unit > (np.inf if threshold is None else threshold))
    return pd.DataFrame(per_unit[above, np.newaxis], index=frame.index[above], columns=ADDED, copy=False)


def bound(part: Sales, params: SalesParams) -> float:
    """A revenue per unit that is a little below the threshold, as far as some rows show it."""
    found = _threshold(part.per_unit, params.model_copy(update={"sigma": params.sigma - MARGIN}))
    return -np.inf if found is None else found


def above(frame: pd.DataFrame, bound: float, _: SalesParams) -> Flags:
    return np.asarray(_per_unit(frame) > bound)


def holds(bound: float, total: Sales, params: SalesParams) -> bool:
    threshold = _threshold(total.per_unit, params)
    return threshold is None or threshold >= bound


def headline(numbers: Mapping[str, Any]) -> str:
    kept, rejected = numbers["kept"], numbers["rejected"]
    if not kept:
        return f"No row could be used; {count(rejected, 'row')} rejected." if rejected else "The table has no rows."
    left_out = f", {rejected:,} rejected" if rejected else ""
    mean = f"{count(kept, 'row')} counted{left_out}; the mean revenue per unit is {number(numbers['mean'])}"
    found, threshold = numbers.get("anomalies"), numbers["threshold"]
    if found is None or threshold is None:
        return f"{mean}."
    stands = "no row stands" if not found else f"{count(found, 'row')} stand{'s' if found == 1 else ''}"
    return f"{mean}, and {stands} out with more than {number(threshold)}."


def chart(report: Report, _: SalesParams) -> dict[str, Any]:
    summary = report.tables["summary"]
    regions, sums = summary["region"].tolist(), summary["revenue_sum"].tolist()
    return bars("revenue", "Revenue by region", regions, sums, ("Region", "Revenue"))


def _per_unit(frame: pd.DataFrame) -> Floats:
    return _quotients(*_numbers(frame, "revenue", "quantity"))


def _numbers(frame: pd.DataFrame, *names: str) -> list[Floats]:
    return [frame[name].to_numpy(np.float64) for name in names]


def _quotients(revenue: Floats, quantity: Floats) -> Floats:
    with np.errstate(all="ignore"):  # what cannot be divided is turned down
        found: Floats = revenue / quantity
    return found


def _threshold(units: Moments, params: SalesParams) -> float | None:
    return _limit(units.mean, units.std, params)


def _limit(mean: float | None, std: float | None, params: SalesParams) -> float | None:
    limit = None if mean is None or std is None else mean + params.sigma * std
    return limit if limit is not None and np.isfinite(limit) else None


def _by_region(total: Sales) -> pd.DataFrame:
    regions = total.regions
    columns = (
        pd.array(regions.names, dtype="str"),
        regions.totals("revenue"),
        regions.means("revenue"),
        regions.totals("quantity"),
        regions.means("discount"),
    )
    frame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(len(regions.names)), copy=False)
    frame.columns = SUMMARY
    return frame


KIND = Kind(
    title="Sales by region",
    description="Revenue, quantity and discount by region, and the rows whose revenue per unit stands out.",
    params=SalesParams,
    columns=columns,
    check=check,
    chunk=chunk,
    combine=combine,
    finalize=finalize,
    select=select,
    selected="anomalies",
    shortlist=Shortlist(bound=bound, rows=above, holds=holds),
    commutative=True,
    headline=headline,
    chart=chart,
)

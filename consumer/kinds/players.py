"""Players into the table `players`, each with the mean height of all before: rows that depend on earlier rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from consumer.exact import Floats, Sums, quotient
from consumer.kinds import Column, Failed, Kind, Load, Params, Report
from consumer.parts.sentences import count, number
from protocol.records import RecordColumn, RecordTable

HEIGHT = "Height(inches)"
TALLEST = 1e9  # beyond that it is no height, and an average might not be an integer of 64 bits
ADDED = "current_average_height"
STORED = {
    "Name": RecordColumn(name="name"),
    "Team": RecordColumn(name="team"),
    "Position": RecordColumn(name="position"),
    HEIGHT: RecordColumn(name="height_inches", type="number"),
    "Weight(lbs)": RecordColumn(name="weight_lbs", type="number"),
    "Age": RecordColumn(name="age", type="number"),
    ADDED: RecordColumn(name="current_average_height", type="integer"),
}
GRAIN = 1024.0  # heights that are multiples of 1/GRAIN add up without rounding as long as their sum is small
EXACT = 2.0**53
FINEST = 1074  # every double is a multiple of 2**-FINEST


@dataclass(frozen=True)
class Heights:
    """What is known of some rows: how many they are, the sum of their heights, and how many were rejected."""

    rows: int
    total: Sums
    rejected: int

    def __add__(self, other: Heights) -> Heights:
        return Heights(self.rows + other.rows, self.total + other.total, self.rejected + other.rejected)


def columns(_: Params) -> Sequence[Column]:
    texts, numbers = ("Name", "Team", "Position"), (HEIGHT, "Weight(lbs)", "Age")
    return (
        *(Column(name, required=False) for name in texts),
        *(Column(name, "number", required=False) for name in numbers),
    )


def check(frame: pd.DataFrame, _: Params) -> Sequence[Failed]:
    return (Failed(frame[HEIGHT].abs() > TALLEST, HEIGHT, "too_large"),)


def chunk(frame: pd.DataFrame, _: Params) -> Heights:
    return Heights(len(frame), Sums.of(_heights(frame)), frame.attrs.get("rejected", 0))


def combine(partials: Sequence[Heights]) -> Heights:
    return reduce(add, partials)


def finalize(total: Heights, _: Params) -> Report:
    mean = float(total.total.means(np.array([total.rows]))[0]) if total.rows else None
    return Report(numbers={"rows": total.rows, "mean_height": mean, "rejected": total.rejected}, used=total.rows)


def select(frame: pd.DataFrame, before: Heights | None, _total: Heights, _params: Params) -> pd.DataFrame:
    """Every row, with the mean height of all rows before it; the first row of all has its own."""
    return frame.assign(**{ADDED: running_means(_heights(frame), before)})


def running_means(heights: Floats, before: Heights | None) -> npt.NDArray[np.int64]:
    """For each height the mean of those before it, rounded once to a double and then cut off to an integer."""
    rows = before.rows if before else 0
    units, below = before.total.ratio if before else (0, 1)
    first = not rows and len(heights) > 0
    counts = np.arange(rows, rows + len(heights)) + np.concatenate([[first], np.zeros(max(0, len(heights) - 1), int)])
    sums = _plain_sums(heights, units, below)
    means = _exact_means(heights, units, below, counts) if sums is None else sums / counts
    if first:
        means[0] = heights[0]
    return np.trunc(means).astype(np.int64)


def _plain_sums(heights: Floats, units: int, below: int) -> Floats | None:
    """The sums of what came before each; None where doubles would have to round them."""
    grains, start = heights * GRAIN, units * int(GRAIN) / below
    whole = (np.trunc(grains) == grains).all() and units * int(GRAIN) % below == 0
    if not whole or abs(start) + np.abs(grains).sum() >= EXACT:
        return None
    return (start + np.cumsum(grains) - grains) / GRAIN


def _exact_means(heights: Floats, units: int, below: int, counts: npt.NDArray[np.int64]) -> Floats:
    """The same for any heights, with Python's integers: a few microseconds a row."""
    ratios = (height.as_integer_ratio() for height in heights.tolist())
    fine = (above * ((1 << FINEST) // of) for above, of in ratios)
    sums = accumulate(fine, initial=units * (1 << FINEST) // below)
    means = [quotient(total, rows << FINEST) for total, rows in zip(sums, counts.tolist(), strict=False)]
    return np.array(means, np.float64)


def _heights(frame: pd.DataFrame) -> Floats:
    """A blank height counts as 0."""
    return frame[HEIGHT].fillna(0.0).to_numpy(np.float64)


def headline(numbers: Mapping[str, Any]) -> str:
    rejected = f", {numbers['rejected']:,} rejected" if numbers["rejected"] else ""
    if not numbers["rows"]:
        return f"No player could be loaded{rejected}." if rejected else "The table has no rows."
    return (
        f"{count(numbers['rows'], 'player')}{rejected}; their mean height is {number(numbers['mean_height'])} inches."
    )


def rows(frame: pd.DataFrame, _: Params) -> pd.DataFrame:
    return frame.rename(columns={name: column.name for name, column in STORED.items()})


KIND = Kind(
    title="Load players",
    description="Players into the table players, each with the mean height of all players before.",
    columns=columns,
    check=check,
    chunk=chunk,
    combine=combine,
    finalize=finalize,
    select=select,
    selected="players",
    load=Load(table=RecordTable(name="players", columns=tuple(STORED.values())), rows=rows),
    headline=headline,
)

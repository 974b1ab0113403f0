"""Whether two contestants found the same: every region's figures and every row that stands out, cell by cell."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
from turns import Turn

QUANTILES = {"p25": "25%", "median": "50%", "p75": "75%"}
VALUES = ["value", "count"]
NEAR = 1e-9  # sums of doubles depend on their order, ours do not


class Disagreement(Exception):
    """Somebody is wrong."""


def compare_sales(ours: Turn, theirs: Turn) -> None:
    for name in ("kept", "mean", "std"):
        _check(name, ours.found[name], theirs.found[name])
    rejected = theirs.found.get("rejected")
    _check("rejected", ours.found["rejected"], _lines(theirs.files / "rejected.csv") if rejected is None else rejected)
    for name in ("summary.csv", "anomalies.csv"):
        _compare(name, _read(ours.files / name), _read(theirs.files / name))


def compare_profile(ours: Turn, theirs: Turn) -> None:
    """Columns that pandas takes for numbers, and the frequent values of all that we have counted."""
    _check("rows", ours.found["rows"], theirs.found["rows"])
    columns = pd.read_csv(ours.files / "columns.csv", index_col=0)
    described = pd.read_csv(theirs.files / "describe.csv", index_col=0)
    for name in described.columns[described.loc["mean"].notna()]:
        _compare_column(name, columns.loc[name], described[name].astype(float))
    values = _read(ours.files / "values.csv")
    for name, listed in values[values["counted"] == "exact"].groupby("column"):
        _compare_values(str(name), listed, _read(theirs.files / f"values-{name}.csv"))


def _compare_column(name: str, ours: pd.Series[Any], theirs: pd.Series[float]) -> None:
    for what in ("count", "mean", "std", "min", "max"):
        _check(f"{name}, {what}", float(ours[what]), theirs[what])
    said = ours["quantiles_are"]  # exact, or such as "within 0.78 %"
    near = NEAR if said == "exact" else float(said.split()[1]) / 100
    for mine, other in QUANTILES.items():
        _check(f"{name}, {mine}", ours[mine], theirs[other], near)


def _compare_values(name: str, ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    """The same counts, of the same values but for the last ones of equal count."""
    (mine, counts), (others, those) = ((list(one.iloc[:, 0]), list(one["count"])) for one in (ours[VALUES], theirs))
    if counts != those[: len(counts)]:
        raise Disagreement(f"{name}: counts {counts} and {those}")
    sure = counts.index(counts[-1]) if len(those) > len(counts) else len(counts)
    if set(mine[:sure]) != set(others[:sure]):
        raise Disagreement(f"{name}: values {mine} and {others}")


def compare_bytes(ours: Turn, theirs: Turn) -> None:
    """For another way of ours: to the byte."""
    for file in sorted(ours.files.glob("*.csv")):
        if file.read_bytes() != (theirs.files / file.name).read_bytes():
            raise Disagreement(f"{file.name} differs")


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _lines(path: Path) -> int:
    return len(_read(path))


def _compare(name: str, ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    """Text must be equal; where one writes 7.0 for 7, the numbers must be."""
    if list(ours.columns) != list(theirs.columns) or len(ours) != len(theirs):
        raise Disagreement(f"{name}: {ours.shape} and {theirs.shape}, {list(ours.columns)} and {list(theirs.columns)}")
    for column in ours.columns:
        other = ours[column] != theirs[column]
        mine, peers = (pd.to_numeric(frame.loc[other, column], errors="coerce") for frame in (ours, theirs))
        if not ((mine - peers).abs() <= NEAR * mine.abs()).all():
            raise Disagreement(f"{name}: {column} differs")


def _check(name: str, ours: Any, theirs: Any, near: float = NEAR) -> None:
    if not math.isclose(ours, theirs, rel_tol=near):
        raise Disagreement(f"{name}: {ours} and {theirs}")

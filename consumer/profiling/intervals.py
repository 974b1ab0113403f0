"""Histograms: intervals with round bounds, and how many values lie in each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from consumer.profiling.grid import Floats, Grid
from consumer.profiling.octets import Ints
from consumer.profiling.spans import Span

MOST = 16  # intervals, and up to two more for round bounds
FAR = 3  # the values beyond the middle 98 % are cut off where they would stretch the axis so many times
TAILS = np.array([0.01, 0.99])
_ROUND = (1, 2, 5, 10)
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
_DAYS = (1, 2, 7, 14, 28)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 6000, 12_000)
_DAY, _MONTH = 86_400, 2_629_746


@dataclass(frozen=True, eq=False)
class Intervals:
    """`counts[i]` values lie from `bounds[i]` up to, but not at, `bounds[i + 1]`; the last interval has its end too.

    `below` and `above` lie beyond. Where the numbers are in buckets, a bucket lies where its middle lies.
    """

    bounds: Floats
    counts: Ints
    below: int
    above: int


def histogram(span: Span, *, whole: bool = False, dates: bool = False, days: bool = False) -> Intervals:
    """Of a span that is not empty; *whole* numbers get whole bounds, *days* no parts of one."""
    low, high = _limits(span)
    bounds = (_date_bounds(low, high, days=days) if dates else _bounds(low, high, 1.0 if whole else 0.0)) + 0.0
    if (
        not (np.diff(bounds) > 0).all() or not np.isfinite(bounds).all()
    ):  # so close, or so large, that nothing is between
        bounds = np.array([low, high])
    return _counted(span.grid, bounds)


def _limits(span: Span) -> tuple[float, float]:
    low, high = span.quantiles(TAILS).tolist()
    stretched = high > low and span.high / FAR - span.low / FAR > high - low
    return (low, high) if stretched else (span.low, span.high)


def _counted(grid: Grid, bounds: Floats) -> Intervals:
    low, high = grid.edges()
    middle = np.where(low == high, low, low / 2 + high / 2)
    if grid.shift:  # the outermost buckets reach beyond the numbers in them
        middle[[0, -1]] = middle[[0, -1]].clip(low[[0, -1]], high[[0, -1]])
    at = np.searchsorted(bounds, middle, "right") - 1
    at[middle == bounds[-1]] = len(bounds) - 2
    inside = (at >= 0) & (at < len(bounds) - 1)
    counts = np.zeros(len(bounds) - 1, np.int64)
    np.add.at(counts, at[inside], grid.counts[inside])
    below, above = (int(grid.counts[which].sum()) for which in (at < 0, at >= len(bounds) - 1))
    return Intervals(bounds, counts, below, above)


def _bounds(low: float, high: float, least: float) -> Floats:
    """Multiples of a round step, from below *low* to above *high*."""
    rough = max(high / MOST - low / MOST, least)
    if not (rough > 0 and math.isfinite(rough)):
        return np.array([low, high])
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((each * power for each in _ROUND if each * power >= rough), rough)
    return _multiples(low, high, step) if step > 0 else np.array([low, high])


def _multiples(low: float, high: float, step: float) -> Floats:
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return np.array([float(f"{place * step:.15g}") for place in range(first, min(last, first + 2 * MOST) + 1)])


def _date_bounds(low: float, high: float, *, days: bool) -> Floats:
    rough = (high - low) / MOST
    steps = [*([] if days else _SECONDS), *(day * _DAY for day in _DAYS)]
    step = next((each for each in steps if each >= rough), None)
    if step is not None:
        start = low - low % min(step, _DAY)
        return start + step * np.arange(max(2, math.ceil((high - start) / step) + 1), dtype=np.float64)
    months = next((each for each in _MONTHS if each * _MONTH >= rough), _MONTHS[-1])
    first, last = (int(np.datetime64(int(each), "s").astype("datetime64[M]").astype(np.int64)) for each in (low, high))
    places = np.arange(first // months, last // months + 2) * months
    return np.asarray(places.astype("datetime64[M]").astype("datetime64[s]").astype(np.int64), np.float64)

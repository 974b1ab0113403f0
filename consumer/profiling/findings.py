"""The tables of the report: the columns, their most frequent values, their histograms, and what to look at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from consumer.profiling.distinct import Known
from consumer.profiling.intervals import histogram
from consumer.profiling.remarks import Remark
from consumer.profiling.sample import LONGEST
from consumer.profiling.spans import Span
from consumer.profiling.table import Profile
from consumer.profiling.traits import Trait

QUANTILES = {"p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
COLUMNS = (
    *("column", "type", "count", "missing", "distinct", "distinct_is", "min", "max", "mean", "std"),
    *(*QUANTILES, "quantiles_are", "shortest", "longest", "mean_length"),
)
SEEN = 10  # how often a value must be in the sample to be called frequent: not by chance, and known within a third
WHOLE = 1e15  # below, a double that is a whole number is written as one
DAY = 86_400
Row = dict[str, Any]


def columns(traits: Sequence[Trait]) -> pd.DataFrame:
    """One row a column. `mean` and `std` are those of the numbers; where dates are measured there are none."""
    return _frame((_column(trait) for trait in traits), COLUMNS)


def values(profile: Profile, traits: Sequence[Trait], most: int) -> pd.DataFrame:
    """Up to *most* of each column's most frequent values, none that occurs once; `share` is among filled cells."""
    rows = (row for trait in traits for row in _values(profile, trait, most))
    return _frame(rows, ("column", "value", "count", "share", "counted"))


def histograms(traits: Sequence[Trait]) -> pd.DataFrame:
    """From a bound up to the next; without `from` or `to` what lies far outside."""
    return _frame((row for trait in traits for row in _histogram(trait)), ("column", "from", "to", "count"))


def warnings(found: Sequence[Remark]) -> pd.DataFrame:
    rows = ({"column": each.column, "line": each.line, "warning": each.code, "detail": each.detail} for each in found)
    return _frame(rows, ("column", "line", "warning", "detail"))


def _frame(rows: Iterator[Row], names: Sequence[str]) -> pd.DataFrame:
    """Of plain Python values, as they are to be shown."""
    listed = list(rows)
    return pd.DataFrame({name: pd.Series([row.get(name) for row in listed], dtype=object) for name in names})


def _column(trait: Trait) -> Row:
    lengths = trait.column.lengths
    row = {
        "column": trait.name,
        "type": trait.type,
        "count": trait.present,
        "missing": trait.missing,
        "distinct": trait.distinct,
        "distinct_is": _exactly(exact=trait.column.distinct.exact),
    }
    if lengths:
        row |= {
            "shortest": lengths.shortest,
            "longest": lengths.longest,
            "mean_length": _mean(lengths.total, trait.present),
        }
    return row | (_measures(trait, trait.span) if trait.span else {})


def _measures(trait: Trait, span: Span) -> Row:
    quantiles = span.quantiles(np.array(list(QUANTILES.values()))).tolist()
    row = {"min": span.low, "max": span.high, **dict(zip(QUANTILES, quantiles, strict=True))}
    if trait.type == "date":
        dated = {name: _moment(seconds, timed=trait.timed) for name, seconds in row.items()}
        return dated | {"quantiles_are": _within_time(span)}
    moments = trait.column.numbers.moments
    row |= {"mean": moments.mean, "std": moments.std}
    return {name: plain(value) for name, value in row.items()} | {"quantiles_are": _within(span)}


def _within(span: Span) -> str:
    return f"within {100 * span.grid.error:.2g} %" if span.grid.error else "exact"


def _within_time(span: Span) -> str:
    """The widest bucket of seconds, in the unit that reads best."""
    low, high = span.grid.edges()
    widest = float((high - low).max())
    if not widest:
        return "exact"
    unit, name = next(
        ((size, name) for size, name in ((DAY, "d"), (3600, "h"), (60, "min")) if widest >= size), (1, "s")
    )
    return f"within {math.ceil(widest / unit)} {name}"


def _values(profile: Profile, trait: Trait, most: int) -> Iterator[Row]:
    found = trait.column.distinct.found
    if isinstance(found, Known):
        counted, cells, exact = found.ranked(), trait.present, True
    else:
        counted, cells = profile.sample.counts(trait.place)
        exact = profile.sample.complete
    least = 2 if exact else SEEN
    for text, count in counted[:most]:
        if count < least:
            return
        share = count / cells
        many = count if exact else round(share * trait.present)
        shown = {"value": text[:LONGEST], "count": many, "share": round(share, 4), "counted": _exactly(exact=exact)}
        yield {"column": trait.name, **shown}


def _histogram(trait: Trait) -> Iterator[Row]:
    span, dates = trait.span, trait.type == "date"
    if span is None or not span.count:
        return
    found = histogram(span, whole=trait.type == "integer", dates=dates, days=not trait.timed)
    bounds = [_moment(each, timed=trait.timed) if dates else plain(each) for each in found.bounds.tolist()]
    rows = zip([None, *bounds], [*bounds, None], [found.below, *found.counts.tolist(), found.above], strict=True)
    for place, (low, high, count) in enumerate(rows):
        if count or 0 < place < len(bounds):
            yield {"column": trait.name, "from": low, "to": high, "count": count}


def _exactly(*, exact: bool) -> str:
    return "exact" if exact else "estimated"


def _mean(total: int, count: int) -> float | int | None:
    return plain(round(total / count, 2))


def plain(value: float | None) -> float | int | None:
    """With the 15 digits that survive, and without a point where there is nothing behind it."""
    if value is None or not math.isfinite(value):
        return None
    if abs(value) < WHOLE and value == int(value):
        return int(value)
    rounded = float(f"{value:.15g}")
    return rounded if math.isfinite(rounded) else value  # the largest double has no 15 digits


def _moment(seconds: float, *, timed: bool) -> str:
    moment = np.datetime64(math.floor(seconds), "s")
    return str(moment if timed else moment.astype("datetime64[D]")).replace("T", " ")

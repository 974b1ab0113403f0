"""Texts that look like dates, as seconds since 1970, in each way they can be read.

`2024-01-31` and `31.01.2024` can be read in one way, `03/04/2024` in two. A time may follow, with a fraction, and a
zone: then it is UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from consumer.profiling.octets import Ints

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SHORTEST, LONGEST = 8, 36  # bytes
_PATTERN = (
    r"^(?:(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"
    r"|(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second>\d{1,2})[-/.](?P<last>\d{4}))"
    r"(?:[T ](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<sec>\d{2})(?:[.,](?P<part>\d{1,9}))?)?"
    r"(?: ?(?P<zone>Z|[+-]\d{2}:?\d{2}))?)?$"
)
_PLAIN = {10, 16, 19, 23, 26}  # lengths of YYYY-MM-DD, alone and with hh:mm, :ss and three or six decimals
_EARLIEST = -62_135_596_800  # of year 1
_MICRO = 1_000_000
_HOURS, _SIXTY, _MONTHS = 24, 60, 12


@dataclass(frozen=True, eq=False)
class Readings:
    """For each text the seconds if it can be read in one way, or else as day/month and as month/day; NaN if not so.

    `impossible` texts have the form of a date and are none, as 2023-02-30.
    """

    plain: Floats
    day_first: Floats
    month_first: Floats
    impossible: Flags

    @property
    def dates(self) -> Flags:
        return ~(np.isnan(self.plain) & np.isnan(self.day_first) & np.isnan(self.month_first))


def read(texts: pa.Array) -> Readings:
    return _quickly(texts) or _each(texts)


def _quickly(texts: pa.Array) -> Readings | None:
    """The common case, plain ISO dates and nothing else; here pyarrow's parser takes what the pattern takes."""
    if not set(pc.unique(pc.binary_length(texts)).to_pylist()) <= _PLAIN:
        return None
    try:
        micros = pc.cast(texts, pa.timestamp("us")).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    if len(micros) and micros.min() < _EARLIEST * _MICRO:
        return None
    none = np.full(len(micros), np.nan)
    return Readings(micros / _MICRO, none, none, np.zeros(len(micros), np.bool_))


def _each(texts: pa.Array) -> Readings:
    parts = pc.extract_regex(texts, _PATTERN)
    form = np.asarray(parts.is_valid())
    mark = parts.field("mark")
    turned = np.asarray(pc.fill_null(pc.not_equal(mark, ""), fill_value=False))
    dotted = np.asarray(pc.fill_null(pc.equal(mark, "."), fill_value=False))
    clock, within = _clock(parts)
    straight = _seconds(parts, ("year", "month", "day"), clock, form & within & ~turned)
    day_first = _seconds(parts, ("last", "second", "first"), clock, form & within & turned)
    month_first = _seconds(parts, ("last", "first", "second"), clock, form & within & turned & ~dotted)
    plain = np.where(dotted, day_first, straight)
    day_first = np.where(dotted, np.nan, day_first)
    impossible = form & np.isnan(plain) & np.isnan(day_first) & np.isnan(month_first)
    return Readings(plain, day_first, month_first, impossible)


def _clock(parts: Any) -> tuple[Ints, Flags]:
    """The time of day in microseconds, in UTC, and whether there is such a time."""
    hour, minute, second = (_number(parts.field(name)) for name in ("hour", "minute", "sec"))
    zone = pc.replace_substring(pc.replace_substring(parts.field("zone"), "Z", ""), ":", "")
    ahead = _number(pc.utf8_slice_codeunits(zone, 1, 3)) * 60 + _number(pc.utf8_slice_codeunits(zone, 3, 5))
    sign = np.where(np.asarray(pc.fill_null(pc.starts_with(zone, "-"), fill_value=False)), -1, 1)
    micros = _number(pc.utf8_slice_codeunits(pc.utf8_rpad(parts.field("part"), 6, "0"), 0, 6))
    seconds = (hour * 60 + minute - sign * ahead) * 60 + second
    return seconds * _MICRO + micros, (hour < _HOURS) & (minute < _SIXTY) & (second < _SIXTY)


def _seconds(parts: Any, names: tuple[str, str, str], clock: Ints, fit: Flags) -> Floats:
    year, month, day = (_number(parts.field(name)) for name in names)
    fit = fit & (year >= 1) & (month >= 1) & (month <= _MONTHS) & (day >= 1)
    months = (year - 1970) * _MONTHS + month - 1
    first, following = (_first_day(one) for one in (months, months + 1))
    fit &= day <= following - first
    return np.where(fit, ((first + day - 1) * 86_400 * _MICRO + clock) / _MICRO, np.nan)


def _first_day(months: Ints) -> Ints:
    """Of each month since 1970, in days."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _number(digits: pa.Array) -> Ints:
    """Digits as a number; none are 0."""
    filled = pc.if_else(pc.fill_null(pc.equal(digits, ""), fill_value=True), "0", digits)
    return np.asarray(pc.cast(filled, pa.int64()))

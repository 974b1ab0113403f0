"""Rows by the text of one column: exact sums per group, small and mergeable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from consumer.exact import Floats, Ints, Sums
from consumer.kinds import BadInput

MOST_GROUPS = 50_000  # keeps a partial under some 10 MB, however large the table is
MOST_TEXT = 8_000_000  # characters in all names together
NARROW = 2**15


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of *column*, sorted by name (by code point), with their number of rows and named exact sums."""

    column: str
    names: tuple[str, ...]
    rows: Ints
    sums: Mapping[str, Sums]

    @classmethod
    def of(cls, column: str, cells: pd.Series[str], numbers: Mapping[str, Floats]) -> Groups:
        """Sum finite *numbers* by the text of *cells*; a row where it is missing belongs to no group."""
        codes, texts = _sorted_codes(cells)
        rows = np.bincount(codes + 1, minlength=len(texts) + 1)[1:]
        there = np.flatnonzero(rows)
        names = _bounded(column, tuple(texts[there].tolist()))
        sums = Sums.by_code([*numbers.values()], codes, len(texts))
        if len(there) < len(rows):
            sums = [one.take(there) for one in sums]
        return cls(column, names, rows[there], dict(zip(numbers, sums, strict=True)))

    def totals(self, what: str) -> Floats:
        """The sum of each group."""
        return self.sums[what].nearest

    def means(self, what: str, counts: Ints | None = None) -> Floats:
        """Each group's sum over its rows, or over *counts*."""
        return self.sums[what].means(self.rows if counts is None else counts)


def merged(parts: Sequence[Groups]) -> Groups:
    """The groups of all the parts' rows together. The parts have one column and the same sums."""
    column, first = parts[0].column, parts[0]
    if all(part.names == first.names for part in parts):
        return _added(parts)
    names = _bounded(column, tuple(sorted(set().union(*(part.names for part in parts)))))
    index = pd.Index(names, dtype=object)
    places = [index.get_indexer(pd.Index(part.names, dtype=object)) for part in parts]
    rows = np.zeros(len(names), np.int64)
    for part, place in zip(parts, places, strict=True):
        rows[place] += part.rows
    spread = {
        what: reduce(add, (p.sums[what].spread(place, len(names)) for p, place in zip(parts, places, strict=True)))
        for what in first.sums
    }
    return Groups(column, names, rows, spread)


def _added(parts: Sequence[Groups]) -> Groups:
    """The same of parts with the same groups."""
    first = parts[0]
    sums = {what: reduce(add, (part.sums[what] for part in parts)) for what in first.sums}
    return Groups(first.column, first.names, reduce(add, (part.rows for part in parts)), sums)


def _sorted_codes(cells: pd.Series[str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """For each cell the place of its text among sorted texts, or -1 where it is missing; some may be in no cell."""
    codes, found = _coded(cells)
    texts = np.asarray(found, dtype=object)
    narrow = np.int16 if len(texts) < NARROW else np.int32  # the fewer bytes, the faster they are sorted
    order = np.argsort(texts)
    ranks = np.empty(len(order) + 1, narrow)
    ranks[order], ranks[-1] = np.arange(len(order)), -1  # code -1 finds the last one
    return ranks[codes], texts[order]


def _coded(cells: pd.Series[str]) -> tuple[NDArray[Any], Any]:
    """For each cell the place of its text among different texts, or -1."""
    if isinstance(coded := cells.array, pd.Categorical):
        return coded.codes, coded.categories
    return pd.factorize(cells)


def _bounded(column: str, names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) <= MOST_GROUPS and sum(map(len, names)) <= MOST_TEXT:
        return names
    raise BadInput(
        f"Column {column!r} has too many different values to group by: {MOST_GROUPS:,} are allowed, "
        f"with {MOST_TEXT:,} characters in all.",
        code="too_many_groups",
    )

"""Frames as the reader delivers them, for the tests of kinds."""

from __future__ import annotations

import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st

NAMES = st.sampled_from(
    ["North", "South", "East", "West", "nord", "Süd", "東", "=1+1", "NA", "00123", "a,b", 'q"q', "l\nf"]
)
MONEY = st.integers(-(10**7), 10**9).map(lambda cents: cents / 100)
SMALL = st.integers(0, 50).map(float)
WILD = st.floats(min_value=-1e120, max_value=1e120) | st.sampled_from([0.1, 1e-300, 5e-324, -1e119])
QUICK = settings(deadline=None, max_examples=40)  # each example is a dozen runs of a kind
CUTS = st.lists(st.lists(st.integers(0, 30), max_size=6), min_size=1, max_size=2)


def frame(columns: dict[str, list]) -> pd.DataFrame:
    """Text columns are `str`, all others float64, also where there are no rows."""
    return pd.DataFrame(
        {
            name: pd.Series(cells, dtype="str" if name in ("region", "group") else "float64")
            for name, cells in columns.items()
        }
    )


def inside(cuts: list[list[int]], rows: int) -> list[list[int]]:
    return [[min(at, rows) for at in cut] for cut in cuts]

"""Groups: names, order and limits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consumer.kinds import BadInput
from consumer.parts import groups
from consumer.parts.groups import Groups, merged

pytestmark = pytest.mark.usefixtures("both_ways")


def grouped(names, values=None):
    numbers = np.ones(len(names)) if values is None else np.array(values, np.float64)
    return Groups.of("region", pd.Series(names, dtype="str"), {"x": numbers})


def test_names_are_sorted_by_code_point_and_kept_apart_by_case():
    assert grouped(["b", "a", "B", "é", "Z", "東", "a"]).names == ("B", "Z", "a", "b", "é", "東")


def test_merging_keeps_each_sum_with_its_name():
    together = merged([grouped(["b", "a"], [1, 2]), grouped([]), grouped(["c", "a", None], [4, 8, 16])])
    assert together.names == ("a", "b", "c")
    assert together.rows.tolist() == [2, 1, 1]
    assert together.totals("x").tolist() == [10, 1, 4]
    assert together.means("x").tolist() == [5, 1, 4]


@pytest.mark.parametrize("limit", ["MOST_GROUPS", "MOST_TEXT"])
def test_too_many_groups_are_the_users_to_know_in_a_chunk_and_in_all(monkeypatch, limit):
    monkeypatch.setattr(groups, limit, 3)
    assert merged([grouped(["a", "b"]), grouped(["c", "a"])]).names == ("a", "b", "c")
    with pytest.raises(BadInput, match="'region' has too many different values") as caught:
        grouped(["a", "b", "c", "d"])
    assert caught.value.code == "too_many_groups"
    with pytest.raises(BadInput, match="too many"):
        merged([grouped(["a", "b"]), grouped(["c", "d"])])

"""What a kind selects is rows of its chunk, as they stood, with what the kind adds; each of its files is its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from consumer.origins import NoKind
from consumer.pool import work
from consumer.pool.artefacts import Artefacts
from consumer.steps import Selected
from protocol.files import open_blocking
from tests.consumer import milling

TABLE = b"region,value_column\nN,1\nW,2\nS,x\nN,3\n"
BOSSES = pd.DataFrame({"region": ["N"], "boss": ["Ann"]})


def select(folder: Path, how: Any) -> tuple[Selected, bytes]:
    """What *how* selects of the table, and the piece that is written."""
    task = milling.submit(folder, TABLE, name="one", kind="summary", chunk_size=2**20)
    plan = work.plan(task)
    passage = work.passage_of(task, plan.survey, plan.mill.chunks[0])
    found = replace(passage, kind=replace(passage.kind, select=how)).select(None, None, None)
    return found, task.files.read(key := task.piece("selected", 0), 0, task.files.size(key))


def adds_in_place(frame: pd.DataFrame, *_: Any) -> pd.DataFrame:
    frame["double"] = frame["value_column"] * 2
    return frame


def test_columns_that_are_added_to_the_given_frame_itself_are_written(tmp_path):
    found, lines = select(tmp_path, adds_in_place)
    assert (found.rows, found.added) == (3, ("double",))
    assert lines == b"N,1,2\nW,2,4\nN,3,6\n"


@pytest.mark.parametrize(
    ("how", "column"),
    [
        (lambda frame, *_: frame.merge(BOSSES, on="region"), "value_column"),
        (lambda frame, *_: frame.set_index("region"), "value_column"),
        (lambda frame, *_: frame.assign(region=frame["region"].str.lower()), "region"),
        (lambda frame, *_: frame.sort_values("value_column", ascending=False, ignore_index=True), "value_column"),
    ],
)
def test_rows_that_are_not_those_of_their_index_are_not_written(tmp_path, how, column):
    with pytest.raises(NoKind, match=f"^its selection has other values in '{column}' than those rows have: "):
        select(tmp_path, how)


def test_categories_that_a_merge_made_text_are_what_they_were(tmp_path):
    found, lines = select(tmp_path, lambda frame, *_: frame.merge(BOSSES, on="region", how="left"))
    assert (found.rows, found.added) == (3, ("boss",))
    assert lines == b"N,1,Ann\nW,2,\nN,3,Ann\n"


def test_two_tables_of_one_name_do_not_write_over_each_other(tmp_path):
    made = Artefacts(open_blocking(tmp_path.as_uri()), "one", "results/one/")
    made.add("a b.csv", [b"a\n"])
    with pytest.raises(NoKind, match=r"^two of its tables would be a_b\.csv$"):
        made.add("a_b.csv", [b"b\n"])


def test_of_the_added_columns_only_numbers_are_shown_as_such(tmp_path):
    found, _ = select(tmp_path, lambda frame, *_: frame.assign(zip="00123", half=0.5))
    assert (found.added, found.numeric) == (("zip", "half"), ("half",))


@pytest.mark.parametrize(
    ("slices", "numeric"),
    [
        (([1.5, 2, 3], []), ("extra",)),
        (([1.5, 2, 3], [None] * 3), ("extra",)),
        (([], []), ("extra",)),
        ((["00123"] * 3, [1.5, 2, 3]), ()),
        (([1.5, 2, 3], ["00123"] * 3), ()),
    ],
)
def test_which_columns_are_numbers_is_told_by_all_values_wherever_the_table_was_cut(tmp_path, slices, numeric):
    task = milling.submit(tmp_path, TABLE, name="one", kind="summary", chunk_size=2**20)
    plan = work.plan(task)
    passage, cells = work.passage_of(task, plan.survey, plan.mill.chunks[0]), iter(slices)

    def how(frame: pd.DataFrame, *_: Any) -> pd.DataFrame:
        extra = next(cells)
        return frame.head(len(extra)).assign(extra=extra)  # without values pandas knows no type

    held = [passage.whole(), passage.whole()]
    found = replace(passage, kind=replace(passage.kind, select=how), held=held).select(None, None, None)
    assert found.numeric == numeric

"""The plan of a job: into how many chunks its table is cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.kinds import BadInput
from consumer.pool import planning
from tests.consumer.milling import submit

ROW = b"North,1\n"


@pytest.mark.parametrize(
    ("rows", "size"),
    [(100, 80), (320, 80), (480, 120), (640, 160), (10_000, 160)],  # of 32 chunks, of 32 larger ones, of many more
)
def test_the_larger_a_table_the_larger_its_chunks_up_to_twice_what_is_set(tmp_path: Path, rows: int, size: int) -> None:
    task = submit(tmp_path, b"region,value_column\n" + ROW * rows, name="t", kind="summary", chunk_size=80)
    sizes = planning.plan(task).mill.sizes
    assert sum(sizes) == len(ROW) * rows
    assert {*sizes[:-1]} == {size}


def test_what_is_loaded_keeps_the_size_that_is_set(tmp_path: Path) -> None:
    row = b"Anna,%05d@example.org\n"
    table = b"real_name,email\n" + b"".join(row % number for number in range(500))
    task = submit(tmp_path, table, name="t", kind="users", chunk_size=len(row % 1))
    assert {*planning.plan(task).mill.sizes} == {len(row % 1)}


def test_what_is_wrong_with_parameters_together_is_told(tmp_path: Path) -> None:
    params = {"value_column": "a", "group_column": "a"}
    task = submit(tmp_path, b"a,b\n1,2\n", name="t", kind="summary", chunk_size=80, **params)
    with pytest.raises(BadInput, match="must be two different columns"):
        planning.plan(task)

"""Rows are split into cells in bounded memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from consumer.executors.processes import QUIET
from consumer.tables.cells import SMALL_BLOCK, Tokeniser

ROOT = Path(__file__).parents[2]
WIDE = """
import resource
resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))
from consumer.tables.cells import Tokeniser
header, row = ",".join(["word"] * 1_000), ",".join(["1"] * 1_000)
parts, _ = Tokeniser(",", range(1_000), list).run(f"{header}\\n{(row + chr(10)) * 2_000}".encode(), 1_000)
assert sum(len(part[0]) for part in parts) == 2_001
assert {text for part in parts for text in part[999].to_pylist()} == {"word", "1"}
"""


def test_a_table_of_many_columns_takes_little_more_memory_than_it_has_bytes():
    command, quiet = [sys.executable, "-c", WIDE], os.environ | QUIET
    program = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert program.returncode == 0, program.stderr


LONG = r"""
import resource
import sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))
from consumer.kinds import Column
from protocol.files import open_blocking
from tests.tables.test_read import one
row, surplus, reason = sys.argv[2:]
table = b"a,b\n1,2\n" + row.encode() * 1_000_000 + b"\n3,4\n"
batch = one(open_blocking(Path(sys.argv[1]).as_uri()), table, Column("a"), Column("b"), surplus=surplus)
assert batch.frame["b"].tolist() == ["2", "4"]
assert batch.rejects_csv().endswith(f",3,{reason}\n".encode())
"""


@pytest.mark.parametrize(
    ("row", "surplus", "reason"),
    [
        (",,,,", "reject", "long_row: 4000001 of 2 cells"),
        (",,,,", "ignore", "a: missing"),
        ('"1"",",', "reject", "long_row: 1000001 of 2 cells"),
    ],
)
def test_a_row_of_some_million_cells_is_a_reject_and_takes_no_more_than_its_bytes(tmp_path, row, surplus, reason):
    command, quiet = [sys.executable, "-c", LONG, str(tmp_path), row, surplus, reason], os.environ | QUIET
    program = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert program.returncode == 0, program.stderr


def test_texts_are_split_in_small_blocks_and_as_pandas_has_them():
    rows = b"".join(b"%d,x\n" % row for row in range(2 * SMALL_BLOCK // 8))
    parts, _ = Tokeniser(",", range(2), list, text=pa.large_string(), plain=True).run(rows, 2)
    assert len(parts) > 1
    assert {cell.type for part in parts for cell in part} == {pa.large_string()}
    assert sum(len(part[0]) for part in parts) == rows.count(b"\n")
    assert max(cell.nbytes for part in parts for cell in part) < 2 * SMALL_BLOCK

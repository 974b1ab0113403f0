"""Makes sales tables of any size: the same bytes for the same seed, one row in a hundred dirty.

    python benchmarks/made.py PATH [--mb 100] [--seed 1] [--longer] [--quoted] [--worst unique|descending|quoted]

Every block has rows of its own, of 36 bytes; `--longer` adds an order and a date, as most sales have: 57 bytes.
`--quoted` adds a column of remarks with newlines, delimiters and quotes in quotes.
The worst cases: every bad number a text of its own; revenue in descending order; every cell in quotes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BLOCK_ROWS = 200_000
REGIONS = ("North", "South", "East", "West", "Center", "Coast", "Islands", "Hills")
BAD = ("n/a", "", "1e400", "abc", "12,5", "inf", "nan", "-", "0x10", "1_000")
REMARKS = ("as agreed", "call first,\nthen ship", 'the "blue" one', "none", "late; see mail", "two\nlines")
FIRST_ORDER, FIRST_DAY = 1_000_000, np.datetime64("2025-01-01")
WORST = ("unique", "descending", "quoted")


def write(path: Path, size: int, *, seed: int = 1, longer: bool = False, quoted: bool = False, worst: str = "") -> Path:
    """A table of about *size* bytes."""
    with path.open("wb") as out:
        nth = 0
        while out.tell() < size:
            block = _block(np.random.default_rng([seed, nth]), nth, longer=longer, quoted=quoted, worst=worst)
            out.write(_as_csv(block, header=nth == 0, every=worst == "quoted"))
            nth += 1
        if out.tell() > size * 1.2:
            _shorten(path, size)
    return path


def _block(rng: np.random.Generator, nth: int, *, longer: bool, quoted: bool, worst: str) -> pa.Table:
    rows = BLOCK_ROWS
    revenue = np.round(rng.lognormal(4, 1, rows), 2)
    if worst == "descending":
        revenue = np.sort(revenue)[::-1] + 1e6 / (nth + 1)
    columns: dict[str, Any] = {
        "region": pa.array(np.array(REGIONS)[rng.integers(0, len(REGIONS), rows)]),
        "product": pc.binary_join_element_wise("P", pc.cast(pa.array(rng.integers(10_000, 99_999, rows)), "str"), ""),
        "revenue": _dirty(rng, pc.cast(pa.array(revenue), "str"), unique=worst == "unique"),
        "quantity": pc.cast(pa.array(rng.integers(1, 40, rows)), "str"),
        "discount": pc.cast(pa.array(rng.integers(0, 30, rows) / 100), "str"),
        "customer": pc.cast(pa.array(rng.integers(1, 10**9, rows)), "str"),
    }
    if quoted:
        columns["remark"] = pa.array(np.array(REMARKS)[rng.integers(0, len(REMARKS), rows)])
    if longer:
        columns = _of_orders(rng, nth * rows) | columns
    return pa.table(columns)


def _of_orders(rng: np.random.Generator, before: int) -> dict[str, pa.Array]:
    """The first columns of a table of orders, of which so many came before."""
    numbers = pc.cast(pa.array(np.arange(BLOCK_ROWS) + FIRST_ORDER + before), "str")
    days = FIRST_DAY + rng.integers(0, 365, BLOCK_ROWS).astype("timedelta64[D]")
    return {"order": pc.binary_join_element_wise("R", numbers, ""), "date": pa.array(days.astype(str))}


def _dirty(rng: np.random.Generator, cells: pa.Array, *, unique: bool) -> pa.Array:
    """With one bad cell in a hundred."""
    bad = rng.random(len(cells)) < 0.01
    texts = np.array(BAD)[rng.integers(0, len(BAD), len(cells))]
    if unique:
        texts = np.char.add("bad", rng.integers(0, 2**40, len(cells)).astype(str))
    return pc.if_else(pa.array(bad), pa.array(texts), cells)


def _as_csv(table: pa.Table, *, header: bool, every: bool) -> bytes:
    """Quotes stand where they are needed, or around every cell."""
    cells = [_quoted(column.combine_chunks(), every=every) for column in table.columns]
    lines = pc.binary_join_element_wise(pc.binary_join_element_wise(*cells, ","), "", "\n")
    title = ",".join(table.column_names) + "\n" if header else ""
    return title.encode() + bytes(lines.buffers()[2])


def _quoted(cells: pa.Array, *, every: bool) -> pa.Array:
    doubled = pc.binary_join_element_wise('"', pc.replace_substring(cells, '"', '""'), '"', "")
    return doubled if every else pc.if_else(pc.match_substring_regex(cells, '[,"\n]'), doubled, cells)


def _shorten(path: Path, size: int) -> None:
    """Cut at a row's end near *size*: small tables are the beginning of large ones."""
    data = path.read_bytes()
    end = size
    while True:
        end = data.rfind(b"\n", 0, end) + 1
        if data.count(b'"', 0, end) % 2 == 0:
            break
        end -= 1
    path.write_bytes(data[:end])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--mb", type=float, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longer", action="store_true")
    parser.add_argument("--quoted", action="store_true")
    parser.add_argument("--worst", choices=WORST, default="")
    asked = parser.parse_args()
    write(asked.path, int(asked.mb * 1e6), seed=asked.seed, longer=asked.longer, quoted=asked.quoted, worst=asked.worst)


if __name__ == "__main__":
    main()

"""Whatever the table looks like and wherever it is cut: rows, values, rejects and lines are those of the oracle."""

from __future__ import annotations

import csv
import io
import math

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.kinds import Column
from consumer.native import tokens
from consumer.tables import cells, cut, learned, originals, read, rows, survey, values, wide
from protocol.files import BlockingFiles
from protocol.intake import ReadOptions
from tests.tables import oracle
from tests.tables.sure import Sure

CHUNKS = (1, 2, 3, 7, 50)
NUMBERS = [
    *["1", "2.5", "-3", "+4", ".5", "5.", "1e3", "1E-3", "007", " 8", "9\u00a0"],
    *["1e400", "-1e999", "inf", "nan", "0x10", "1_000", "$5", "1.5.5", "-", ".", "e5", "+-1", "\uff11", "1,5", "1d5"],
]


@st.composite
def tables(draw: st.DrawFn) -> dict[str, object]:
    delimiter = draw(st.sampled_from(",;\t|"))
    blanks = draw(st.booleans())
    width = draw(st.integers(2 if blanks else 1, 4))
    others = "".join(c for c in ",;|" if c != delimiter)
    plain = st.text(st.sampled_from("ab5\" é\u00a0\ufeff'" + others), max_size=6).filter(
        lambda cell: not cell.lstrip(" ").startswith('"')
    )
    content = st.text(st.sampled_from('a5 é\ufeff",;\t|\n\r'), max_size=6)
    lead = st.sampled_from(["", " ", "  "]) if blanks else st.just("")
    trail = st.sampled_from(["", " ", "  "] if blanks else ["", " ", "x", 'x"y', ' "'])
    quoted = st.builds(lambda b, c, a: b + '"' + c.replace('"', '""') + '"' + a, lead, content, trail)
    number = st.sampled_from([cell.replace(delimiter, ".") for cell in NUMBERS])
    floats = st.floats(allow_nan=False).map(repr)
    cell = st.one_of(plain, plain, number, floats, st.just("7"), quoted)
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]]))
    end = st.sampled_from(ends)
    row = st.integers(1, width + 2) | st.just(width) | st.just(width)
    row_text = row.flatmap(lambda n: st.lists(cell, min_size=n, max_size=n)).map(delimiter.join)
    line = st.one_of(row_text, row_text, row_text, row_text, st.sampled_from(["", " ", "  ", "\u00a0"]))
    first = delimiter.join(['"q"'] + [' "x"' if blanks else "1"] * (width - 1))
    lines = [delimiter.join(f"c{i} " for i in range(width)), first, *draw(st.lists(line, max_size=12))]
    text = "".join(line + draw(end) for line in lines)
    return {
        "text": text if draw(st.booleans()) else text.rstrip("\r\n"),
        "delimiter": delimiter,
        "blanks": blanks,
        "bom": draw(st.booleans()),
        "surplus": draw(st.sampled_from(["reject", "ignore"])),
        "columns": [
            (f"c{i}", draw(st.sampled_from(["text", "number", "number", "category"])), draw(st.booleans()))
            for i in draw(st.lists(st.integers(0, width - 1), unique=True))
        ],
    }


@given(table=tables())
@settings(max_examples=250, deadline=None)
def test_a_table_reads_as_the_oracle_says_wherever_it_is_cut(files: BlockingFiles, table: dict) -> None:
    expected = oracle.read(
        table["text"], table["delimiter"], table["columns"], blanks=table["blanks"], surplus=table["surplus"]
    )
    columns = [Column(*column) for column in table["columns"]]
    with pytest.MonkeyPatch.context() as patch:
        about = learned.Learned({"", "x", "1e400x"})
        patch.setattr(read, "learned", lambda *_: about)
        found = [_read(files, table, columns, count) for count in CHUNKS]
    for frame, rejects, carried in found:
        assert _rows(frame, columns) == expected.kept
        assert list(csv.reader(io.StringIO(rejects.decode(), newline=""))) == expected.rejects
        assert [row[:-1] for row in csv.reader(io.StringIO(carried.decode(), newline=""))] == expected.carried
    assert {rejects for _, rejects, _ in found} == {found[0][1]}
    assert {carried for _, _, carried in found} == {found[0][2]}


def _read(files: BlockingFiles, table: dict, columns: list[Column], count: int) -> tuple[pd.DataFrame, bytes, bytes]:
    data = (b"\xef\xbb\xbf" if table["bom"] else b"") + table["text"].encode()
    files.write("table", [data])
    seen = survey.survey(files, "table", ReadOptions(delimiter=table["delimiter"]), name="t.csv", work_prefix="work/")
    with pytest.MonkeyPatch.context() as patch:
        if count in (2, 50):  # not even a few rows are split without pyarrow
            patch.setattr(cells, "AT_HAND_BYTES", 0)
            patch.setattr(values, "AT_HAND", 0)
            patch.setattr(originals, "AT_HAND", 0)
            patch.setattr(wide, "WIDEST", 0)
        if count == 50:
            patch.setattr(rows, "_BLOCK", 5)
            patch.setattr(cells, "LARGE_BLOCK", 16)
            patch.setattr(cells, "SMALL_BLOCK", 16)
            patch.setattr(cut, "_LOOK_AHEAD", 3)
        if count == 2:
            patch.setattr(tokens, "MOST_MISFITS", 1)
        if count != 1:  # as text, by pyarrow all that can be as numbers, or by compiled code
            about = learned.Learned({"", "x", "1e400x"}, typed=Sure(says=count == 3), compiled=Sure(says=count > 3))
            patch.setattr(read, "learned", lambda *_: about)
            patch.setattr(rows, "ONE_IN", 0)
        if count == 7:
            patch.setattr(tokens, "MOST_WORDS", 2)
        size = math.ceil((seen.size - seen.layout.rows_begin) / count)
        chunks = cut.cut(files, seen, size)
        reader = read.Reader(files, seen, columns, ReadOptions(), surplus=table["surplus"])
        batches = [reader.read(chunk) for chunk in chunks]
        rejects = b"".join(batch.rejects_csv() for batch in batches)
        frames = [batch.frame for batch in batches]
        carried = b"".join(batch.carried_csv(batch.frame.assign(added=1.5)) for batch in batches)
    assert all(batch.rows == len(batch.frame) + batch.frame.attrs["rejected"] for batch in batches)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(), rejects, carried


def _rows(frame: pd.DataFrame, columns: list[Column]) -> list[dict[str, object]]:
    return [
        {column.name: None if pd.isna(value := row[place]) else value for place, column in enumerate(columns)}
        for row in frame.itertuples(index=False)
    ]


@pytest.mark.parametrize("kind", ["text", "number", "category"])
@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("decimal", [".", ","])
def test_why_one_cell_is_bad_is_what_is_found_among_many(kind, required, decimal):
    column, some = Column("c", kind, required=required), [*NUMBERS, "", " ", "\u00a0", "North"]
    many = [cell for cell in some for _ in range(values.AT_HAND)]
    _, codes = values.convert(pa.array(many), column, decimal)
    assert [values.why(cell, column, decimal) for cell in many] == codes.tolist()

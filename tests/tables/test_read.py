"""What the reader delivers, rejects and carries, on tables small enough to check by eye."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer import native
from consumer.kinds import Column, Failed
from consumer.tables import cut, learned, read, rejected, survey
from protocol.files import BlockingFiles
from protocol.intake import BadTable, ReadOptions
from tests.vectors import SALES

SALES_COLUMNS = (Column("region"), *(Column(name, "number") for name in ("revenue", "quantity", "discount")))


def one(
    files: BlockingFiles, data: bytes | str, *columns: Column, surplus: str = "reject", **options: str
) -> read.Batch:
    """The whole table as one batch."""
    files.write("table", [data if isinstance(data, bytes) else data.encode()])
    asked = ReadOptions(**options)
    seen = survey.survey(files, "table", asked, name="t.csv", work_prefix="work/")
    (chunk,) = cut.cut(files, seen, seen.size + 1)
    return read.Reader(files, seen, columns, asked, surplus=surplus).read(chunk)


def reasons(batch: read.Batch) -> list[str]:
    return [line.rsplit(",", 1)[1] for line in batch.rejects_csv().decode().splitlines()]


def test_the_sales_vector(files: BlockingFiles) -> None:
    batch = one(files, SALES, *SALES_COLUMNS)
    batch = batch.reject([Failed(batch.frame["quantity"] == 0, "quantity", "zero_quantity")])
    assert batch.rejects_csv() == (
        b"West,A,50,0,0.10,8,quantity: zero_quantity\n"
        b"West,B,,5,0.10,9,revenue: missing\n"
        b"West,C,abc,5,0.10,10,revenue: not_a_number\n"
    )
    assert (batch.rows, batch.rejected, batch.frame.attrs["rejected"], list(batch.frame.index)) == (
        10,
        3,
        3,
        [*range(7)],
    )
    selected = batch.frame[batch.frame["revenue"] == 1000].assign(revenue_per_unit=100.0)
    assert batch.carried_csv(selected) == b"East,B,1000,10,0.10,100\n"


def test_columns_have_the_types_that_were_asked_for(files: BlockingFiles) -> None:
    frame = one(files, SALES, *SALES_COLUMNS).frame
    assert list(frame.columns) == ["region", "revenue", "quantity", "discount"]
    assert [str(dtype) for dtype in frame.dtypes] == ["str", "float64", "float64", "float64"]


def test_text_is_exact(files: BlockingFiles) -> None:
    batch = one(files, 'a,b\nNA,1\nnull,1\n00123,1\n 5" pipe ,1\n" x ",1\n"a""b",1\n\uff2eaN,1\n', Column("a"))
    assert list(batch.frame["a"]) == ["NA", "null", "00123", '5" pipe', "x", 'a"b', "\uff2eaN"]


def test_a_byte_order_mark_that_begins_a_cell_is_text_also_where_a_chunk_begins(files: BlockingFiles) -> None:
    files.write("table", ['a,b\n\ufeffNorth,"1"\n\ufeffSouth,"2"\n\ufeff\n'.encode()])  # as of files put together
    seen = survey.survey(files, "table", ReadOptions(delimiter=","), name="t.csv", work_prefix="work/")
    reader = read.Reader(files, seen, [Column("a")], ReadOptions())
    batches = [reader.read(chunk) for chunk in cut.cut(files, seen, 1)]
    assert [cell for batch in batches for cell in batch.frame["a"]] == ["\ufeffNorth", "\ufeffSouth"]
    assert b"".join(batch.rejects_csv() for batch in batches) == "\ufeff,,4,short_row: 1 of 2 cells\n".encode()


@pytest.mark.parametrize(
    "cell",
    [
        "1,200",
        "$5",
        "inf",
        "-inf",
        "nan",
        " nan ",
        "0x10",
        "1_000",
        "\uff11\uff12",
        "- 5",
        "1e",
        ".",
        "+",
        "--1",
        "1.2.3",
        "5%",
        "1 000",
    ],
)
def test_what_is_no_number_rejects_its_row(files: BlockingFiles, cell: str) -> None:
    batch = one(files, f"n;t\n1;x\n{cell};x\n", Column("n", "number"))
    assert (list(batch.frame["n"]), reasons(batch)) == ([1.0], ["n: not_a_number"])


@pytest.mark.parametrize("cell", ["1e400", "-1e400", "9" * 400])
def test_what_is_not_finite_rejects_its_row(files: BlockingFiles, cell: str) -> None:
    assert reasons(one(files, f"n,t\n{cell},x\n1,x\n", Column("n", "number"))) == ["n: not_finite"]
    assert reasons(one(files, f"n,t\n{cell},x\nabc,x\n", Column("n", "number"))) == ["n: not_finite", "n: not_a_number"]


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1),
    st.sampled_from([[], ["?"]]),
    st.sampled_from(["r", ".17e", ".25g"]),
)
@settings(max_examples=60, deadline=None)
def test_numbers_are_rounded_as_python_rounds_them(
    files: BlockingFiles, numbers: list[float], more: list[str], form: str
) -> None:
    cells = [repr(x) if form == "r" else format(x, form) for x in numbers]
    text = "n,t\n" + "".join(f"{cell},x\n" for cell in [*cells, *more])
    assert one(files, text, Column("n", "number")).frame["n"].tolist() == [float(cell) for cell in cells]


@pytest.mark.parametrize(
    ("cell", "value"), [(".5", 0.5), ("5.", 5.0), ("+4", 4.0), ("-1E-3", -0.001), (" 7\t", 7.0), ("007", 7.0)]
)
def test_what_is_a_number(files: BlockingFiles, cell: str, value: float) -> None:
    assert list(one(files, f"n,t\n{cell},x\n", Column("n", "number")).frame["n"]) == [value]


def test_a_decimal_comma_is_the_only_decimal_mark_then(files: BlockingFiles) -> None:
    batch = one(files, "n;t\n1,5;x\n-2,5e1;x\n3;x\n1.5;x\n1,2,3;x\n", Column("n", "number"), decimal=",")
    assert (list(batch.frame["n"]), reasons(batch)) == ([1.5, -25.0, 3.0], ["n: not_a_number"] * 2)


def test_a_blank_cell_is_missing_where_it_is_not_required(files: BlockingFiles) -> None:
    batch = one(files, "n,t\n,\n1,x\n ,  \nz,y\n", Column("n", "number", required=False), Column("t", required=False))
    assert np.array_equal(batch.frame["n"], [math.nan, 1, math.nan], equal_nan=True)
    assert batch.frame["t"].isna().tolist() == [True, False, True]
    assert reasons(batch) == ["n: not_a_number"]


def test_a_row_is_rejected_for_the_first_reason_in_order(files: BlockingFiles) -> None:
    batch = one(files, "a,b,c\n,x,1\n1,,1\n,\n1,2,3\n4,5,6\n", Column("b", "number"), Column("a"))
    failed = pd.Series([True, False])
    batch = batch.reject([Failed(failed, "c", "first"), Failed(failed, "c", "second")])
    assert reasons(batch) == ["b: not_a_number", "b: missing", "short_row: 2 of 3 cells", "c: first"]
    assert list(batch.frame["b"]) == [5.0]


def test_rows_can_be_rejected_again_and_stay_in_file_order(files: BlockingFiles) -> None:
    batch = one(files, "a,b\n1,x\n2,x\n3,x\n4,x\n", Column("a", "number"))
    batch = batch.reject([Failed(batch.frame["a"] == 3, "a", "three")])
    batch = batch.reject([Failed(batch.frame["a"] == 1, "a", "one")]).reject([])
    assert batch.rejects_csv() == b"1,x,2,a: one\n3,x,4,a: three\n"
    assert batch.carried_csv(batch.frame.assign(z=[0.5, 7.0])) == b"2,x,0.5\n4,x,7\n"


def test_a_row_with_surplus_cells_keeps_them_in_its_last_column(files: BlockingFiles) -> None:
    batch = one(files, 'a;b;c\n1;2;3\n1;2;"x;y";4;\n1\n', Column("a"))
    assert batch.rejects_csv() == b"1,2,x;y;4;,3,long_row: 5 of 3 cells\n1,,,4,short_row: 1 of 3 cells\n"


def test_surplus_cells_can_be_ignored(files: BlockingFiles) -> None:
    batch = one(
        files, "a,b\n1,2\n3,4,5\n6\n7,8\n9,x,,\n", Column("a", "number"), Column("b", "number"), surplus="ignore"
    )
    assert list(batch.frame["a"]) == [1.0, 3.0, 7.0]
    assert reasons(batch) == ["short_row: 1 of 2 cells", "b: not_a_number"]
    assert batch.carried_csv(batch.frame) == b"1,2\n3,4\n7,8\n"


def test_rejected_cells_stand_as_they_stood_and_carried_ones_are_stripped(files: BlockingFiles) -> None:
    batch = one(files, 'a,b\n" x,y ","1 "\n q , ?\n', Column("b", "number"))
    assert batch.rejects_csv() == b" q , ?,3,b: not_a_number\n"
    assert batch.carried_csv(batch.frame) == b'"x,y",1\n'


def test_lines_are_physical_ones(files: BlockingFiles) -> None:
    text = 'a,b\r\n\r\n"x\r\n\r\ny",?\r\n   \r\n1,?\r\r2,?\n3,?'
    assert [
        line.split(",")[-2]
        for line in one(files, text, Column("b", "number")).rejects_csv().decode().split("\n")[:-1]
        if "not_a" in line
    ] == ["3", "7", "9", "10"]


@pytest.mark.parametrize("further", [2**31 - 20, 2**31, 2**32, 2**40])
@pytest.mark.parametrize("text", ["a,b\nx,1\ny,?\n", 'a,b\n"x\n",1\n"y",?\n', "a,b\r\nx,1\r\n\r\ny,?\r\n"])
def test_there_may_be_any_number_of_lines_before(files: BlockingFiles, text: str, further: int) -> None:
    files.write("table", [text.encode()])
    seen = survey.survey(files, "table", ReadOptions(), name="t.csv", work_prefix="work/")
    (chunk,) = cut.cut(files, seen, seen.size + 1)
    reader = read.Reader(files, seen, (Column("a"), Column("b", "number")), ReadOptions())
    batches = [reader.read(chunk), reader.read(chunk.shifted(further))]
    lines = [[*batch.by_line.index, *next(batch.asides()).lines] for batch in batches]
    assert lines[1] == [int(line) + further for line in lines[0]]


def test_a_line_of_blanks_is_no_row_even_in_a_table_of_one_column(files: BlockingFiles) -> None:
    batch = one(files, 'a\nx\n\n  \n\u00a0\n""\n" "\ny', Column("a"))
    assert (list(batch.frame["a"]), batch.rows) == (["x", "y"], 4)
    assert batch.rejects_csv() == b',6,a: missing\n" ",7,a: missing\n'.replace(b'" "', b" ")


def test_blanks_before_quotes_are_skipped_and_those_in_cells_are_not(files: BlockingFiles) -> None:
    batch = one(
        files,
        '"Name", "Team", "Age"\n"A ""B"", C", "BAL, ", 22\n"", "", 1\n',
        Column("Name"),
        Column("Team"),
        Column("Age", "number"),
    )
    assert batch.frame.to_numpy().tolist() == [['A "B", C', "BAL,", 22.0]]
    assert batch.rejects_csv() == b",, 1,3,Name: missing\n"


def test_rows_are_counted_where_no_column_is_needed(files: BlockingFiles) -> None:
    batch = one(files, "a,b\n1,2\n3\n4,5\n")
    assert (len(batch.frame), batch.rows, batch.rejected) == (2, 3, 1)


def test_a_missing_column_is_the_tables_fault(files: BlockingFiles) -> None:
    with pytest.raises(BadTable, match="'z' is missing"):
        one(files, "a,b\n1,2\n", Column("z"))


def test_a_table_that_is_not_utf8_is_read_from_a_copy_that_is(files: BlockingFiles) -> None:
    text = "größe;n\nfünf;1\nsechs;?\n"
    for data, options in ((text.encode("utf-16"), {}), (text.encode("cp1252"), {"encoding": "cp1252"})):
        batch = one(files, data, Column("größe"), Column("n", "number"), **options)
        assert list(batch.frame["größe"]) == ["fünf"]
        assert batch.rejects_csv() == b"sechs,?,3,n: not_a_number\n"


def test_a_row_longer_than_a_block_is_read(files: BlockingFiles) -> None:
    wide = ",".join(["x" * 900_000] * 3)
    batch = one(files, f"a,b,c\n1,2,3\n{wide}\n4,5,6\n", Column("a"))
    assert [len(cell) for cell in batch.frame["a"]] == [1, 900_000, 1]


def test_a_table_full_of_misfits_is_read_all_the_same(files: BlockingFiles) -> None:
    rows = ['"x\ny",2', "1", "", "  ", "3,4,5", "z,w"] * 6_000
    batch = one(files, "a,b\n" + "\n".join(rows), Column("a"))
    assert (len(batch.frame), batch.rejected) == (12_000, 12_000)
    assert batch.rejects_csv().startswith(b'1,,4,short_row: 1 of 2 cells\n3,"4,5",7,long_row: 3 of 2 cells\n1,,11,')


def test_a_row_of_which_nothing_is_bad_is_given_no_reason(files: BlockingFiles) -> None:
    explainer = one(files, "a,n\nx,1\n", Column("n", "number")).explainer
    assert explainer.explain_few([["x"], ["?"]]) == ["n: not_a_number"]
    with pytest.raises(AssertionError):
        explainer.explain_few([["x"], ["1"]])
    with pytest.raises(AssertionError):
        explainer.explain([pa.array(["x", "y"]), pa.array(["?", "1"])])


@pytest.mark.parametrize(("odd", "way"), [("1.2345e-30", "compiled"), ("", "typed")])
def test_a_way_of_reading_that_leaves_many_rows_to_others_is_soon_given_up(
    files: BlockingFiles, monkeypatch: pytest.MonkeyPatch, odd: str, way: str
) -> None:
    if way == "typed":
        monkeypatch.setattr(native, "_loaded", native.NotThere)
    elif not native.is_there():
        pytest.skip("nothing was compiled: there is no C compiler")
    about = learned.Learned()
    monkeypatch.setattr(read, "learned", lambda *_: about)
    for _ in range(3):
        one(files, "n,t\n" + f"{odd},x\n1,x\n" * 2_000, Column("n", "number", required=False))
    assert not getattr(about, way).promising


@pytest.mark.parametrize("enough", [1, 20, 2**20])
def test_rejected_rows_are_the_same_however_many_are_written_at_once(
    files: BlockingFiles, monkeypatch: pytest.MonkeyPatch, enough: int
) -> None:
    monkeypatch.setattr(rejected, "_ENOUGH", enough)
    parts = ['a,b\n"x\ny",?\n1\n\n', "a,b\n2,3,4\n,5\n6,7\n8,-\n"]
    batches = [one(files, text, Column("a"), Column("b", "number")) for text in parts]
    found = rejected.Rejected(batches[0].originals.layout)
    for batch in batches:
        for aside in batch.asides():
            found.add(aside)
    assert (
        b"".join(found.finish())
        == b"".join(batch.rejects_csv() for batch in batches)
        == (
            b'"x\ny",?,2,b: not_a_number\n1,,4,short_row: 1 of 2 cells\n'
            b'2,"3,4",2,long_row: 3 of 2 cells\n,5,3,a: missing\n8,-,5,b: not_a_number\n'
        )
    )


def test_only_the_cells_in_doubt_are_read_again(files: BlockingFiles) -> None:
    fine = "".join(f"w,{row},{row},1\n" for row in range(40))
    columns = (
        Column("a", "category"),
        Column("b", "number"),
        Column("c", "number", required=False),
        Column("d", "number"),
    )
    text = f"a,b,c,d\n{fine}w,1, ,2\nw,+1,x,2\n ,1,?,\nw,1,2,?\nw, 7 ,,2\n"
    batch = [one(files, text, *columns) for _ in range(2)][-1]  # the second time it is known what is no number
    assert batch.frame["b"].tolist()[40:] == [1.0, 7.0]
    assert batch.frame["c"].isna().tolist()[40:] == [True, True]
    assert reasons(batch) == ["c: not_a_number", "a: missing", "d: not_a_number"]


def test_reading_32_mb_stays_under_half_a_gigabyte_when_every_row_is_rejected(tmp_path: Path) -> None:
    script = """
        import resource, sys
        from consumer.kinds import Column
        from consumer.tables import cut, read, survey
        from protocol.files import open_blocking
        from protocol.intake import ReadOptions

        files, row = open_blocking(sys.argv[1]), sys.argv[2].encode().decode("unicode_escape").encode()
        files.write("table", [b"a,b,c,d,e\\n", *[row * (2**20 // len(row))] * 32])
        seen = survey.survey(files, "table", ReadOptions(), name="t.csv", work_prefix="w/")
        (chunk,) = cut.cut(files, seen, 2**26)
        columns = [Column("a"), *(Column(name, "number") for name in "bcd")]
        batch = read.Reader(files, seen, columns, ReadOptions()).read(chunk)
        assert batch.rejected == batch.rows > 0 and batch.rejects_csv()
        if sys.platform == "linux":  # here ru_maxrss counts the process that started this one too
            [peak] = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")]
            print(peak // 1024)
        else:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20)
    """
    for row in (r"North,Widget,12.5,x,0.05\n", r"North,Widget,12.5\n", r"\"North\",\"Wid\"\"get\",12.5,x,0.05\n"):
        command = [sys.executable, "-c", textwrap.dedent(script), tmp_path.as_uri(), row]
        used = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        assert int(used.stdout) < 512, row

"""Excel, Parquet and JSON Lines: the same rows, rejects and artefacts as the CSV with the same cells, and no bombs."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json
import re
import time
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consumer.tables.formats import spell, xlsx
from consumer.tables.formats.parquet import open_table
from protocol.intake import BadTable, jsonl
from protocol.kept import How
from protocol.reading import Reading
from tests.consumer import milling
from tests.consumer.milling import Ran

LONG = 12345678901234567890
SIZES = (40, 1_000, 10**6)
HEADER = ["region", "note", "revenue", "quantity", "discount"]
ROWS: list[list[Any]] = [
    ["North", "NA", "100", "10", "0.1"],
    ["South", "00123", "x", "10", "0.5"],
    ["East", 'two\nlines, "quoted"', "80", "0", "0.5"],
    ["West", str(LONG), "90", "10", ""],
    ["", "null", "1e400", "10", "0.25"],
    ["North", "ß\r\nx", "5000", "10", "0.125"],
]
GOOD = [["Süd", "note", str(100 + number), "10", "0.5"] for number in range(40)]


def workbook(rows: list[list[Any] | None], claim: str = "", stray: str = "") -> bytes:
    """The smallest that Excel opens: text inline, numbers as numbers; None is a row that is not there.

    It may *claim* a dimension, and end with a *stray* row of its own.
    """

    def spelled(text: str) -> str:
        return escape(text, {"\r": "&#13;"})

    def cell(value: Any) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t xml:space="preserve">{spelled(value)}</t></is></c>'
        if isinstance(value, bool):
            return f'<c t="b"><v>{int(value)}</v></c>'
        return f"<c><v>{value!r}</v></c>" if value is not None else "<c/>"

    lines = [f'<row r="{n}">{"".join(map(cell, row))}</row>' for n, row in enumerate(rows, 1) if row is not None]
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
        f'ContentType="{sheet}.sheet.main+xml"/><Override PartName="/xl/worksheets/s.xml" '
        f'ContentType="{sheet}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="a" Type='
        f'"{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="Sales" sheetId="1" '
        'r:id="b"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="b" Type='
        f'"{office}/worksheet" Target="worksheets/s.xml"/></Relationships>',
        "xl/worksheets/s.xml": f'<worksheet xmlns="{main}">{claim}<sheetData>{"".join(lines)}{stray}</sheetData>'
        "</worksheet>",
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return data.getvalue()


def parquet(columns: dict[str, Any], **how: Any) -> bytes:
    data = io.BytesIO()
    pq.write_table(pa.table(columns), data, **how)
    return data.getvalue()


def as_xlsx(rows: list[list[Any]]) -> bytes:
    return workbook([HEADER, *rows])


def as_parquet(rows: list[list[Any]]) -> bytes:
    return parquet(dict(zip(HEADER, map(list, zip(*rows, strict=True)), strict=True)), row_group_size=7)


def as_jsonl(rows: list[list[Any]]) -> bytes:
    return "".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in rows).encode()


FORMATS = {
    "xlsx": (as_xlsx, 1),
    "parquet": (as_parquet, 0),
    "jsonl": (as_jsonl, 0),
}  # and the lines before the first row


def run(folder: Path, data: bytes, kind: str = "sales", chunk_size: int = 10**6, **reading: Any) -> Ran:
    task = milling.submit(folder, data, name=f"job-{chunk_size}", kind=kind, chunk_size=chunk_size)
    return milling.run(milling.replace(task, reading=Reading.model_validate(reading)))


def cells(ran: Ran, name: str) -> list[list[str]]:
    frame = pd.read_csv(io.BytesIO(ran.artefact(name)), dtype=str, keep_default_na=False, header=None)
    return frame.to_numpy().tolist()


def refused(folder: Path, data: bytes, kind: str = "sales") -> tuple[int, str]:
    with pytest.raises(BadTable) as bad:
        run(folder, data, kind)
    assert all(fault.detail.endswith((".", "?", "'")) for fault in bad.value.faults)
    return bad.value.status, bad.value.faults[0].code


@pytest.mark.parametrize(("write", "before"), FORMATS.values(), ids=FORMATS)
def test_the_result_is_that_of_the_same_cells_and_lines_are_rows_however_it_is_cut(
    tmp_path: Path, write: Any, before: int
) -> None:
    found = [run(tmp_path, write(ROWS + GOOD), chunk_size=size) for size in SIZES]
    assert cells(found[0], "rejected.csv")[1:] == [
        [*ROWS[1], str(2 + before), "revenue: not_a_number"],
        [*ROWS[2], str(3 + before), "quantity: zero_quantity"],
        [*ROWS[3], str(4 + before), "discount: missing"],
        [*ROWS[4], str(5 + before), "region: missing"],
    ]
    assert cells(found[0], "anomalies.csv") == [[*HEADER, "revenue_per_unit"], [*ROWS[5], "500"]]
    assert len(found[0].plan.mill) > 10 > len(found[-1].plan.mill)
    assert {json.dumps(cells(ran, "rejected.csv") + cells(ran, "anomalies.csv")) for ran in found} == {
        json.dumps(cells(found[0], "rejected.csv") + cells(found[0], "anomalies.csv"))
    }
    assert {one.what for one in found[0].plan.findings} >= {"format", "header"}


@pytest.mark.parametrize(("write", "before"), FORMATS.values(), ids=FORMATS)
def test_rejected_rows_can_be_repaired_and_others_appended(tmp_path: Path, write: Any, before: int) -> None:
    ran = run(tmp_path, write(ROWS + GOOD), chunk_size=300)
    fixed = f"{','.join(HEADER)},rejected_line\nSouth,fixed,100,10,1,{2 + before}\n".encode()
    after = milling.run(milling.amend(ran, fixed, How.REPAIR, name="fixed"))
    assert [row[-2] for row in cells(after, "rejected.csv")[1:]] == [str(n + before) for n in (3, 4, 5)]
    more = milling.run(milling.amend(after, write([["a", "b\nc", "1", "1", "1"], *ROWS[1:2]]), How.APPEND, name="more"))
    last = before + len(ROWS) + len(GOOD)
    assert cells(more, "rejected.csv")[-1][-2] == str(last + 2)
    assert more.finished.report.numbers["kept"] == 42 + 2


def test_numbers_survive_from_parquet_in_all_their_digits(tmp_path: Path) -> None:
    table = parquet(
        {
            "region": pa.array(["a", "b"]).dictionary_encode(),
            "revenue": pa.array([10**18 + 1, -5], pa.int64()),
            "quantity": pa.array([decimal.Decimal("1.10"), decimal.Decimal("2.00")], pa.decimal128(38, 2)),
            "discount": [0.1, float("nan")],
            "whole": [5.0, 1e22],
            "when": [dt.datetime(2026, 1, 2, 3, 4), None],  # noqa: DTZ001 - as tables have them
            "nested": [[1, 2], None],
            "flag": [True, None],
        }
    )
    ran = run(tmp_path, table)
    assert cells(ran, "rejected.csv")[1] == ["b", "-5", "2.00", "", "1e+22", "", "", "", "2", "discount: missing"]
    whole = run(tmp_path, table, "profile")
    assert whole.finished.report.account.read == 2
    key = ran.plan and f"{ran.task.kept_prefix}table"
    assert b"a,1000000000000000001,1.10,0.1,5,2026-01-02 03:04:00.000000" in ran.files.read(key, 0, ran.files.size(key))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[2**62], None], pa.list_(pa.timestamp("us"))),  # the year 146,138
        pa.StructArray.from_arrays([pa.array([1, 2]), pa.array([3, 4])], names=["a", "a"]),
        pa.array([b"\xff", None]),
        pa.array([b"\xff", None]).view(pa.string()),
        pa.array([[b"\xff"], None]).cast(pa.list_(pa.binary())).view(pa.list_(pa.string())),
    ],
    ids=["beyond-dates", "same-names", "binary", "no-utf8", "nested-no-utf8"],
)
def test_values_of_parquet_that_are_no_text_are_refused_with_their_column(tmp_path: Path, values: pa.Array) -> None:
    with pytest.raises(BadTable, match=r"The column .odd. has values of the type .* that cannot be written") as bad:
        run(tmp_path, parquet({"a": ["x", "y"], "odd": values}), "profile")
    assert (bad.value.status, bad.value.faults[0].code) == (422, "not_text")


def test_a_wide_parquet_file_is_read_few_rows_at_a_time() -> None:
    data = parquet({f"c{number}": ["x" * 20] * 4_000 for number in range(500)})
    pieces = [len(piece) for piece in open_table(io.BytesIO(data)).spell()]
    assert sum(pieces) == 4_000 * 500 * 21
    assert max(pieces) < 5_000_000


@pytest.mark.parametrize("same", [True, False])
def test_parquet_with_long_texts_is_read_few_rows_at_a_time(*, same: bool) -> None:
    texts = [f"{0 if same else number} " + "x" * 6_000 for number in range(20_000)]
    table, before = open_table(io.BytesIO(parquet({"a": texts}, use_dictionary=same))), pa.total_allocated_bytes()
    pieces = [(len(piece), pa.total_allocated_bytes() - before) for piece in table.spell()]
    assert sum(size for size, _ in pieces) == sum(map(len, texts)) + len(texts)
    assert max(size for size, _ in pieces) < 10 * 2**20
    assert max(taken for _, taken in pieces) < 50 * 2**20


@pytest.mark.parametrize("place", ["write.lines", "pc.fill_null"])
def test_too_little_memory_is_no_damage(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    def nothing_left(*_args: Any) -> None:
        raise pa.ArrowMemoryError("malloc failed")

    table = open_table(io.BytesIO(as_parquet(ROWS)))
    monkeypatch.setattr(f"consumer.tables.formats.parquet.{place}", nothing_left)
    with pytest.raises(MemoryError):
        list(table.spell())


def test_long_rows_are_spelled_few_at_a_time() -> None:
    pieces = list(spell((line, ["x" * 2**18, "\n"]) for line in range(1, 101)))
    assert sum(map(len, pieces)) == 100 * (2**18 + 5)
    assert max(map(len, pieces)) < 2**21


@pytest.mark.parametrize("write", [as_parquet, as_jsonl])
def test_the_first_row_behind_no_header_may_be_long(tmp_path: Path, write: Any) -> None:
    ran = run(tmp_path, write([["North", "x" * 600_000, "1", "x", "1"], ROWS[0]]))
    assert cells(ran, "rejected.csv")[1][2:] == ["1", "x", "1", str(FORMATS["jsonl"][1] + 1), "quantity: not_a_number"]


@pytest.mark.parametrize("form", FORMATS)
def test_blanks_around_the_names_of_columns_are_none_of_them(tmp_path: Path, form: str) -> None:
    named = [" region", "note ", "\u00a0revenue", "quantity\t", "discount"]
    data = {
        "xlsx": workbook([named, *GOOD]),
        "parquet": parquet(dict(zip(named, map(list, zip(*GOOD, strict=True)), strict=True))),
        "jsonl": "".join(json.dumps(dict(zip(named, row, strict=True))) + "\n" for row in GOOD).encode(),
    }[form]
    assert run(tmp_path, data).finished.report.numbers["kept"] == len(GOOD)


def test_json_lines_keep_numbers_as_written_and_turn_down_what_is_no_object(tmp_path: Path) -> None:
    lines = [
        '{"region": "a", "revenue": 12345678901234567890, "quantity": 1, "discount": 1.10}',
        "",
        "[1]",
        '{"region": "b", "revenue": "x", "quantity": 1e0, "discount": null, "more": {"a": [1.0, "é"]}}',
        '{"region": NaN}',
        '{"region": "half \\ud800", "revenue": 1}',
        '{"broken": ',
        '{"region": "nul \\\\\\u0000", "revenue": 1}',
        '{"region": "none \\\\u0000", "revenue": 1, "quantity": 1, "discount": 1}',
    ]
    ran = run(tmp_path, "\n".join(lines).encode("utf-8-sig"))
    rejected = cells(ran, "rejected.csv")
    assert rejected[0][:5] == ["region", "revenue", "quantity", "discount", "more"]
    assert [(row[-2], row[-1]) for row in rejected[1:]] == [
        ("3", "not_an_object: 1 of 5 cells"),
        ("4", "revenue: not_a_number"),
        *((str(line), "not_an_object: 1 of 5 cells") for line in (5, 6, 7, 8)),
    ]
    assert rejected[2][:5] == ["b", "x", "1e0", "", '{"a": [1.0, "é"]}']
    assert ran.finished.report.numbers["kept"] == 2
    key = f"{ran.task.kept_prefix}table"
    assert b"a,12345678901234567890,1,1.10," in ran.files.read(key, 0, ran.files.size(key))


@pytest.mark.parametrize("leaf", ["1.10", '["a", {}, [], true, null]', '"\\\\ é"'])
def test_json_lines_may_nest_deeply(leaf: str) -> None:
    nested = '{"a": [' * 300 + leaf + "]}" * 300
    lines = [f'{{"v": {nested}}}\n'.encode()]
    assert list(jsonl.rows(lines, jsonl.columns(lines))) == [(1, [nested])]


def test_json_lines_may_be_of_another_encoding_which_has_to_be_declared(tmp_path: Path) -> None:
    lines = '{"region": "x", "revenue": 1}\r\n{"region": "Süd", "revenue": 1, "quantity": 1, "discount": 1}\n'
    data = lines.encode("cp1252")
    with pytest.raises(BadTable, match=r"byte 0xFC at offset \d+ in line 2 is not UTF-8") as bad:
        run(tmp_path, data)
    assert (bad.value.status, bad.value.faults[0].code) == (422, "encoding")
    assert cells(run(tmp_path, data, encoding="cp1252"), "summary.csv")[1][0] == "Süd"


@pytest.mark.parametrize(
    ("encoding", "declared"), [("utf-16", None), ("utf-32", None), ("utf-16-be", "utf-16-be"), ("utf-16", "cp1252")]
)
def test_json_lines_are_read_in_the_encoding_of_their_mark_or_as_declared(
    tmp_path: Path, encoding: str, declared: str | None
) -> None:
    data = '{"region": "Süd", "revenue": 1, "quantity": 1, "discount": 1}\n'.encode(encoding)
    assert cells(run(tmp_path, data, encoding=declared), "summary.csv")[1][0] == "Süd"


def test_the_line_of_a_nul_byte_is_that_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="Line 3 holds a NUL byte") as bad:
        run(tmp_path, b'{"region": "a\\nb"}\n{"region": "c\\nd"}\n{"region": "e\0"}\n')
    assert bad.value.status == 415


@pytest.mark.parametrize("cell", ["x" * (2**20 + 1), "ä" * (2**19 + 1), "\n" + "x" * 2**20])
def test_the_line_of_a_cell_that_is_too_long_is_that_of_the_file(tmp_path: Path, cell: str) -> None:
    rows = [["a", "b"], ["1\n", "2"], ["3", cell]]
    objects = "".join(json.dumps({"a": a, "b": b}) + "\n" for a, b in rows)
    for data in (workbook(rows), objects.encode()):
        with pytest.raises(BadTable, match=r"A cell in line 3 is longer than 1 MiB") as bad:
            run(tmp_path, data, "profile")
        assert (bad.value.status, bad.value.faults[0].code) == (422, "cell_too_long")


def test_a_byte_order_mark_in_the_first_cell_is_none_of_the_file(tmp_path: Path) -> None:
    row = ["\ufeffa", "b", "1", "x", "1"]
    for data in (as_parquet([row]), as_jsonl([row])):
        assert cells(run(tmp_path, data), "rejected.csv")[1] == [*row, "1", "quantity: not_a_number"]


def test_a_sheet_is_read_as_excel_writes_it(tmp_path: Path) -> None:
    rows = [None, HEADER, [2**53 - 1, True, 100.0, 1.0, 0.1], None, ["b", 1e20, "x", 2.5, None]]
    ran = run(tmp_path, workbook(rows))
    assert cells(ran, "rejected.csv")[1] == ["b", "1e+20", "x", "2.5", "", "5", "revenue: not_a_number"]
    key = f"{ran.task.kept_prefix}table"
    assert ran.files.read(key, 0, ran.files.size(key)).splitlines()[2] == b"9007199254740991,TRUE,100,1,0.1"
    found = {one.what: (one.value, one.line) for one in ran.plan.findings}
    assert found == {"format": ("xlsx", None), "sheet": ("Sales", None), "header": ("5 columns", 2)}


def test_a_line_break_in_a_sheets_header_moves_no_row(tmp_path: Path) -> None:
    header = [*HEADER[:2], "revenue\n(EUR)", *HEADER[3:]]
    rows = [None, header, *ROWS]
    ran = run(tmp_path, workbook(rows), columns={"revenue": "revenue\n(EUR)"})
    assert [row[-2] for row in cells(ran, "rejected.csv")[1:]] == ["4", "5", "6", "7"]
    more = milling.run(milling.amend(ran, workbook([header, ROWS[1]]), How.APPEND, name="more"))
    assert cells(more, "rejected.csv")[-1][-2] == str(len(rows) + 1)


def test_missing_columns_of_any_format_are_named(tmp_path: Path) -> None:
    for data in (workbook([["a"], ["b"]]), parquet({"a": ["b"]}), b'{"a": "b"}\n'):
        assert refused(tmp_path, data) == (422, "missing_column")
    columns = {"region": "a", "revenue": "b", "quantity": "b2", "discount": "c"}
    ran = run(tmp_path, b'{"a": "x", "b": 1, "b2": 2, "c": 3}\n', columns=columns)
    assert ran.finished.report.numbers["kept"] == 1


@pytest.mark.parametrize("names", [["k" * 300_000], [f"{number:02}{'k' * 2_000}" for number in range(150)]])
def test_the_names_of_columns_are_limited_in_all_formats(tmp_path: Path, names: list[str]) -> None:
    objects = [json.dumps({name: 1}) for name in names]
    for data in (
        workbook([names, ["1"] * len(names)]),
        parquet({name: [1] for name in names}),
        "\n".join(objects).encode(),
    ):
        assert refused(tmp_path, data, "profile") == (422, "header_too_long")


def test_a_nul_byte_in_the_name_of_a_column_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, parquet({"a\0b": [1]}), "profile") == (415, "nul_byte")


def test_a_parquet_file_without_rows_has_a_result(tmp_path: Path) -> None:
    ran = run(tmp_path, parquet({name: pa.array([], pa.string()) for name in HEADER}))
    assert ran.finished.report.account.read == 0


CLAIM = '<dimension ref="A1:ZZ1048576"/>'


@pytest.mark.parametrize("claim", ["", CLAIM])
def test_a_sheet_with_a_cell_far_out_is_refused_before_it_takes_all_memory(tmp_path: Path, claim: str) -> None:
    wide = '<row r="99"><c r="ZZ99"><v>1</v></c></row>'
    data = workbook([HEADER, *ROWS], claim, f'{wide}<row r="1048576"><c r="A1048576" s="1"><v>1</v></c></row>')
    with pytest.raises(BadTable, match="reaches over 1,048,576 rows and 702 columns; delete") as bad:
        run(tmp_path, data)
    assert (bad.value.status, bad.value.faults[0].code) == (413, "too_large")


NEAR = '<row r="1"><c r="A1"><v>1</v></c></row>'
FAR = {
    "beyond what it claims": '<row r="90"><c r="AB90"><v>1</v></c></row>',
    "behind another attribute": '<row r="90"><c s="0" r="AB90"><v>1</v></c></row>',
    "with a prefix": '<x:row r="90"><x:c r="AB90"><x:v>1</x:v></x:c></x:row>',
    "in other quotes": "<row r='90'><c\n r = 'AB90'><v>1</v></c></row>",
    "in small letters": '<row r="90"><c r="ab90"><v>1</v></c></row>',
    "behind a longer one": '<row r="90"><c s="0" x=">" r="AB90"><v>1</v></c></row>',
    "without a place": f'<row r="90">{"<c><v>1</v></c>" * 28}</row>',
    "behind one with a place": '<row r="90"><c r="AA90" s="0"/><c><v>1</v></c></row>',
    "behind rows without one": '<row r="88"/><row/><row><c r="AA90"/><c><v>1</v></c></row>',
}


@pytest.mark.parametrize("stray", FAR.values(), ids=FAR)
def test_a_cell_is_far_out_however_it_is_written(monkeypatch: pytest.MonkeyPatch, stray: str) -> None:
    data = workbook([], '<dimension ref="A1"/>', NEAR + stray)
    _, rows = xlsx.open_sheet(io.BytesIO(data))
    assert [(line, len(row)) for line, row in rows] == [(1, 28), (90, 28)]
    monkeypatch.setattr(xlsx, "CELLS", 90 * 28)
    xlsx.open_sheet(io.BytesIO(data))
    monkeypatch.setattr(xlsx, "CELLS", 90 * 28 - 1)
    with pytest.raises(BadTable, match="reaches over 90 rows and 28 columns; delete"):
        xlsx.open_sheet(io.BytesIO(data))


def test_a_sheet_that_is_not_found_as_usual_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    named = 'r:id="b"'
    whole, data = io.BytesIO(workbook([], stray=NEAR + FAR["beyond what it claims"])), io.BytesIO()
    with zipfile.ZipFile(whole) as parts, zipfile.ZipFile(data, "w") as archive:
        for name in parts.namelist():
            archive.writestr(name, parts.read(name).decode().replace(named, named.replace('"', "'")))
    assert [len(row) for _, row in xlsx.open_sheet(data)[1]] == [28, 28]
    monkeypatch.setattr(xlsx, "CELLS", 1)
    with pytest.raises(BadTable, match="reaches over 90 rows and 28 columns; delete"):
        xlsx.open_sheet(data)


def test_blank_cells_far_out_are_none(tmp_path: Path) -> None:
    data = workbook([HEADER, *ROWS], CLAIM, '<row r="1048576"><c r="ZZ1048576" s="1"/></row>')
    assert run(tmp_path, data).finished.report.account.read == len(ROWS)


DURATIONS = '<numFmts count="1"><numFmt numFmtId="164" formatCode="[h]:mm:ss"/></numFmts>'
STYLED = f"""<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{DURATIONS}
<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>"""


def durations(days: list[str]) -> bytes:
    """A workbook with one column of them."""
    cells_of = [f'<row r="{n}"><c r="A{n}" s="1"><v>{one}</v></c></row>' for n, one in enumerate(days, 2)]
    data = io.BytesIO(workbook([["took"]], stray="".join(cells_of)))
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("xl/styles.xml", STYLED)
    return data.getvalue()


def test_a_duration_is_in_hours_and_one_that_is_none_is_refused_with_its_row() -> None:
    _, rows = xlsx.open_sheet(io.BytesIO(durations(["1.25", "-0.5", "0"])))
    assert [*rows] == [(1, ["took"]), (2, ["30:00:00"]), (3, ["-12:00:00"]), (4, ["0:00:00"])]
    _, rows = xlsx.open_sheet(io.BytesIO(durations(["1", "1e300"])))
    with pytest.raises(BadTable, match="A cell in row 3 is shown as a time, and too large a number for one") as bad:
        list(rows)
    assert (bad.value.status, bad.value.faults[0].code) == (422, "no_time")


def with_more(near: bytes, far: bytes, *, before: bool) -> bytes:
    """A workbook with the sheet of another one, too, *before* or behind its own."""
    own, more = '<sheet name="Sales" sheetId="1" r:id="b"/>', '<sheet name="More" sheetId="2" r:id="c"/>'
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(near)) as ones, zipfile.ZipFile(data, "w") as archive:
        for name in ones.namelist():
            text = ones.read(name).decode().replace(own, more + own if before else own + more)
            [(whole, relation)] = re.findall(r'(<Relationship Id="b"([^>]*)/>)', text) or [("<none>", "")]
            there = f'<Relationship Id="c"{relation.replace("s.xml", "more.xml")}/>'
            archive.writestr(name, text.replace(whole, whole + there))
        with zipfile.ZipFile(io.BytesIO(far)) as others:
            archive.writestr("xl/worksheets/more.xml", others.read("xl/worksheets/s.xml"))
    return data.getvalue()


def test_only_the_first_sheet_is_looked_at(tmp_path: Path) -> None:
    near = workbook([HEADER, *ROWS])
    far = workbook([HEADER], CLAIM, '<row r="1048576"><c r="ZZ1048576"><v>1</v></c></row>')
    assert run(tmp_path, with_more(near, far, before=False)).finished.report.account.read == len(ROWS)
    assert refused(tmp_path, with_more(near, far, before=True)) == (413, "too_large")


@pytest.mark.parametrize("place", [f"ZZ{'9' * 5_000}", f"{'Z' * 5_000}9"])
def test_places_that_no_sheet_can_have_are_far_out(tmp_path: Path, place: str) -> None:
    cell = f'<row r="9"><c r="{place}"><v>1</v></c></row>'
    for claim in ("", f'<dimension ref="A1:{place}"/>'):
        assert refused(tmp_path, workbook([HEADER, *ROWS], claim, cell)) == (413, "too_large")


def test_tags_that_never_end_cost_no_more_than_others() -> None:
    data = workbook([HEADER], stray='<c r="A1" ' * 400_000)
    began = time.process_time()
    with pytest.raises(BadTable, match=r"The workbook cannot be read: "):
        xlsx.open_sheet(io.BytesIO(data))
    assert time.process_time() - began < 5


def test_what_is_damaged_is_refused(tmp_path: Path) -> None:
    for data in (as_xlsx(GOOD)[:-30], as_parquet(GOOD)[:-30]):
        assert refused(tmp_path, data) == (422, "damaged")
    whole = bytearray(as_xlsx(GOOD))
    whole[whole.index(b"xl/worksheets/s.xml") + 60] ^= 0xFF
    assert refused(tmp_path, bytes(whole)) == (422, "damaged")
    assert refused(tmp_path, b'{"a" 1}\n[]\n') == (422, "no_objects")


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", bytes(100 * 2**20))
    assert refused(tmp_path, data.getvalue()) == (413, "swells")
    same = parquet({name: pa.array(["x" * 1000] * 100_000).dictionary_encode() for name in HEADER})
    assert len(same) < 100_000
    assert refused(tmp_path, same) == (413, "swells")
    monkeypatch.setattr(xlsx, "MOST", 10_000)
    assert refused(tmp_path, as_xlsx(GOOD * 10)) == (413, "too_large")

"""Is this a table, and how is it written? Every way in which it is none has its status, its code and its place."""

from __future__ import annotations

import io
import pickle
import sqlite3
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.intake import BadTable, Inspector, Layout, ReadOptions, check_columns
from protocol.intake.layout import Format
from protocol.kinds import NeededColumn

MIB = 1024 * 1024


def inspect(data: bytes, *, name: str = "table.csv", block: int = 64 * 1024, **options: Any) -> Layout:
    inspector = Inspector(ReadOptions(**options), name=name)
    for begin in range(0, len(data), block):
        inspector.feed(data[begin : begin + block])
    return inspector.finish()


def refused(data: bytes, **how: str) -> tuple[int, list[tuple[str, int | None]]]:
    """The status, and the code and line of each fault."""
    with pytest.raises(BadTable) as caught:
        inspect(data, **how)
    assert all(fault.detail.endswith(".") or "send that" in fault.detail for fault in caught.value.faults)
    return caught.value.status, [(fault.code, fault.line) for fault in caught.value.faults]


def findings(layout: Layout) -> dict[str, str]:
    return {finding.what: finding.value for finding in layout.findings}


def xlsx() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("xl/workbook.xml", "<x/>")
    return buffer.getvalue()


def sqlite(folder: Path) -> bytes:
    connection = sqlite3.connect(folder / "x.db")
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    return (folder / "x.db").read_bytes()


def test_a_plain_table_is_accepted_and_told_of() -> None:
    layout = inspect(b" region ,revenue\nNorth,1\n")
    assert (layout.header, layout.delimiter, layout.encoding) == (("region", "revenue"), ",", "utf-8")
    assert (layout.rows_begin, layout.first_line, layout.size) == (17, 2, 25)
    assert findings(layout) == {"encoding": "utf-8", "delimiter": ",", "header": "2 columns", "quotes": "none"}
    assert layout.findings[0].why == "the whole file is valid UTF-8"
    assert findings(inspect(b"region\nNorth\n"))["header"] == "1 column"


@pytest.mark.parametrize("size", [1, 5, 511, 10**6])
@pytest.mark.parametrize(
    ("data", "form"),
    [
        (xlsx(), Format.XLSX),
        (b"PAR1\x15\x04\x00" + bytes(600), Format.PARQUET),
        (b'\xef\xbb\xbf{"a": 1}\n', Format.JSONL),
        ('{"a": 1}\n'.encode("utf-16"), Format.JSONL),
        (b"{}\n", Format.JSONL),
        (b"{a},b\n1,2\n", Format.CSV),
        (b'["a"],[{b}]\n1,2\n', Format.CSV),
    ],
    ids=["xlsx", "parquet", "jsonl", "utf-16", "an empty object", "csv", "brackets"],
)
def test_other_formats_are_recognised_however_they_come_and_left_to_the_consumer(
    data: bytes, form: Format, size: int
) -> None:
    inspector = Inspector(ReadOptions(), name="table.csv")
    for start in range(0, len(data), size):
        inspector.feed(data[start : start + size])
    layout = inspector.finish()
    assert (layout.format, layout.size) == (form, len(data))
    assert ("format" in {finding.what for finding in layout.findings}) is (form is not Format.CSV)


def xlsx_with_more_before() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("docProps/app.xml", "x" * 600)
        archive.writestr("xl/workbook.xml", "<x/>")
    return buffer.getvalue()


@pytest.mark.parametrize("block", [7, 128, 600, 64 * 1024])
@pytest.mark.parametrize(
    ("data", "form"),
    [
        (xlsx_with_more_before(), Format.XLSX),
        (b"PAR1\x15\xff" + b"x" * 600 + b"\0", Format.PARQUET),
        (b"\n" * 600 + b'{"a": 1}\n', Format.JSONL),
        (b"{" + b" " * 600 + b'"a": 1}\n', Format.JSONL),
        (b"\n" * 64 * 1024 + b'{"a": 1}\n', Format.CSV),
        (b"PAR1,b\n1,2\n", Format.CSV),
    ],
    ids=["xlsx", "parquet", "blank lines", "a brace", "too many", "csv"],
)
def test_the_format_is_told_by_as_many_bytes_however_they_come(data: bytes, form: Format, block: int) -> None:
    assert inspect(data, block=block).format is form


@pytest.mark.parametrize("block", [1, 64 * 1024])
def test_another_kind_of_file_is_known_by_as_many_bytes_however_they_come(block: int) -> None:
    for data in (b" " * 600 + b"<!DOCTYPE html>", b"[" + b" " * 600 + b'{"a": 1}]', b"RIFF" + b"x" * 600 + b"\0"):
        with pytest.raises(BadTable, match="it seems to be"):
            inspect(data, block=block)


def test_json_lines_are_recognised_in_the_encoding_that_is_declared() -> None:
    objects = '{"ä": 1}\n'.encode("utf-16-le")
    assert inspect(objects, encoding="utf-16-le").format is Format.JSONL
    assert refused(objects) == (415, [("nul_byte", 1)])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"\x89PNG\r\n\x1a\n\0\0", "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"\x7fELF\x02\x01", "Linux program"),
        (b"MZ\x90\0\x03", "Windows program"),
        (b"PK\x03\x04" + bytes(30), "zip"),
        (b"PK\x03\x04" + bytes(26) + b"word/document.xml", "Office document"),
        (b"BZh91AY&SY..", "bzip2"),
        (b"\n<!DOCTYPE HTML><html>", "web page"),
        (b'[{"a": 1}, {"a": 2}]', "JSON array"),
        (b'\xef\xbb\xbf[\r\n  {\r\n    "a": 1', "JSON array"),
        ('[{"a": 1}]'.encode("utf-16"), "JSON array"),
        ("<html>".encode("utf-16"), "web page"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_it_seems_to_be(data: bytes, what: str) -> None:
    with pytest.raises(BadTable, match=what) as caught:
        inspect(data)
    assert (caught.value.status, caught.value.faults[0].code) == (415, "binary_content")


def test_an_sqlite_database_is_refused(tmp_path: Path) -> None:
    assert refused(sqlite(tmp_path)) == (415, [("binary_content", None)])


def test_the_first_block_of_another_kind_of_file_is_refused_at_once() -> None:
    with pytest.raises(BadTable):
        Inspector(ReadOptions(), name="x.csv").feed(b"%PDF-1.4")


@pytest.mark.parametrize("head", [b"MZone,b", b"PAR1,b", b"BZh,b", b"ORC,b", b"GIF8,b"])
def test_a_header_that_begins_like_a_binary_file_is_still_a_header(head: bytes) -> None:
    assert inspect(head + b"\n1,2\n").header == tuple(head.decode().split(","))


@pytest.mark.parametrize("name", ["a.exe", "b.PNG", "c.tar.gz", "d.xlsb", "e.pdf"])
def test_a_file_name_that_is_no_tables_is_refused(name: str) -> None:
    assert refused(b"a,b\n1,2\n", name=name) == (415, [("file_name", None)])


@pytest.mark.parametrize("name", ["a.csv", "b.txt", "c.tsv", "d", "e.report", "f.2026", ""])
def test_any_other_file_name_is_fine(name: str) -> None:
    assert inspect(b"a,b\n1,2\n", name=name).header == ("a", "b")


def test_a_nul_byte_is_refused_with_its_line() -> None:
    assert refused(b"a,b\n1,2\n3,\0\n") == (415, [("nul_byte", 3)])


def test_utf16_without_a_mark_is_refused_with_a_hint() -> None:
    with pytest.raises(BadTable, match="declare encoding=utf-16-le"):
        inspect("a,b\n1,2\n".encode("utf-16-le"))
    assert inspect("a,b\n1,ü\n".encode("utf-16-le"), encoding="utf-16-le").header == ("a", "b")
    with pytest.raises(BadTable, match=r"which no text does\.$"):
        inspect("a,b\n1,\0\n".encode("utf-16-le"), encoding="utf-16-le")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("block", [1, 100])
def test_an_encoding_that_needs_a_mark_is_refused_without_it(encoding: str, block: int) -> None:
    data = "a,b\n1,2\n".encode(f"{encoding}-le")
    with pytest.raises(BadTable, match=f"declare {encoding}-le or {encoding}-be"):
        inspect(data, encoding=encoding, block=block)
    assert refused(data, encoding=encoding) == (422, [("encoding", 1)])


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"\xff\xfe"])
def test_a_file_without_even_a_header_is_empty(data: bytes) -> None:
    assert refused(data) == (422, [("empty", None)])


@pytest.mark.parametrize("data", [b"a,b", b"a,b\n", b"a,b\r\n\r\n"])
def test_a_header_without_rows_is_a_table(data: bytes) -> None:
    assert inspect(data).header == ("a", "b")


def test_blank_lines_before_the_header_are_no_rows() -> None:
    layout = inspect(b"\n  \n\na,b\n1,2\n")
    assert (layout.header, layout.first_line, layout.rows_begin) == (("a", "b"), 5, 9)


BLANKS = ["\t", "\u00a0", " \t ", "\x0b\x0c", "\x1c\x85", "\u2003\u3000", "\u1680\u202f\u205f\u2028"]


@pytest.mark.parametrize("blank", BLANKS)
def test_lines_of_any_blanks_before_the_header_are_no_rows(blank: str) -> None:
    layout = inspect(f"{blank}\n{blank}\r\na,b\n1,2\n".encode())
    assert (layout.header, layout.delimiter, layout.first_line) == (("a", "b"), ",", 4)
    assert refused(f"{blank}\n{blank}".encode()) == (422, [("empty", None)])


@pytest.mark.parametrize("blank", BLANKS)
def test_lines_of_any_blanks_are_not_the_one_row_that_fits(blank: str) -> None:
    assert refused(f"a\n{blank}\n1,2\n".encode()) == (422, [("field_count", 3)])
    assert refused(f"a,b\n{blank}\n1,2,3\n{blank}".encode()) == (422, [("field_count", 3)])


def test_a_line_of_tabs_is_a_row_where_they_separate_cells() -> None:
    assert inspect(b"\t\n1\t2\n", delimiter="\t").header == ("column_1", "column_2")
    assert inspect(b"a\tb\n\t\n1\t2\t3\n").header == ("a", "b")
    assert inspect(b"\t\na\tb\n1\t2\n").header == ("a", "b")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_understood_and_no_part_of_the_header(encoding: str) -> None:
    layout = inspect("größe;b\n1;ü\n".encode(encoding), block=1)
    assert layout.header == ("größe", "b")
    assert layout.encoding == encoding.removesuffix("-sig")
    assert layout.size == len("größe;b\n1;ü\n".encode()) + 3 * (encoding == "utf-8-sig")


def test_a_byte_order_mark_wins_over_what_was_declared_and_that_is_told() -> None:
    layout = inspect("a,é\n".encode("utf-8-sig"), encoding="cp1252")
    assert layout.header == ("a", "é")
    assert "cp1252 does not count" in layout.findings[0].why


def test_a_byte_that_is_not_utf8_is_named_with_its_place_and_a_hint() -> None:
    with pytest.raises(BadTable) as caught:
        inspect(b"a,b\r\n1,2\r\n3,caf\xe9\r\n", block=3)
    (fault,) = caught.value.faults
    assert (caught.value.status, fault.code, fault.line) == (422, "encoding", 3)
    assert "0xE9 at offset 15 in line 3" in fault.detail
    assert "encoding=cp1252" in fault.detail


def test_a_header_that_breaks_off_at_a_byte_that_is_not_utf8_names_no_columns() -> None:
    for data, header in ((b"\n \ngr\xf6\xdfe,b\n1,2\n", None), (b"a,b\n1,caf\xe9\n", ("a", "b"))):
        with pytest.raises(BadTable) as caught:
            inspect(data)
        assert [fault.code for fault in caught.value.faults] == ["encoding"]
        assert (caught.value.layout and caught.value.layout.header) == header


@pytest.mark.parametrize("block", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_bad_bytes_offset_is_that_in_the_file(mark: bytes, block: int) -> None:
    data = mark + "a,b\nü,€".encode()
    for bad in (b"\xff,1\n", b"\xc3(\n", b"\xe2\x82"):
        with pytest.raises(BadTable, match=f"0x{bad[0]:02X} at offset {len(data)} in line 2"):
            inspect(data + bad, block=block)


def test_the_bad_byte_is_found_far_into_a_big_file() -> None:
    data = b"a,b\n" + b"1,2\n" * MIB
    assert refused(data + b"\x80,1\n") == (422, [("encoding", MIB + 2)])


def test_a_character_cut_off_at_the_end_is_not_utf8() -> None:
    assert refused("a,b\n1,ü".encode()[:-1]) == (422, [("encoding", 2)])


def test_a_declared_encoding_is_used() -> None:
    assert inspect("größe,b\n1,ü\n".encode("cp1252"), encoding="cp1252").header == ("größe", "b")
    assert refused(b"a\n\x81\n", encoding="cp1252") == (422, [("encoding", 2)])


@pytest.mark.parametrize(
    "encoding", ["nope", "base64", "rot13", "idna", "unicode_escape", "utf-7", "zip", "x\0y", "../x"]
)
def test_what_is_no_text_encoding_cannot_be_declared(encoding: str) -> None:
    assert refused(b"a,b\n", encoding=encoding) == (422, [("unknown_encoding", None)])


def test_an_unclosed_quote_is_told_with_the_line_where_it_was_opened() -> None:
    assert refused(b'a,b\n1,2\n"x\ny",3\n4,"5\n6,7\n') == (422, [("unclosed_quote", 5)])
    assert refused(b'a,"b\n1,2\n') == (422, [("unclosed_quote", 1)])


def test_a_quote_within_a_cell_opens_nothing() -> None:
    assert inspect(b'a,b\n5" pipe,2\n3,4\n').lines == 4


def test_an_unclosed_quote_in_a_big_file_is_found_before_its_end() -> None:
    inspector = Inspector(ReadOptions(), name="t.csv")
    blocks = (b"a,b\n", b'"x,1\n', *[b"1,2\n" * 100_000] * 10)
    with pytest.raises(BadTable) as caught:
        [inspector.feed(block) for block in blocks]
    assert [(fault.code, fault.line) for fault in caught.value.faults] == [("unclosed_quote", 2)]


@pytest.mark.parametrize("before", [0, 100_000, 300_000])
def test_a_cell_may_have_a_mebibyte_and_no_more(before: int) -> None:
    rows = b"a,b\n" + b"1,2\n" * (before // 4)
    assert inspect(rows + b"x" * MIB + b",1\n2,3\n").header == ("a", "b")
    assert inspect(rows + b'"' + b"x" * (MIB - 2) + b'",1\n2,3\n').header == ("a", "b")
    assert refused(rows + b"x" * (MIB + 1) + b",1\n2,3\n")[1] == [("cell_too_long", before // 4 + 2)]
    assert refused(rows + b'"' + b"x" * (MIB + 1) + b'",1\n2,3\n')[1] == [("unclosed_quote", before // 4 + 2)]


def test_header_limits() -> None:
    assert len(inspect(b",".join(b"c%d" % i for i in range(2000))).header) == 2000
    assert refused(b",".join(b"c%d" % i for i in range(2001)) + b"\n") == (422, [("too_many_columns", 1)])
    wide = b",".join(b"%0199d" % i for i in range(1311)) + b"\n"
    assert refused(wide + b"1\n" * 500_000) == (422, [("header_too_long", 1)])


def test_columns_without_a_name_are_called_after_their_places_however_many_there_are() -> None:
    layout = inspect(b"a,, ,c\n1,2,3,4\n")
    assert layout.header == ("a", "column_2", "column_3", "c")
    assert ("header", "column_2, column_3") in [(one.what, one.value) for one in layout.findings]
    assert refused(b"a,,column_2\n1,2,3\n") == (422, [("duplicate_column", 1)])


def test_all_duplicate_names_are_told_at_once() -> None:
    with pytest.raises(BadTable) as caught:
        inspect(b"a, b,a ,b,c\n1,2,3,4,5\n")
    assert [(fault.code, fault.column) for fault in caught.value.faults] == [
        ("duplicate_column", "a"),
        ("duplicate_column", "b"),
    ]


def test_20000_equal_names_are_refused_at_once() -> None:
    begun = time.process_time()
    assert refused(b",".join([b"name"] * 20_000) + b"\n") == (422, [("too_many_columns", 1)])
    assert time.process_time() - begun < 1


def test_a_column_without_a_name_is_called_after_its_place_and_that_is_told() -> None:
    layout = inspect(b"a, ,c\n1,2,3\n")
    assert layout.header == ("a", "column_2", "c")
    assert any("column_2" in finding.value for finding in layout.findings)


def test_every_row_longer_than_the_header_is_refused_with_the_first_rows_line() -> None:
    assert refused(b"a,b\n\n1,2,3\n4,5,6,7\n8,9,10") == (422, [("field_count", 3)])
    assert refused(b"a,b\n" + b'"x,y",2,3\n' * 200_000) == (422, [("field_count", 2)])


@pytest.mark.parametrize(
    ("cells", "told"), [(3, "3"), (9_999, "9999"), (10_000, "10000 or more"), (400_000, "10000 or more")]
)
def test_of_a_row_with_far_too_many_cells_only_so_many_are_counted(cells: int, told: str) -> None:
    with pytest.raises(BadTable) as caught:
        inspect(b"a,b\n" + b"," * (cells - 1) + b"\n")
    assert f"line 2 has {told}, the header 2." in caught.value.faults[0].detail


def test_a_row_too_long_to_be_held_is_left_to_the_reader() -> None:
    assert inspect(b"a,b\n" + b"," * 2_000_000 + b"\n").header == ("a", "b")


@pytest.mark.parametrize("row", [b"1,2", b"1", b'"1,2,3",4', b'"1\n,2,3,4",5'])
def test_one_row_that_fits_is_enough(row: bytes) -> None:
    assert inspect(b"a,b\n" + b"1,2,3\n" * 100_000 + row + b"\n" + b"1,2,3\n" * 100).header == ("a", "b")


def test_faults_of_the_header_come_before_those_of_the_rows() -> None:
    assert [code for code, _ in refused(b"a,a\n1,\xff\n")[1]] == ["duplicate_column", "encoding"]
    assert [code for code, _ in refused(b"a,a\n1,2,3\n")[1]] == ["duplicate_column", "field_count"]


def test_a_bad_table_knows_its_layout_so_that_missing_columns_can_be_told_too() -> None:
    with pytest.raises(BadTable) as caught:
        inspect(b"a,b\n1,\xff\n")
    assert caught.value.layout
    assert caught.value.layout.header == ("a", "b")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.status, copy.faults, copy.layout) == (422, caught.value.faults, caught.value.layout)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n", ";"),
        ("a\tb\n1 2\t3\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ("one\n1\n2\n", ","),
        ('"a,x";b\n"1,5";2\n', ";"),
        ("name;price, EUR\nx;1,5\ny;2,5\nz;3,5\n", ";"),
        ("id|note;more|c\n1|x|3\n2|y|4\n3|z|5\n", "|"),
    ],
)
def test_the_delimiter_is_found(text: str, delimiter: str) -> None:
    assert inspect(text.encode()).delimiter == delimiter


def test_a_declared_delimiter_is_used() -> None:
    assert inspect(b"a,b;c\n1,2;3\n", delimiter=";").header == ("a,b", "c")


def test_blanks_before_quotes_belong_to_the_quoting_only_where_all_such_cells_look_so() -> None:
    assert inspect(b'"a", "b"\n"x", "y, z"\n').blanks
    assert inspect(b'"a", "b"\n"x", "y, z"\n').header == ("a", "b")
    assert not inspect(b'a,b\nx, "y" z\nu, "v"\n').blanks
    assert not inspect(b"a, b\nx, y\n").blanks


@given(
    st.lists(st.sampled_from(["a", '"', ",", "\n", "\r", "é", " ", '""', ',"']), max_size=40),
    st.lists(st.integers(1, 9), min_size=1),
    st.integers(0, 3),
)
@settings(max_examples=200, deadline=None)
def test_the_verdict_does_not_depend_on_how_the_blocks_came(parts: list[str], sizes: list[int], padding: int) -> None:
    data = ("x,y\n" + "1,2\n" * padding * 70_000 + "".join(parts)).encode()
    assert _verdict(data, [len(data)]) == _verdict(data, [len(data) - 30, *sizes] if padding else sizes)


def _verdict(data: bytes, sizes: list[int]) -> object:
    inspector, at, turn = Inspector(ReadOptions(), name="x"), 0, 0
    try:
        while at < len(data):
            size = sizes[min(turn, len(sizes) - 1)]
            inspector.feed(data[at : at + size])
            at, turn = at + size, turn + 1
        return inspector.finish()
    except BadTable as exc:
        return exc.status, exc.faults


@pytest.mark.parametrize(
    "rows",
    [
        b"North,Widget,12.5\n",
        b'"North","Widget, ""x""",12.5\n',
        b'",",",",","\n',
        b'"a""b"5" x",1,2\n',
        b"1,2,3,4\n",
        '"ü",é,ß\n'.encode(),
        b"\n",
        b'"\n',
    ],
)
def test_a_block_costs_little_whatever_is_in_it(rows: bytes) -> None:
    inspector = Inspector(ReadOptions(), name="t.csv")
    inspector.feed(b"a,b,c\n")
    block = rows * (MIB // len(rows))
    begun = time.process_time()
    for _ in range(8):
        inspector.feed(block)
    assert time.process_time() - begun < 8 * 0.05


NAMES = {"names": ("real_name", "email"), "surplus": "ignore"}


@pytest.mark.parametrize(
    ("first", "header"),
    [
        (b"Ann,a@x.org", False),
        (b"Bob,", False),
        (b'"Doe, Jane",j@x.org,more', False),
        (b"name,mail", False),
        (b"real_name,email", True),
        (b" EMAIL , id,Real_Name", True),
        (b"id,email", True),
    ],
)
def test_where_a_kind_names_the_columns_the_first_row_is_a_header_only_if_it_has_one_of_them(
    *, first: bytes, header: bool
) -> None:
    layout = inspect(b"\n" + first + b"\r\nCyd,c@x.org\r\n", **NAMES)
    assert findings(layout)["header"] == (f"{first.count(b',') + 1} columns" if header else "none")
    assert (layout.rows_begin, layout.first_line) == ((len(first) + 3, 3) if header else (1, 2))
    assert header or layout.header == NAMES["names"]


def test_a_table_of_one_row_without_header_is_a_table() -> None:
    assert inspect(b"Dan,d@x.org,extra", **NAMES).header == ("real_name", "email")


def test_where_surplus_cells_are_ignored_every_row_may_have_some() -> None:
    assert inspect(b"real_name,email\nAnn,a@x.org,\nBob,b@x.org,\n", **NAMES).header == ("real_name", "email")


def test_the_needed_columns_that_are_missing_are_told_all_at_once() -> None:
    layout = inspect(b"Region,amount\nx,1\n")
    needed = [
        NeededColumn(name="region"),
        NeededColumn(name="value", param="value_column"),
        NeededColumn(name="amount"),
    ]
    faults = check_columns(layout, needed, {"value_column": "price"})
    assert [(fault.code, fault.column) for fault in faults] == [
        ("missing_column", "region"),
        ("missing_column", "price"),
    ]
    assert "did you mean 'Region'?" in faults[0].detail
    assert check_columns(layout, needed[2:], {}) == ()


def test_one_column_cannot_serve_twice() -> None:
    layout = inspect(b"a,b\n")
    needed = [NeededColumn(name="a"), NeededColumn(name="x", param="p")]
    assert [fault.code for fault in check_columns(layout, needed, {"p": "a"})] == ["column_used_twice"]


def test_bytes_that_are_no_text_at_all_are_no_table_however_they_begin() -> None:
    inspector = Inspector(ReadOptions(), name="table.csv")
    with pytest.raises(BadTable) as refused:
        inspector.feed(b"a,b\n\x9c\xff\x13\x00\x01\x02" * 50)
    assert refused.value.status == 415
    assert [fault.code for fault in refused.value.faults] == ["binary_content"]

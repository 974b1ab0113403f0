"""What is declared of a table counts for all that is made of it: header, quotes and columns; lines stay the file's."""

from __future__ import annotations

from pathlib import Path

from consumer.tables.formats import spell
from protocol.kept import How
from protocol.reading import Reading
from tests.consumer import milling
from tests.consumer.milling import Ran

SALES = b"North,A,100,10,0.1\nSouth,B,80,10,0\nEast,C,x,1,0\n"
NAMES = {"region": "column_1", "revenue": "column_3", "quantity": "column_4", "discount": "column_5"}


def run(folder: Path, data: bytes, kind: str, chunk_size: int = 1000, **reading: object) -> Ran:
    task = milling.submit(folder, data, name="job", kind=kind, chunk_size=chunk_size)
    return milling.run(milling.replace(task, reading=Reading.model_validate(reading)))


def test_a_table_without_a_header_is_used_by_the_places_of_its_columns(tmp_path: Path) -> None:
    ran = run(tmp_path, SALES, "sales", header=False, columns=NAMES)
    assert ran.finished.report.numbers["kept"] == 2
    header = "column_1,column_2,column_3,column_4,column_5,rejected_line,rejected_reason\n"
    assert ran.artefact("rejected.csv").decode() == header + "East,C,x,1,0,3,column_3: not_a_number\n"
    assert ran.artefact("summary.csv").startswith(b"region,")


def test_a_header_that_names_no_column_is_one_if_it_is_declared(tmp_path: Path) -> None:
    columns = {"real_name": "who", "email": "mail"}
    ran = run(tmp_path, b"who,mail\nAnn,a@x.org\n", "users", header=True, columns=columns)
    assert ran.finished.report.numbers["inserted"] == 1


def test_columns_are_mapped_and_artefacts_carry_the_files_own_names(tmp_path: Path) -> None:
    rows = "".join(f"Nord,{n},10,0\n" for n in (*range(100, 120), 5000))
    columns = {"region": "Gebiet", "revenue": "Umsatz", "quantity": "Menge", "discount": "Rabatt"}
    table = f"Gebiet,Umsatz,Menge,Rabatt\n{rows}Nord,x,1,1\nNord,1,0,1\n".encode()
    ran = run(tmp_path, table, "sales", columns=columns)
    assert ran.artefact("anomalies.csv").decode() == (
        "Gebiet,Umsatz,Menge,Rabatt,revenue_per_unit\nNord,5000,10,0,500\n"
    )
    reasons = [line.rpartition(b",")[2] for line in ran.artefact("rejected.csv").splitlines()[1:]]
    assert reasons == [b"Umsatz: not_a_number", b"Menge: zero_quantity"]
    after = milling.run(milling.amend(ran, b"Gebiet,Umsatz,Menge,Rabatt\nS,1,1,1\n", How.APPEND, name="more"))
    assert after.finished.report.numbers["kept"] == 22


def test_other_quotes_or_none_are_read_as_declared_with_the_same_lines_however_it_is_cut(tmp_path: Path) -> None:
    apostrophes = b"region;product;revenue;quantity;discount\nN;'a;\r\n\"b\"';1;1;1\r\n\r\nS;it''s;x;1;1\n'';'';1;1;1"
    for chunk_size in (1, 20, 10_000):
        rejected = run(tmp_path, apostrophes, "sales", chunk_size, quote="'").artefact("rejected.csv").decode()
        assert rejected.splitlines()[1:] == [
            "S,it''s,x,1,1,5,revenue: not_a_number",
            ",,1,1,1,6,region: missing",
        ]
    plain = b'region,product,revenue,quantity,discount\nN,"a,1,1,1\nS,5" pipe,x,1,1\n'
    ran = run(tmp_path, plain, "sales", quote="none")
    assert ran.finished.report.numbers["kept"] == 1
    assert ran.artefact("rejected.csv").splitlines()[1] == b'S,"5"" pipe",x,1,1,3,revenue: not_a_number'


def test_an_empty_cell_in_other_quotes_is_a_row_by_itself_as_in_the_usual_ones(tmp_path: Path) -> None:
    for quote in "\"'":
        written = f"x\n{quote}{quote}\n\n  \nb\n{quote} {quote}\n".encode()
        assert run(tmp_path, written, "profile", quote=quote).finished.report.numbers["rows"] == 3


def test_the_findings_are_about_the_file_as_it_was_sent(tmp_path: Path) -> None:
    ran = run(tmp_path, "x,y\n1,'ä'\n".encode("cp1252"), "profile", encoding="cp1252", quote="'")
    found = {one.what: (one.value, one.why, one.line) for one in ran.plan.findings}
    assert found["encoding"] == ("cp1252", "declared", 2)
    assert found["quotes"] == ("'", "declared", 2)
    assert found["header"][0] == "2 columns"


def test_rows_keep_their_lines_in_a_copy() -> None:
    rows = [(2, ["a", "b\r\nc"]), (6, ["x", 'y"']), (7, ["", ""])]
    assert b"".join(spell(rows)) == b'\na,"b\r\nc"\n\n\nx,"y"""\n,\n'
    assert b"".join(spell([(1, [" "]), (2, ["z"])])) == b'" "\nz\n'

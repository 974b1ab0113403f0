"""How a table is read may be declared, in one object for all kinds; POST /v1/preview shows what comes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocol.intake.preview import MOST
from tests.service.house import TABLE, House
from tests.service.test_refused_uploads import codes, form, nothing_left, refused

GERMAN = "Gebiet;Umsatz;Menge;Rabatt\nNord;100;10;0.1\nSüd;80;10;0.05\n".encode("cp1252")
COLUMNS = {"region": "Gebiet", "revenue": "Umsatz", "quantity": "Menge", "discount": "Rabatt"}


async def preview(house: House, data: Any, status: int = 200, **options: Any) -> dict[str, Any]:
    async with house.http.post("/v1/preview", data=data, **options) as answer:
        body = await answer.json(content_type=None)
    assert answer.status == status, body
    await nothing_left(house)
    return body


def found(preview: dict[str, Any]) -> dict[str, tuple[str, int | None]]:
    return {one["what"]: (one["value"], one["line"]) for one in preview["findings"]}


@pytest.mark.parametrize("last", [True, False], ids=["file last", "file first"])
async def test_a_declared_reading_is_the_jobs(house: House, last: bool) -> None:  # noqa: FBT001 - a parameter
    reading = {"encoding": "cp1252", "delimiter": ";", "header": True, "quote": "none", "columns": COLUMNS}
    data = form(file=GERMAN, last=last, reading=json.dumps(reading))
    async with house.http.post("/v1/jobs", data=data) as answer:
        job = await answer.json()
    assert answer.status == 202, job
    assert job["reading"] == reading
    assert (await house.consumer.next_job()).reading.columns == COLUMNS


async def test_the_charset_of_a_media_type_is_not_believed(house: House) -> None:
    headers = {"Content-Type": "text/csv; charset=ISO-8859-1"}
    told = await preview(house, "größe\nß\n".encode(), headers=headers)
    assert (told["columns"], told["rows"]) == (["größe"], [["ß"]])
    assert codes(await refused(house, GERMAN, 422, params={"kind": "profile"}, headers=headers)) == ["encoding"]


async def test_what_is_not_declared_is_null(house: House) -> None:
    job = await house.submit()
    assert job["reading"] == {"encoding": None, "delimiter": None, "header": None, "quote": None, "columns": {}}


async def test_every_fault_of_a_reading_is_told_at_once_with_its_place(house: House) -> None:
    reading = {"encoding": "klingon", "delimiter": "x", "header": "no", "quote": "*", "columns": {"a": 1}, "b/c": 1}
    problem = await refused(house, form(reading=json.dumps(reading)), 422)
    assert {fault["pointer"]: fault["code"] for fault in problem["errors"]} == {
        "/reading/b~1c": "unknown_reading",
        "/reading/delimiter": "bad_reading",
        "/reading/header": "bad_reading",
        "/reading/quote": "bad_reading",
        "/reading/columns": "bad_reading",
        "/reading/encoding": "unknown_encoding",
    }


@pytest.mark.parametrize("reading", ["[]", "{", '{"header": true, "header": true}', "1"])
async def test_a_reading_that_is_no_object_is_refused(house: House, reading: str) -> None:
    assert codes(await refused(house, form(reading=reading), 422)) == ["bad_reading"]


async def test_a_column_that_the_file_lacks_is_named_as_it_was_declared(house: House) -> None:
    data = form(reading='{"columns": {"revenue": "Umsatz"}}')
    [fault] = (await refused(house, data, 422))["errors"]
    assert (fault["code"], fault["column"]) == ("missing_column", "Umsatz")
    assert "'revenue'" in fault["detail"]


async def test_a_column_that_no_kind_needs_cannot_be_declared(house: House) -> None:
    data = form(reading='{"columns": {"turnover": "revenue"}}')
    [fault] = (await refused(house, data, 422))["errors"]
    assert (fault["code"], fault["pointer"]) == ("unknown_column", "/reading/columns/turnover")


async def test_two_needed_columns_cannot_be_the_same_one(house: House) -> None:
    data = form(reading='{"columns": {"revenue": "quantity"}}')
    assert codes(await refused(house, data, 422)) == ["column_used_twice"]


async def test_what_is_declared_twice_must_be_the_same(house: House) -> None:
    data = form(params='{"delimiter": ";"}', reading='{"delimiter": ","}')
    assert "declared_twice" in codes(await refused(house, data, 422))
    await house.submit(params='{"delimiter": ","}', reading='{"delimiter": ","}')


async def test_a_preview_tells_what_is_decided_and_why_and_the_first_rows(house: House) -> None:
    told = await preview(house, form(file=b'\nregion,product,revenue,quantity\nN,"A\nB",1,2\n\n\xc3\x96,C,3,4'))
    assert found(told) == {
        "encoding": ("utf-8", 6),
        "delimiter": (",", 2),
        "header": ("4 columns", 2),
        "quotes": ('"', 3),
    }
    assert all(one["why"] for one in told["findings"])
    assert told["columns"] == ["region", "product", "revenue", "quantity"]
    assert told["rows"] == [["N", "A\nB", "1", "2"], ["Ö", "C", "3", "4"]]
    assert told["lines"] == [3, 6]
    assert {need["name"]: need["column"] for need in told["needed"]} == {
        "region": "region",
        "revenue": "revenue",
        "quantity": "quantity",
        "discount": None,
    }
    assert [error["column"] for error in told["errors"]] == ["discount"]
    assert told["whole"] is True


async def test_a_preview_follows_what_is_declared(house: House) -> None:
    reading = {"encoding": "cp1252", "columns": COLUMNS}
    told = await preview(house, GERMAN, params={"kind": "sales", "reading": json.dumps(reading)})
    assert (told["errors"], told["rows"][1]) == ([], ["Süd", "80", "10", "0.05"])
    assert {need["name"]: need["column"] for need in told["needed"]} == COLUMNS
    told = await preview(house, b"1,'a,b',2\n", params={"reading": """{"header": false, "quote": "'"}"""})
    assert (told["columns"], told["rows"]) == (["column_1", "column_2", "column_3"], [["1", "a,b", "2"]])
    assert found(told)["quotes"] == ("'", 1)
    told = await preview(house, b'a,b\n"x",y\n', params={"reading": '{"quote": "none"}'})
    assert told["rows"] == [['"x"', "y"]]


async def test_the_rows_of_a_preview_are_those_of_the_job(house: House) -> None:
    table = "a\tb\n\t\n\u00a0\n  \n\u00a0\t\n".encode()  # two rows without a word, and two blank lines
    told = await preview(house, form(file=table))
    assert list(zip(told["lines"], told["rows"], strict=True)) == [(2, ["", ""]), (5, ["\u00a0", ""])]


async def test_the_beginning_of_a_longer_table_is_no_fault(house: House) -> None:
    table = TABLE + b'North,"a quoted, long cell",1,1,0\n' * 10_000
    told = await preview(house, form(file=table[:MOST]))
    assert (told["errors"], told["whole"], len(told["rows"])) == ([], False, 20)
    assert told["findings"][0]["why"] == "its beginning is valid UTF-8"
    assert (await preview(house, form(file=table[: MOST + 1]), 413))["type"] == "/problems/too_large"


@pytest.mark.parametrize(
    ("data", "code"), [(b"", "empty"), (b"%PDF-1.4", "binary_content"), (b'a,b\n"x,1\n', "unclosed_quote")]
)
async def test_what_a_job_would_be_refused_for_is_told_in_the_preview(house: House, data: bytes, code: str) -> None:
    assert code in [error["code"] for error in (await preview(house, form(kind="profile", file=data)))["errors"]]


async def test_a_preview_with_wrong_fields_or_none_is_refused(house: House) -> None:
    assert codes(await preview(house, form(kind="nope"), 422)) == ["unknown_kind"]
    assert (await preview(house, form(file=None), 400))["type"] == "/problems/no_file"


async def test_a_preview_of_json_lines_shows_the_keys_of_its_first_objects(house: House) -> None:
    objects = b'{"region": "N", " revenue": 1.50, "more": {"a": null}}\n\nno object\n{"quantity": true}'
    told = await preview(house, form(kind="sales", file=objects, filename="sales.jsonl"))
    assert told["columns"] == ["region", "revenue", "more", "quantity"]
    assert told["rows"] == [["N", "1.50", '{"a": null}', ""], ["no object"], ["", "", "", "true"]]
    assert (told["lines"], told["whole"], told["errors"]) == ([1, 3, 4], True, [])
    needed = {need["name"]: need["column"] for need in told["needed"]}
    assert needed == {"region": "region", "revenue": "revenue", "quantity": "quantity", "discount": None}


@pytest.mark.parametrize("first", [b'{"region": "N"}\n', b""])
async def test_the_object_that_a_preview_cuts_is_none_of_it(house: House, first: bytes) -> None:
    told = await preview(house, form(file=(first + b'{"cut": "' + b"x" * MOST)[:MOST], filename="cut.jsonl"))
    assert (told["columns"], told["rows"]) == ((["region"], [["N"]]) if first else ([], []))
    assert (told["errors"], told["whole"]) == ([], False)


async def test_a_preview_cuts_objects_of_another_encoding_where_a_line_ends(house: House) -> None:
    objects = ('{"region": "\u0a0a"}\n' * MOST).encode("utf-16")
    told = await preview(house, form(file=objects[:MOST], filename="objects.jsonl"))
    assert (told["columns"], told["rows"][0], told["errors"], told["whole"]) == (["region"], ["\u0a0a"], [], False)

"""Whatever is wrong with an upload: the right status, a sentence, and nothing left on disk."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from service.limits import Limits
from tests.service.house import DEADLINE, SALES, TABLE, House, keep, refused_unfinished

HEADER = b"region,product,revenue,quantity,discount\n"


def form(
    *, file: bytes | io.BytesIO | None = TABLE, name: str = "sales.csv", last: bool = False, **fields: Any
) -> aiohttp.FormData:
    data = aiohttp.FormData(quote_fields=False)
    if file is not None and not last:
        data.add_field("file", file, filename=name, content_type="text/csv")
    for field, value in ({"kind": "sales"} | fields).items():
        for one in value if isinstance(value, list) else [value]:
            data.add_field(field, one)
    if file is not None and last:
        data.add_field("file", file, filename=name, content_type="text/csv")
    return data


async def refused(house: House, data: Any, status: int, **options: Any) -> dict[str, Any]:
    async with house.http.post("/v1/jobs", data=data, **options) as answer:
        problem = await answer.json(content_type="application/problem+json")
    assert answer.status == problem["status"] == status, problem
    assert problem["type"].startswith("/problems/")
    assert problem["title"]
    assert problem["detail"].endswith((".", "errors."))
    await nothing_left(house)
    return problem


async def nothing_left(house: House) -> None:
    assert house.stored() == []
    assert await house.consumer.database.read("SELECT * FROM service_uploads") == []
    assert await house.consumer.database.read("SELECT * FROM service_jobs") == []


def codes(problem: dict[str, Any]) -> list[str]:
    return [fault["code"] for fault in problem["errors"]]


def zipped() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("sales.csv", TABLE)
    return data.getvalue()


async def test_a_form_without_a_file_says_so(house: House) -> None:
    problem = await refused(house, form(file=None), 400)
    assert problem["type"] == "/problems/no_file"


async def test_a_request_without_a_body_says_that_the_file_is_missing(house: House) -> None:
    assert (await refused(house, None, 400))["type"] == "/problems/no_file"


@pytest.mark.parametrize(
    ("table", "status", "code"),
    [
        (b"", 422, "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10, 415, "binary_content"),
        (zipped(), 415, "binary_content"),
        (HEADER + b"North,\x00,1,1,0.1\n", 415, "nul_byte"),
        (HEADER + "Süd,A,1,1,0.1\n".encode("latin-1"), 422, "encoding"),
        (HEADER + b'North,"A,1,1,0.1\n', 422, "unclosed_quote"),
        (b"region,region,revenue,quantity,discount\nN,A,1,1,0\n", 422, "duplicate_column"),
    ],
    ids=["empty", "image", "zip", "nul", "latin-1", "unclosed quote", "duplicate column"],
)
@pytest.mark.parametrize("last", [True, False], ids=["file last", "file first"])
async def test_what_is_no_good_table_is_refused_with_its_fault(
    house: House,
    table: bytes,
    status: int,
    code: str,
    last: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    problem = await refused(house, form(file=table, last=last), status)
    assert any(code in found for found in codes(problem)), problem


ROW = b"North,A,1,1,0.1\n"


@pytest.mark.parametrize("told", [True, False], ids=["as it comes", "afterwards"])  # what is known before the file
@pytest.mark.parametrize(
    ("rest", "line"),
    [
        (b"North,\x00,1,1,0.1\n", 100_002),
        (b"S\xfcd,A,1,1,0.1\n", 100_002),
        (b"a\nb\r\n" + b'North,"A,1,1,0.1\n', 100_004),
    ],
    ids=["nul", "encoding", "quote"],
)
async def test_a_fault_behind_many_rows_names_its_line(house: House, rest: bytes, line: int, told: bool) -> None:  # noqa: FBT001
    table = HEADER + ROW * 100_000 + rest + ROW * 100_000
    fields = {"kind": "sales", "params": "{}", "reading": "{}"}
    data = form(file=io.BytesIO(table), last=told, **(fields if told else {}))
    [fault] = (await refused(house, data, 415 if b"\0" in rest else 422))["errors"]
    assert fault["line"] == line


async def test_a_file_name_of_an_old_workbook_is_refused(house: House) -> None:
    await refused(house, form(name="book.xls"), 415)


async def test_utf_16_with_a_mark_and_declared_latin_1_are_accepted(house: House) -> None:
    text = "region,product,revenue,quantity,discount\nSüd,A,1,1,0.1\n"
    await house.submit(text.encode("utf-16"))
    await house.submit(text.encode("latin-1"), params='{"encoding": "latin-1"}')


async def test_all_missing_columns_are_named_at_once(house: House) -> None:
    problem = await refused(house, form(file=b"region,product\nN,A\n"), 422)
    assert [fault["column"] for fault in problem["errors"]] == ["revenue", "quantity", "discount"]


async def test_fields_come_before_the_header_and_the_header_before_the_rows(house: House) -> None:
    data = form(file=b'region,product,revenue,quantity\nN,"A\n', params='{"sigma": -1}', email="a@x.org, b@x.org")
    found = codes(await refused(house, data, 422))
    assert found[:3] == ["bad_param", "bad_email", "missing_column"]
    assert "unclosed_quote" in found[3]


async def test_an_unknown_kind_is_refused_with_the_kinds_there_are(house: House) -> None:
    problem = await refused(house, form(kind="nope"), 422)
    assert codes(problem) == ["unknown_kind"]
    assert "profile, sales" in problem["detail"]


async def test_every_wrong_param_is_named_at_once_with_a_pointer(house: House) -> None:
    data = form(params='{"sigma": "high", "delimiter": "x", "colour": 1, "a/b": 2}')
    problem = await refused(house, data, 422)
    pointers = {fault["pointer"]: fault["code"] for fault in problem["errors"]}
    assert pointers == {
        "/params/a~1b": "unknown_param",
        "/params/colour": "unknown_param",
        "/params/delimiter": "bad_param",
        "/params/sigma": "bad_param",
    }


@pytest.mark.parametrize(
    "params",
    [
        "[]",
        "{",
        '{"sigma": NaN}',
        '{"sigma": 1e999}',
        '{"sigma": 1, "sigma": 2}',
        "[" * 60_000,
        '{"encoding": "\\ud800"}',
    ],
    ids=["list", "broken", "nan", "infinite", "twice", "deep", "surrogate"],
)
async def test_params_that_are_no_proper_json_object_are_refused(house: House, params: str) -> None:
    assert codes(await refused(house, form(params=params), 422)) == ["bad_params"]


async def test_params_nested_deeper_than_a_job_can_be_read_again_are_refused(house: House) -> None:
    await house.consumer.announce(SALES, SALES.model_copy(update={"name": "any", "params": {"type": "object"}}))
    for depth in (100, 250, *range(950, 1000)):
        deep = "[" * depth + "]" * depth
        for kind in ("sales", "any"):
            data = form(kind=kind, params=f'{{"encoding": {deep}}}')
            assert codes(await refused(house, data, 422)) == ["bad_params"], depth
    params = '{"encoding":' + "[" * 99 + "1" + "]" * 99 + "}"
    job = await house.submit(kind="any", params=params)
    assert (await house.get(f"/v1/jobs/{job['id']}"))[1]["params"] == json.loads(params)


@pytest.mark.parametrize(
    "address", ["a@x.org, b@x.org", "a@x.org;b@x.org", "Ann <a@x.org>", "a@x.org\r\nBcc: b@x.org", "a", "@x.org", "a@"]
)
async def test_an_email_field_holds_exactly_one_address(house: House, address: str) -> None:
    assert codes(await refused(house, form(email=["ok@x.org", address]), 422)) == ["bad_email"]


async def test_more_than_twenty_addresses_are_refused(house: House) -> None:
    data = form(email=[f"a{number}@x.org" for number in range(21)])
    assert codes(await refused(house, data, 422)) == ["too_many_emails"]


async def test_an_unknown_field_and_one_that_is_there_twice_are_refused(house: House) -> None:
    data = form(colour="red", priority=["high", "low"])
    assert codes(await refused(house, data, 422)) == ["unknown_field", "field_twice"]


@pytest.mark.parametrize(
    ("name", "pointer"), [(b"a/b~c", "/a~1b~0c"), (b"caf\xe9", "/caf?"), ("caf\u00e9".encode(), "/caf\u00e9")]
)
async def test_the_pointer_to_an_unknown_field_is_one_whatever_its_name(
    house: House, name: bytes, pointer: str
) -> None:
    parts = (b'name="file"; filename="sales.csv"', TABLE), (b'name="' + name + b'"', b"1")
    body = b"".join(b"--b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % part for part in parts) + b"--b--\r\n"
    problem = await refused(house, body, 422, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert [(fault["code"], fault["pointer"]) for fault in problem["errors"]] == [("unknown_field", pointer)]


@pytest.mark.parametrize(
    ("query", "media_type", "told"),
    [
        ("kind=sales&name=x", "text/csv", ["unknown_field"]),
        ("kind=sales&name=x", "multipart/form-data; boundary=b", ["unknown_field"]),
        ("kind=none&priority=soon&name=x", "text/csv", ["unknown_kind", "bad_priority", "unknown_field"]),
        ("priority=soon&name=x", "multipart/form-data; boundary=b", ["unknown_field"]),  # more fields may come
        ("kind=sales&kind=users", "text/csv", ["field_twice"]),
    ],
)
async def test_a_field_in_the_address_that_there_is_not_is_refused_before_the_table_comes(
    house: House, query: str, media_type: str, told: list[str]
) -> None:
    head = f"POST /v1/jobs?{query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n"
    problem = await refused_unfinished(house, head)
    assert codes(problem) == told
    assert problem["errors"][-1]["pointer"] == ("/kind" if told == ["field_twice"] else "/name")
    await nothing_left(house)


async def test_who_waits_to_be_invited_is_not_where_a_field_in_the_address_is_wrong(house: House) -> None:
    answer, body_sent = await raw(
        house,
        b"POST /v1/jobs?kind=sales&name=x HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
        b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 422")
    assert not body_sent


async def test_an_unknown_priority_is_refused(house: House) -> None:
    assert codes(await refused(house, form(priority="urgent"), 422)) == ["bad_priority"]


@pytest.mark.parametrize("name", ["a%00b.csv", "a%0Ab.csv", "a%1Bb.csv", "a%E2%80%AEvsc.exe", "..", "%20/"])
async def test_a_file_name_with_control_characters_or_without_a_name_is_refused(house: House, name: str) -> None:
    url = f"{house.url}/v1/jobs?kind=sales&filename={name}"
    async with (
        aiohttp.ClientSession() as http,
        http.post(URL(url, encoded=True), data=TABLE, headers={"Content-Type": "text/csv"}) as answer,
    ):
        assert answer.status == 422
        assert codes(await answer.json(content_type=None)) == ["bad_filename"]
    await nothing_left(house)


async def test_a_path_in_the_file_name_is_cut_to_its_last_part(house: House) -> None:
    for name in ("../../etc/sales.csv", "C:\\data\\sales.csv", "/etc/sales.csv"):
        async with house.http.post("/v1/jobs", data=form(name=name)) as answer:
            assert (await answer.json())["source"]["name"] == "sales.csv"
    assert all(name.startswith("uploads/") for name in house.stored())


async def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_sent(tmp_path: Path) -> None:
    async with keep(tmp_path, max_upload=2**20) as house:
        answer, body_sent = await raw(
            house,
            b"POST /v1/jobs?kind=sales HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
            b"Expect: 100-continue\r\nContent-Length: 2147483649\r\n\r\n",
        )
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"/problems/too_large" in answer
        assert not body_sent
        await nothing_left(house)


async def raw(house: House, request: bytes) -> tuple[bytes, bool]:
    """The first answer to these bytes, and whether we were told to go on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    writer.write(request)
    async with asyncio.timeout(DEADLINE):
        head = await reader.readuntil(b"\r\n\r\n")
        invited = b" 100 " in head
        body = b"" if invited else await reader.read(10_000)
    writer.close()
    return head + body, invited


async def test_a_client_that_expects_an_invitation_gets_one(house: House) -> None:
    request = (
        b"POST /v1/jobs?kind=sales HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
        b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n"
    )
    assert (await raw(house, request))[1]


async def test_a_body_without_a_declared_length_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    async def endless() -> Any:
        yield HEADER
        while True:
            yield b"North,A,100,10,0.10\n" * 3000

    async with keep(tmp_path, max_upload=2**20) as house:
        problem = await refused(house, endless(), 413, params={"kind": "sales"}, headers={"Content-Type": "text/csv"})
        assert "1,048,576" in problem["detail"]


async def test_a_body_that_breaks_its_own_encoding_is_malformed(house: House) -> None:
    for headers, body in (
        (b"Transfer-Encoding: chunked", b"5\r\nhello\r\nnonsense\r\n\r\n"),
        (b"Content-Encoding: gzip\r\nContent-Length: 40", b"this is not what gzip writes, not at all!"),
    ):
        head = b"POST /v1/jobs?kind=sales HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n" + headers
        answer, _ = await raw(house, head + b"\r\n\r\n" + body)
        assert b" 400 " in answer.partition(b"\r\n")[0], answer
        assert b"/problems/malformed" in answer
        await nothing_left(house)


async def test_a_body_that_breaks_its_encoding_later_is_malformed_at_once(house: House) -> None:
    port = int(house.url.rpartition(":")[2])
    async with asyncio.timeout(Limits().read / 2):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /v1/jobs?kind=sales HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        )
        await asyncio.sleep(0.2)  # else both are read at once
        writer.write(b"nonsense\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert b" 400 " in answer.partition(b"\r\n")[0], answer
    assert b"/problems/malformed" in answer
    await nothing_left(house)


async def test_a_packed_body_is_unpacked_and_its_limit_counts_unpacked_bytes(tmp_path: Path) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/csv"}
    async with keep(tmp_path, max_upload=2**20) as house:
        bomb = gzip.compress(HEADER + b"North,A,100,10,0.10\n" * 1_000_000)
        await refused(house, bomb, 413, params={"kind": "sales"}, headers=headers)
        async with house.http.post("/v1/jobs?kind=sales", data=gzip.compress(TABLE), headers=headers) as answer:
            assert (await answer.json())["source"]["size"] == len(TABLE)


async def test_a_client_that_goes_away_leaves_nothing(house: House, caplog: pytest.LogCaptureFixture) -> None:
    _reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    writer.write(
        b"POST /v1/jobs?kind=sales HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: text/csv\r\nContent-Length: 90000000\r\n\r\n" + HEADER + b"North,A,100,10,0.10\n" * 2_000_000
    )
    await writer.drain()
    await until(house, lambda: house.stored() != [])
    writer.transport.abort()
    await until(house, lambda: house.stored() == [])
    await until_forgotten(house)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    await nothing_left(house)


async def until(house: House, true: Callable[[], bool]) -> None:
    """Ask until it is so: no event tells of files."""
    async with asyncio.timeout(DEADLINE):
        while not true():
            await house.get("/livez")


async def until_forgotten(house: House) -> None:
    async with asyncio.timeout(DEADLINE):
        while await house.consumer.database.read("SELECT * FROM service_uploads"):
            pass


async def test_a_client_that_stops_sending_is_timed_out(tmp_path: Path) -> None:
    async with keep(tmp_path, Limits(read=0.2)) as house:
        answer, _ = await raw(
            house,
            b"POST /v1/jobs?kind=sales HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
            b"Content-Length: 1000\r\n\r\n" + HEADER,
        )
        assert answer.startswith(b"HTTP/1.1 408")
        await nothing_left(house)


@pytest.mark.parametrize("cut", [10, 200, 330, -40, -5])
async def test_a_form_that_is_broken_off_is_refused(house: House, cut: int) -> None:
    body = (
        b'--xx\r\nContent-Disposition: form-data; name="kind"\r\n\r\nsales\r\n'
        b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        + TABLE * 3
        + b'\r\n--xx\r\nContent-Disposition: form-data; name="priority"\r\n\r\nhigh\r\n--xx--\r\n'
    )[:cut]
    await refused(house, body, 400, headers={"Content-Type": "multipart/form-data; boundary=xx"})


@pytest.mark.parametrize(
    "head",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=" + "x" * 100,
        "multipart/form-data; boundary=xx",
    ],
)
async def test_a_form_that_is_none_is_refused(house: House, head: str) -> None:
    await refused(house, b"no form at all", 400, headers={"Content-Type": head})


async def test_a_form_in_a_form_is_refused(house: House) -> None:
    body = b"--xx\r\nContent-Type: multipart/mixed; boundary=yy\r\n\r\n--yy\r\n\r\nx\r\n--yy--\r\n--xx--\r\n"
    await refused(house, body, 400, headers={"Content-Type": "multipart/form-data; boundary=xx"})


async def test_a_field_larger_than_a_field_may_be_is_refused(house: House) -> None:
    await refused(house, form(params="x" * 70_000), 400)


async def test_a_field_that_is_no_text_is_refused(house: House) -> None:
    body = b'--xx\r\nContent-Disposition: form-data; name="params"\r\n\r\n\xff\r\n--xx--\r\n'
    problem = await refused(house, body, 400, headers={"Content-Type": "multipart/form-data; boundary=xx"})
    assert "params" in problem["detail"]
    assert "UTF-8" in problem["detail"]


async def test_one_file_is_taken_at_a_time(house: House) -> None:
    data = form()
    data.add_field("file", TABLE, filename="other.csv", content_type="text/csv")
    assert "twice" in (await refused(house, data, 400))["detail"]


async def test_a_form_of_more_fields_than_there_may_be_is_refused(house: House) -> None:
    many = form(email=[f"a{number}@x.org" for number in range(Limits().fields)])
    assert f"{Limits().fields} fields" in (await refused(house, many, 400))["detail"]


async def test_json_is_no_table(house: House) -> None:
    assert (await refused(house, b"{}", 415, headers={"Content-Type": "application/json"}))["detail"]


async def test_too_little_space_is_told_before_the_upload(tmp_path: Path) -> None:
    async with keep(tmp_path, Limits(space_floor=2**60)) as house:
        assert (await refused(house, TABLE, 507))["type"] == "/problems/no_space"


async def test_before_any_consumer_is_known_jobs_are_turned_away_for_a_moment(tmp_path: Path) -> None:
    async with keep(tmp_path, kinds=False) as house, house.http.post("/v1/jobs", data=TABLE) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


async def test_an_upload_waits_for_its_turn_but_not_for_ever(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def slow() -> Any:
        yield TABLE
        await go_on.wait()

    async with keep(tmp_path, Limits(uploads=1, queue=0.3)) as house, asyncio.TaskGroup() as group:
        group.create_task(submit(house, slow(), 202))
        await until_uploading(house)
        await submit(house, TABLE, 503)
        waits = group.create_task(submit(house, TABLE, 202))
        go_on.set()
        await waits


async def until_uploading(house: House) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            async with house.http.get("/metrics") as answer:
                if "rowmill_uploads 1.0" in await answer.text():
                    return


async def submit(house: House, data: Any, status: int) -> None:
    async with house.http.post("/v1/jobs?kind=sales", data=data, headers={"Content-Type": "text/csv"}) as answer:
        assert answer.status == status, await answer.text()


async def test_reading_options_that_come_after_the_file_count(house: House) -> None:
    table = "region;product;revenue;quantity;discount\nSüd;A;1;1;0.1\n".encode("latin-1")
    data = form(file=table, params='{"encoding": "latin-1", "delimiter": ";"}')
    async with house.http.post("/v1/jobs", data=data) as answer:
        assert answer.status == 202, await answer.text()
    await refused_besides(house, form(file=TABLE, params='{"delimiter": ";"}'))


async def refused_besides(house: House, data: Any) -> None:
    """Refused, while one other job stays."""
    async with house.http.post("/v1/jobs", data=data) as answer:
        assert answer.status == 422
        assert "missing_column" in codes(await answer.json(content_type=None))
    assert len(house.stored()) == 1


async def test_what_a_killed_process_left_of_an_upload_goes_on_start(tmp_path: Path) -> None:
    async with keep(tmp_path) as house:
        job = await house.submit()
        dead = "0" * 32
        await house.consumer.files.put(f"uploads/{dead}", b"half")
        (tmp_path / "files" / "uploads" / "1#1").write_bytes(b"staged")
        insert = "INSERT INTO service_uploads VALUES (:id)"
        await house.consumer.database.write(lambda tx: tx.execute(insert, id=dead))
    async with keep(tmp_path) as house:
        assert house.stored() == [f"uploads/{job['id']}"]
        assert await house.consumer.database.read("SELECT * FROM service_uploads") == []

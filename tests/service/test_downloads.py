"""Artefacts: whole, in part, conditional, and made safe for a spreadsheet."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from protocol.job import Job
from service.jobs import spreadsheet
from tests.service.house import House, soon

DATA = bytes(range(256)) * 20


async def finished(house: House, name: str = "summary.csv", data: bytes = DATA, **more: Any) -> Job:
    await house.submit(filename=more.pop("filename", "sales.csv"))
    job = await house.consumer.start(await house.consumer.next_job())
    return await house.consumer.finish(job, artefacts=(await house.consumer.make(job, name, data, **more),))


def path(job: Job) -> str:
    return job.artefacts[0].url


async def test_an_artefact_comes_whole_with_a_name_that_says_what_it_is(house: House) -> None:
    job = await finished(house)
    async with house.http.get(path(job)) as answer:
        assert (answer.status, await answer.read()) == (200, DATA)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="sales-summary-{job.id}.csv"'
    assert answer.headers["ETag"] == f'"{job.artefacts[0].sha256}"'
    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.headers["Content-Length"] == str(len(DATA))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Accept-Ranges"] == "bytes"


async def test_a_name_that_is_not_ascii_is_there_twice(house: House) -> None:
    job = await finished(house, name="revenue.vl.json", filename='Umsätze "neu";.csv')
    async with house.http.get(path(job)) as answer:
        header = answer.headers["Content-Disposition"]
    assert header == (
        f'attachment; filename="Ums_tze _neu__-revenue-{job.id}.vl.json"; '
        f"filename*=UTF-8''Ums%C3%A4tze%20%22neu%22%3B-revenue-{job.id}.vl.json"
    )


async def test_asking_for_the_head_sends_no_body(house: House) -> None:
    job = await finished(house)
    async with house.http.head(path(job)) as answer:
        assert (answer.status, answer.headers["Content-Length"], await answer.read()) == (200, str(len(DATA)), b"")


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=5000-", 5000, 5120), ("bytes=-7", 5113, 5120),
     ("bytes=-9999", 0, 5120), ("bytes=5119-99999", 5119, 5120)],
)  # fmt: skip
async def test_one_range_is_sent_as_that_part(house: House, asked: str, start: int, stop: int) -> None:
    job = await finished(house)
    async with house.http.get(path(job), headers={"Range": asked}) as answer:
        assert await answer.read() == DATA[start:stop]
        assert answer.status == (206 if stop - start < len(DATA) else 200)
        if answer.status == 206:
            assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/5120"


@pytest.mark.parametrize("asked", ["bytes=5120-", "bytes=9999-99999", "bytes=-0"])
async def test_a_range_behind_the_end_is_refused_with_the_size(house: House, asked: str) -> None:
    job = await finished(house)
    status, problem, headers = await house.get(path(job), headers={"Range": asked})
    assert (status, headers["Content-Range"]) == (416, "bytes */5120")
    assert problem["type"] == "/problems/unsatisfiable_range"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=9-3", "lines=1-2", "bytes=-", "nonsense"])
async def test_what_is_no_single_range_gets_all_of_it(house: House, asked: str) -> None:
    job = await finished(house)
    async with house.http.get(path(job), headers={"Range": asked}) as answer:
        assert (answer.status, await answer.read()) == (200, DATA)


async def test_conditions_by_tag_hold(house: House) -> None:
    job = await finished(house)
    tag = f'"{job.artefacts[0].sha256}"'
    assert (await house.get(path(job), headers={"If-None-Match": f'"x", W/{tag}'}))[0] == 304
    for condition, status in ((tag, 206), ('"other"', 200), (f"W/{tag}", 200), ("Sat, 21 Nov 2026 03:00:00 GMT", 200)):
        async with house.http.get(path(job), headers={"Range": "bytes=0-9", "If-Range": condition}) as answer:
            assert answer.status == status, condition


@pytest.mark.parametrize("name", ["other.csv", "..%2Fsource", "summary.csv%2F..", "%2Fetc%2Fpasswd", "..."])
async def test_only_what_the_job_lists_exists(house: House, name: str) -> None:
    job = await finished(house)
    url = URL(f"{house.url}/v1/jobs/{job.id}/artefacts/{name}", encoded=True)
    async with house.http.get(url) as answer:
        assert answer.status == 404


async def test_a_file_that_is_gone_is_a_problem(house: House) -> None:
    job = await finished(house)
    await house.consumer.files.remove(job.result_prefix)
    assert (await house.get(path(job)))[1]["type"] == "/problems/no_such_artefact"


async def test_a_download_whose_file_is_removed_meanwhile_breaks_off(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    job = await finished(house, data=b"0123456789\n" * 6_000_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]), limit=4096)
    writer.write(f"GET {path(job)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    received = await soon(reader.readexactly(100_000))
    with caplog.at_level(logging.INFO):
        async with house.http.delete(f"/v1/jobs/{job.id}") as answer:
            assert answer.status == 204
        with contextlib.suppress(ConnectionResetError):
            while piece := await soon(reader.read(2**16)):
                received += piece
    writer.close()
    assert received.count(b"HTTP/1.1 ") == 1
    assert len(received) < job.artefacts[0].size
    assert [record.levelno for record in caplog.records if "cut off" in record.message] == [logging.INFO]
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_a_picture_may_not_run_anything(house: House) -> None:
    job = await finished(house, "revenue.svg", b"<svg/>", media_type="image/svg+xml")
    async with house.http.get(path(job)) as answer:
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


HOSTILE = (
    b'=name,plain,-5,+x\n=1+1,@SUM(A1),-5,"=HYPERLINK(""http://x"",""y"")"\n"\t=1",-x,+1.5e3,"-1,5"\n'
    b'"\r=1",a=b,"a\n=b",-\n'
)  # fmt: skip
SAFE = (
    b"'=name,plain,-5,'+x\n'=1+1,'@SUM(A1),-5,\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"\n\"'\t=1\",'-x,+1.5e3,\"-1,5\"\n"
    b"\"'\r=1\",a=b,\"a\n=b\",'-\n"
)  # fmt: skip


async def test_for_a_spreadsheet_formulas_become_text_and_numbers_stay(house: House) -> None:
    job = await finished(house, data=HOSTILE)
    async with house.http.get(path(job), params={"for": "spreadsheet"}) as answer:
        assert await answer.read() == SAFE
        assert answer.headers["ETag"] == f'"{job.artefacts[0].sha256}-spreadsheet"'
        assert "Content-Length" not in answer.headers


async def test_only_tables_are_made_for_spreadsheets(house: House) -> None:
    job = await finished(house, "revenue.svg", b"<svg/>", media_type="image/svg+xml")
    assert (await house.get(path(job) + "?for=spreadsheet"))[0] == 400
    assert (await house.get(path(job) + "?for=fun"))[0] == 400


SIGNS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
CELLS = st.text(st.sampled_from([*sorted(SIGNS), *",\"'a1.5 "]), max_size=8)


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=6), st.integers(1, 40))
def test_wherever_the_blocks_end_each_cell_is_itself_or_has_an_apostrophe(rows: list[list[str]], size: int) -> None:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    table = written.getvalue().encode()
    done, rest = b"", b""
    for start in range(0, len(table), size):
        piece, rest = spreadsheet.escape_cells(rest + table[start : start + size])
        done += piece
    assert rest == b""
    assert done == spreadsheet.escape_cells(table)[0]
    read = list(csv.reader(io.StringIO(done.decode(), newline="")))
    for was, now in zip(list(csv.reader(io.StringIO(table.decode(), newline=""))), read, strict=True):
        for cell, safe in zip(was, now, strict=True):
            risky = cell[:1] in SIGNS and not spreadsheet.NUMBER.fullmatch(cell.encode())
            assert safe == ("'" + cell if risky and cell else cell)

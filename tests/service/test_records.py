"""The records over HTTP and as a page: only tables that a kind declares, a page at a time, and never written."""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from protocol.adapters import BadConfig
from protocol.kinds import KindInfo
from protocol.records import Lot, RecordColumn, RecordTable, open_records
from service.jobs.reading import AT_ONCE, Reading
from tests.service.house import USERS, House, keep

ODD = RecordTable(name="odd", columns=(RecordColumn(name="x", type="number"), RecordColumn(name="note")))


def fill(house: House, table: RecordTable, rows: list[tuple[Any, ...]]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)]
    open_records(house.settings.records_url).load(table, Lot("job", 0, 1), [columns])


def people(count: int) -> list[tuple[str, str]]:
    return [(f"Name {n}", f"{n}@x.org") for n in range(count)]


def file_of(house: House) -> Path:
    return Path(house.settings.records_url.removeprefix("sqlite:///"))


async def walk(house: House, url: str) -> list[list[Any]]:
    pages = []
    while url:
        status, body, headers = await house.get(url)
        assert status == 200
        assert headers.get("Link") == (f'<{body["next"]}>; rel="next"' if body["next"] else None)
        pages.append(body["records"])
        url = body["next"]
    return pages


async def test_the_pages_go_through_the_whole_table_by_key(house: House) -> None:
    fill(house, USERS.table, people(7))
    pages = await walk(house, "/v1/records/users?limit=3")
    assert [len(page) for page in pages] == [3, 3, 1]
    rows = [row for page in pages for row in page]
    assert rows == [{"id": n + 1, "real_name": name, "email": email} for n, (name, email) in enumerate(people(7))]
    assert [len(page) for page in await walk(house, "/v1/records/users?limit=7")] == [7]
    assert (await house.get("/v1/records/users"))[1]["columns"] == ["id", "real_name", "email"]


async def test_a_table_into_which_nothing_was_loaded_is_empty_and_is_not_made(house: House) -> None:
    status, body, _ = await house.get("/v1/records/users")
    assert (status, body["records"], body["next"]) == (200, [], None)
    assert not file_of(house).exists()


@pytest.mark.parametrize("name", ["rowmill_ledger", "sqlite_master", "nobody", "USERS", "users;--", "..%2F"])
async def test_only_a_table_that_a_kind_declares_can_be_looked_at(house: House, name: str) -> None:
    fill(house, USERS.table, people(1))
    status, body, _ = await house.get(f"/v1/records/{name}")
    assert (status, body["type"]) == (404, "/problems/no_such_table")
    async with house.http.get(f"/records/{name}") as answer:
        assert (answer.status, answer.content_type) == (404, "text/html")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=-1", "cursor=", "offset=1"])
async def test_a_wrong_parameter_is_named(house: House, query: str) -> None:
    status, body, _ = await house.get(f"/v1/records/users?{query}")
    assert (status, body["type"]) == (400, "/problems/bad_parameter")
    assert query.partition("=")[0] in body["detail"]


async def test_what_json_cannot_say_is_null(house: House) -> None:
    await house.consumer.announce(USERS, KindInfo(name="odd", title="Odd", table=ODD))
    fill(house, ODD, [(math.inf, "a"), (0.1, None)])
    _, body, _ = await house.get("/v1/records/odd")
    assert body["records"] == [{"id": 1, "x": None, "note": "a"}, {"id": 2, "x": 0.1, "note": None}]


async def test_records_that_are_down_are_told_with_when_to_come_again_and_without_a_secret(tmp_path: Path) -> None:
    async with keep(tmp_path, records_url="postgresql://me:secret@127.0.0.1:1/records") as house:
        status, body, headers = await house.get("/v1/records/users")
        assert (status, body["type"], headers["Retry-After"]) == (503, "/problems/records_unavailable", "5")
        assert "secret" not in str(body)
        assert "127.0.0.1" not in str(body)
        async with house.http.get("/records/users") as answer:
            assert answer.status == 503
            assert "cannot be reached" in await answer.text()
        assert (await house.get("/livez"))[0] == 200


async def test_a_url_that_nobody_speaks_keeps_the_service_from_starting(tmp_path: Path) -> None:
    for url in ("mysql://root:secret@db/records", "records.db", "postgresql://host:port/x"):
        with pytest.raises(BadConfig, match="RECORDS_URL") as caught:
            async with keep(tmp_path, records_url=url):
                pass
        assert "secret" not in str(caught.value)


async def test_the_page_shows_the_rows_as_text_and_leads_on(house: House) -> None:
    fill(house, USERS.table, [("<b>Ann</b>", "0@x.org"), *people(120)[1:]])
    async with house.http.get("/records/users") as answer:
        page = await answer.text()
    assert "<b>Ann</b>" not in page
    assert "&lt;b&gt;Ann&lt;/b&gt;" in page
    assert "49@x.org" in page
    assert "50@x.org" not in page
    [following] = re.findall(r'href="(/records/users\?cursor=[0-9]+)"', page)
    async with house.http.get(following) as answer:
        page = await answer.text()
    assert "50@x.org" in page
    assert 'href="/records/users"' in page


async def test_keys_are_asked_for(tmp_path: Path) -> None:
    async with keep(tmp_path, api_keys="secret") as house:
        assert (await house.get("/v1/records/users"))[0] == 401


async def test_a_database_that_hangs_takes_a_few_threads_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go = [], asyncio.Event()

    async def hang(*_: Any) -> list[Any]:
        entered.append(1)
        await go.wait()
        return []

    monkeypatch.setattr(asyncio, "to_thread", hang)
    reading = Reading("sqlite:///x")
    asked = [asyncio.create_task(reading.page(ODD, 0, 1)) for _ in range(3 * AT_ONCE)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(entered) == AT_ONCE
    go.set()
    assert [page.following for page in await asyncio.gather(*asked)] == [None] * len(asked)
    assert len(entered) == len(asked)


async def test_a_table_without_header_is_accepted_where_the_kind_names_the_columns(house: House) -> None:
    """Whatever comes first in the form, the kind or the file."""
    table = b"Dan,d@x.org,extra\n"
    assert (await house.submit(table, kind="users"))["kind"] == "users"
    await house.submit(table, status=422)
    fields = {"file": table, "kind": "users"}
    for order in (("file", "kind"), ("kind", "file")):
        form = aiohttp.FormData()
        for name in order:
            form.add_field(name, fields[name], filename="u.csv" if name == "file" else None)
        async with house.http.post("/v1/jobs", data=form) as answer:
            assert answer.status == 202, await answer.text()


async def test_a_header_that_lacks_a_column_is_no_row(house: House) -> None:
    body = await house.submit(b"name,email\nAnn,a@x.org\n", kind="users", status=422)
    assert [(fault["code"], fault["column"]) for fault in body["errors"]] == [("missing_column", "real_name")]

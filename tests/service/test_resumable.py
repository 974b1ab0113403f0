"""The tus protocol at /v1/uploads, header by header; tests/system/test_uploads.py has real clients on it."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.limits import Limits
from service.submissions.submitting import Making
from service.tus import endpoints, parts
from tests.service.house import TABLE, House, keep
from tests.service.keyring import locked, make_key

VERSION = {"Tus-Resumable": "1.0.0"}
BYTES = {**VERSION, "Content-Type": "application/offset+octet-stream"}
DEADLINE = 60.0
Answer = tuple[int, Any, Any]


def told(**fields: str) -> str:
    return ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in fields.items())


async def call(house: House, method: str, path: str, headers: dict[str, str], data: Any = None) -> Answer:
    async with asyncio.timeout(DEADLINE), house.http.request(method, path, headers=headers, data=data) as answer:
        text = await answer.text()
        return answer.status, (await answer.json(content_type=None)) if text else None, answer.headers


async def begin(house: House, length: int, data: bytes | None = None, **more: str) -> Answer:
    fields = {"filename": "sales.csv", "kind": "sales"} | {key: value for key, value in more.items() if key.islower()}
    headers = {"Upload-Length": str(length), "Upload-Metadata": told(**fields)}
    headers |= BYTES if data is not None else VERSION
    return await call(house, "POST", "/v1/uploads", headers | {k: v for k, v in more.items() if not k.islower()}, data)


async def place(house: House, length: int = len(TABLE), **more: str) -> str:
    status, body, headers = await begin(house, length, **more)
    assert status == 201, body
    return str(headers["Location"])


async def send(house: House, path: str, offset: int, data: Any, **more: str) -> Answer:
    more = {name.replace("_", "-"): value for name, value in more.items()}
    return await call(house, "PATCH", path, BYTES | {"Upload-Offset": str(offset)} | more, data)


async def offset(house: House, path: str) -> int:
    status, _, headers = await call(house, "HEAD", path, VERSION)
    assert status == 200
    return int(headers["Upload-Offset"])


async def finish(house: House, path: str, at: int, data: bytes = TABLE) -> dict[str, Any]:
    """The job that is made of the rest."""
    status, body, headers = await send(house, path, at, data[at:])
    assert status == 204, body
    return (await house.get(headers["Rowmill-Job"]))[1]


def refuse_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a table that is looked at from its first byte is a failure."""

    async def read(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(Making, "store", read)


def code(answer: Answer) -> tuple[int, str]:
    return answer[0], str(answer[1]["type"]).removeprefix("/problems/")


async def test_a_table_in_pieces_becomes_the_same_job_as_in_one(house: House) -> None:
    path = await place(house, params='{"sigma": 3}', email="a@x.org,b@x.org", priority="high")
    assert (await send(house, path, 0, TABLE[:20]))[0] == 204
    assert await offset(house, path) == 20
    assert len(house.stored()) == 1
    made = await finish(house, path, 20)
    plain = await house.submit(params='{"sigma": 3}', priority="high")
    same = ("kind", "params", "source", "priority", "progress", "state", "version", "submitted_by")
    assert {key: made[key] for key in same} == {key: plain[key] for key in same}
    assert made["notify"]["email"] == ["a@x.org", "b@x.org"]
    assert (await house.consumer.next_job()).id == made["id"]
    assert len(house.stored()) == 2, "the pieces are gone"


async def test_a_compressed_table_in_pieces_is_unpacked_at_the_end(house: House) -> None:
    packed = gzip.compress(TABLE)
    path = await place(house, len(packed), filename="sales.csv.gz")
    for at in (0, 1, 30):
        assert await offset(house, path) == at
        assert (await send(house, path, at, packed[at : {0: 1, 1: 30}.get(at)]))[0] == 204
    source = (await house.get(f"/v1/jobs/{path.rpartition('/')[2]}"))[1]["source"]
    assert (source["size"], source["compression"]) == (len(TABLE), "gzip")
    assert source["sha256"] == hashlib.sha256(packed).hexdigest()


async def test_who_missed_the_last_answer_still_learns_of_the_job(house: House) -> None:
    path = await place(house)
    made = await finish(house, path, 0)
    status, state, headers = await house.get(path)
    assert (status, state["offset"], state["job"]) == (200, len(TABLE), made["id"])
    assert headers["Rowmill-Job"] == f"/v1/jobs/{made['id']}"
    status, _, headers = await call(house, "HEAD", path, VERSION)
    assert (status, headers["Upload-Offset"]) == (200, str(len(TABLE)))
    again = await send(house, path, len(TABLE), b"")
    assert (again[0], again[2]["Rowmill-Job"]) == (204, headers["Rowmill-Job"])
    assert code(await send(house, path, 0, TABLE))[0] == 409, "nothing is added to what is complete"


async def test_a_table_can_come_with_the_first_request(house: House) -> None:
    status, _, headers = await begin(house, len(TABLE), TABLE)
    assert (status, headers["Upload-Offset"]) == (201, str(len(TABLE)))
    assert (await house.get(headers["Rowmill-Job"]))[1]["source"]["sha256"] == hashlib.sha256(TABLE).hexdigest()
    status, _, headers = await begin(house, len(TABLE), TABLE[:30])
    assert (status, headers["Upload-Offset"]) == (201, "30")
    assert "Rowmill-Job" not in headers
    await finish(house, headers["Location"], 30)


async def test_what_came_before_the_link_broke_is_kept(house: House) -> None:
    path = await place(house)
    sent = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield TABLE[:40]
        sent.set()
        await asyncio.Event().wait()

    broken = asyncio.create_task(send(house, path, 0, half()))
    await asyncio.wait_for(sent.wait(), DEADLINE)
    broken.cancel()
    await asyncio.gather(broken, return_exceptions=True)
    at = await offset(house, path)
    assert at in {0, 40}, "all that had reached the service"
    await finish(house, path, at)


async def test_while_one_request_sends_another_is_refused_and_whoever_asks_where_to_go_on_ends_it(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    path = await place(house)
    invited = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        invited.set()
        yield TABLE[:40]
        await asyncio.Event().wait()

    headers = BYTES | {"Upload-Offset": "0"}
    first = asyncio.create_task(house.http.patch(path, headers=headers, data=stuck(), expect100=True).__aenter__())
    await asyncio.wait_for(invited.wait(), DEADLINE)
    assert code(await send(house, path, 0, TABLE)) == (423, "locked")
    at = await offset(house, path)
    await finish(house, path, at)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_an_upload_goes_on_after_the_service_was_started_anew(tmp_path: Path) -> None:
    async with keep(tmp_path) as house:
        path = await place(house)
        await send(house, path, 0, TABLE[:33])
    async with keep(tmp_path) as house:
        assert await offset(house, path) == 33
        made = await finish(house, path, 33)
        assert made["source"]["sha256"] == hashlib.sha256(TABLE).hexdigest()


async def test_each_part_counts_while_its_request_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setattr(parts, "PART", 1_000_000)
    table = TABLE + b"North,A,100,10,0.10\n" * 500_000
    path = await place(house, len(table))

    async def most() -> AsyncIterator[bytes]:
        yield table[: 9 * 2**20]
        await asyncio.Event().wait()

    async def counted() -> bool:
        return int((await house.get(path))[1]["offset"]) >= 5 * 2**20

    first = asyncio.create_task(send(house, path, 0, most()))
    await eventually(counted)
    assert not first.done()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    refuse_to_read(monkeypatch)
    made = await finish(house, path, await offset(house, path), table)
    assert made["source"] == made["source"] | {"size": len(table), "sha256": hashlib.sha256(table).hexdigest()}


async def test_what_came_in_good_order_is_not_read_again_at_the_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = TABLE + b"North,A,100,10,0.10\n" * 50_000
    path, ends = await place(house, len(table)), [100, 2**19, 2**19 + 1, len(table) - 1]
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        assert (await send(house, path, begin, table[begin:end]))[0] == 204
    refuse_to_read(monkeypatch)
    made = await finish(house, path, ends[-1], table)
    assert made["source"]["sha256"] == hashlib.sha256(table).hexdigest()


async def test_what_is_no_longer_there_is_said_and_the_upload_ended(house: House) -> None:
    path = await place(house)
    await send(house, path, 0, TABLE[:33])
    for name in house.stored():
        (house.folder / name).unlink()
    assert code(await send(house, path, 33, TABLE[33:])) == (404, "no_such_upload")
    assert (await call(house, "HEAD", path, VERSION))[0] == 404


async def test_a_part_with_a_wrong_checksum_is_dropped_and_a_right_one_kept(house: House) -> None:
    path = await place(house)
    for name in ("sha1", "sha256"):
        at = await offset(house, path)
        digest = b64encode(hashlib.new(name, TABLE[at : at + 30]).digest()).decode()
        wrong = await send(house, path, at, TABLE[at + 1 : at + 31], Upload_Checksum=f"{name} {digest}")
        assert code(wrong) == (460, "checksum_mismatch")
        assert await offset(house, path) == at
        right = await send(house, path, at, TABLE[at : at + 30], Upload_Checksum=f"{name} {digest}")
        assert (right[0], right[2]["Upload-Offset"]) == (204, str(at + 30))
    assert code(await send(house, path, 60, b"x", Upload_Checksum="md5 x"))[0] == 400
    made = await finish(house, path, 60)
    assert made["source"]["sha256"] == hashlib.sha256(TABLE).hexdigest(), "what was dropped is not in it"


async def test_an_upload_that_is_ended_is_gone_and_the_job_of_a_finished_one_stays(house: House) -> None:
    path = await place(house)
    await send(house, path, 0, TABLE[:20])
    assert (await call(house, "DELETE", path, VERSION))[0] == 204
    assert house.stored() == []
    assert (await call(house, "HEAD", path, VERSION))[0] == 404
    path = await place(house)
    made = await finish(house, path, 0)
    assert (await call(house, "DELETE", path, VERSION))[0] == 204
    assert (await house.get(f"/v1/jobs/{made['id']}"))[0] == 200


async def test_an_upload_whose_time_is_up_is_swept(tmp_path: Path, eventually: Any) -> None:
    async with keep(tmp_path, Limits(unfinished=3.0, prune=0.05)) as house:
        status, _, headers = await begin(house, len(TABLE), TABLE[:20])
        assert status == 201
        assert headers["Upload-Expires"].endswith(" GMT")
        await eventually(lambda: house.stored() == [])
        assert (await call(house, "HEAD", headers["Location"], VERSION))[0] == 404


@pytest.mark.parametrize(
    ("field", "value", "status", "word"),
    [
        ("kind", "nothing", 422, "invalid"),
        ("params", '{"sigma": -1}', 422, "invalid"),
        ("email", "no address", 422, "invalid"),
        ("filename", "a\r\nb.csv", 422, "invalid"),
        ("filename", "sales.xls", 415, "not_a_table"),
        ("stranger", "1", 422, "invalid"),
    ],
)
async def test_what_is_wrong_is_said_before_a_byte_is_sent_in_the_same_words(
    house: House, field: str, value: str, status: int, word: str
) -> None:
    refused = await begin(house, len(TABLE), **{field: value})
    assert code(refused) == (status, word)
    form = {"filename": "sales.csv", "kind": "sales", field: value}
    plain = (await house.submit(b"\0" if field == "filename" and status == 415 else TABLE, status, **form))["errors"]
    assert refused[1]["errors"][0] == plain[0]


async def test_a_table_that_is_none_is_refused_as_soon_as_it_shows_and_nothing_stays(house: House) -> None:
    sheet = b"PK\x03\x04" + bytes(1000)
    path = await place(house, 10**6)
    assert code(await send(house, path, 0, sheet)) == (415, "not_a_table")
    path = await place(house, 10**6)
    assert (await send(house, path, 0, TABLE))[0] == 204
    assert code(await send(house, path, len(TABLE), b"a\0b\n")) == (415, "not_a_table"), "seen over two requests"
    assert (await call(house, "HEAD", path, VERSION))[0] == 404
    assert house.stored() == []


async def test_nothing_is_taken_behind_what_is_no_table(house: House) -> None:
    table = bytearray(b"region,product,revenue,quantity,discount\n" + b"North,A,1,1,0.1\n" * 200_000)
    table[1_000_000] = 0
    path = await place(house, len(table))
    answered = asyncio.Event()

    async def most() -> AsyncIterator[bytes]:
        for start in range(0, 2 * 2**20, 2**18):
            yield bytes(table[start : start + 2**18])
        await answered.wait()

    assert code(await send(house, path, 0, most())) == (415, "not_a_table"), "before the rest comes"
    answered.set()
    assert (await call(house, "HEAD", path, VERSION))[0] == 404
    assert house.stored() == []


async def test_what_only_the_whole_shows_is_refused_at_the_end_in_the_same_words(house: House) -> None:
    table = b"region,product\nNorth,A\n"
    path = await place(house, len(table))
    await send(house, path, 0, table[:5])
    refused = await send(house, path, 5, table[5:])
    assert code(refused) == (422, "invalid")
    assert refused[1] == await house.submit(table, 422)
    assert (await call(house, "HEAD", path, VERSION))[0] == 404
    assert house.stored() == []
    assert code(await begin(house, 0)) == (422, "invalid")


async def test_what_is_too_large_or_finds_no_space_is_refused_at_once(tmp_path: Path) -> None:
    async with keep(tmp_path, max_upload=1000) as house:
        assert code(await begin(house, 1001)) == (413, "too_large")
    async with keep(tmp_path, disk_floor="1000TiB") as house:
        assert code(await begin(house, 1000)) == (507, "no_space")


async def test_an_upload_that_could_not_become_a_job_yet_goes_on_later(tmp_path: Path) -> None:
    async with locked(tmp_path, key_queue=1) as house:
        house.http.headers.update(await make_key(house, "ann"))
        path = await place(house)
        await house.submit()
        assert code(await send(house, path, 0, TABLE)) == (429, "queue_full")
        assert [name for name in house.stored() if name.startswith("uploads/")].__len__() == 1
        await house.consumer.start(await house.consumer.next_job())
        await finish(house, path, await offset(house, path))


async def test_somebody_elses_upload_is_none(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        ann, bob = await make_key(house, "ann"), await make_key(house, "bob")
        reader = await make_key(house, "eve", "read")
        headers = {**VERSION, "Upload-Length": "100", "Upload-Metadata": told(kind="sales")}
        status, _, made = await call(house, "POST", "/v1/uploads", headers | ann)
        assert status == 201
        path = made["Location"]
        for method in ("GET", "HEAD", "PATCH", "DELETE"):
            more = BYTES | {"Upload-Offset": "0"}
            assert (await call(house, method, path, more | bob))[0] == 404
            assert (await call(house, method, path, more | reader))[0] == 403
            refused = await call(house, method, path, more)
            assert (refused[0], refused[2]["Tus-Resumable"]) == (401, "1.0.0")
        assert (await call(house, "HEAD", path, VERSION | ann))[0] == 200
        assert (await call(house, "POST", "/v1/uploads", headers))[0] == 401


async def test_a_key_has_only_so_many_uploads_that_move(tmp_path: Path) -> None:
    async with locked(tmp_path, key_uploads=2) as house:
        ann, bob = await make_key(house, "ann"), await make_key(house, "bob")
        headers = {**VERSION, "Upload-Length": "100", "Upload-Metadata": told(kind="sales")}
        made = [await call(house, "POST", "/v1/uploads", headers | ann) for _ in range(3)]
        assert [answer[0] for answer in made] == [201, 201, 429]
        assert made[2][1]["type"] == "/problems/too_many_uploads"
        assert (await call(house, "POST", "/v1/uploads", headers | bob))[0] == 201
        await call(house, "DELETE", made[0][2]["Location"], VERSION | ann)
        assert (await call(house, "POST", "/v1/uploads", headers | ann))[0] == 201


async def test_there_are_only_so_many_unfinished_uploads(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "ROOM", 2)
    assert [(await begin(house, 100))[0] for _ in range(3)] == [201, 201, 503]


async def test_a_client_that_speaks_otherwise_is_told_how(house: House) -> None:
    path = await place(house)
    status, _, headers = await call(house, "OPTIONS", "/v1/uploads", {})
    assert (status, headers["Tus-Version"]) == (204, "1.0.0")
    assert set(headers["Tus-Extension"].split(",")) >= {"creation", "termination", "expiration", "checksum"}
    for method, where in (("POST", "/v1/uploads"), ("HEAD", path), ("PATCH", path), ("DELETE", path)):
        status, _, headers = await call(house, method, where, {"Tus-Resumable": "0.2.2"})
        assert (status, headers["Tus-Version"], headers["Tus-Resumable"]) == (412, "1.0.0", "1.0.0")
    assert code(await send(house, path, 5, b"x")) == (409, "wrong_offset")
    assert code(await send(house, path, 0, b"x", Content_Type="text/csv")) == (415, "wrong_media_type")
    assert code(await send(house, path, 0, b"x", Upload_Offset="-1")) == (400, "bad_parameter")
    assert code(await send(house, path, 0, TABLE + b"x")) == (400, "malformed")
    assert await offset(house, path) == 0
    for metadata in ("filename", "filename x!", "kind /w==", "k\u00fc eA==", "a b c"):
        status, problem, _ = await call(
            house, "POST", "/v1/uploads", VERSION | {"Upload-Length": "5", "Upload-Metadata": metadata}
        )
        assert status in {400, 201}, (metadata, problem)


async def test_more_bytes_than_were_announced_are_not_taken(house: House) -> None:
    path = await place(house)

    async def chunked() -> AsyncIterator[bytes]:
        yield TABLE
        yield b"x"

    assert code(await send(house, path, 0, chunked())) == (400, "malformed")


async def test_what_was_too_much_is_not_in_the_hash_of_what_counts(house: House) -> None:
    table = TABLE + b"North,A,100,10,0.10\n" * 200_000  # comes in more than one block
    path = await place(house, len(table))

    async def more() -> AsyncIterator[bytes]:
        for start in range(0, len(table), 2**18):
            yield table[start : start + 2**18]
        yield b"South,B,1,1,0\n"

    assert code(await send(house, path, 0, more())) == (400, "malformed")
    at = await offset(house, path)
    assert 0 < at < len(table)
    ends = [at + (len(table) - at) // 2, len(table) - 1]
    for begin, end in zip([at, ends[0]], ends, strict=True):
        assert (await send(house, path, begin, table[begin:end]))[0] == 204
    made = await finish(house, path, ends[-1], table)
    assert made["source"]["sha256"] == hashlib.sha256(table).hexdigest()


async def test_a_request_that_a_browser_repeats_by_itself_is_only_at_the_wrong_place(house: House) -> None:
    path = await place(house)
    assert (await send(house, path, 0, TABLE[:20]))[0] == 204
    assert code(await send(house, path, 0, TABLE)) == (409, "wrong_offset")
    assert (await finish(house, path, 20))["source"]["size"] == len(TABLE)


async def test_where_no_patch_comes_through_a_post_does(house: House) -> None:
    path = await place(house)
    headers = BYTES | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert (await call(house, "POST", path, headers, TABLE))[0] == 204
    assert (await call(house, "POST", path, VERSION | {"X-HTTP-Method-Override": "DELETE"}))[0] == 204
    assert (await call(house, "POST", path, VERSION))[0] == 400


async def test_a_key_that_is_sent_along_unasked_is_no_field(house: House) -> None:
    status, body, headers = await begin(
        house, len(TABLE), TABLE, name="other.csv", filetype="text/csv", type="text/csv"
    )
    assert status == 201, body
    assert (await house.get(headers["Rowmill-Job"]))[1]["source"]["name"] == "sales.csv"


def test_a_finished_upload_stands_at_its_end() -> None:
    parcel = endpoints.Parcel("0" * 32, None, 10, 3, {}, "", 0.0)
    assert (parcel.offset, replace(parcel, done=True).offset) == (3, 10)


async def test_a_page_of_another_site_cannot_send(house: House) -> None:
    headers = VERSION | {"Upload-Length": "5", "Origin": "http://evil.example"}
    assert code(await call(house, "POST", "/v1/uploads", headers)) == (403, "foreign_origin")


async def test_a_bomb_in_pieces_is_refused_and_the_disk_is_as_it_was(house: House) -> None:
    bomb = gzip.compress(TABLE + b"North,A,1,1,1\n" * 5_000_000)
    path = await place(house, len(bomb), filename="sales.csv.gz")
    await send(house, path, 0, bomb[:1000])
    refused = await send(house, path, 1000, bomb[1000:])
    assert (code(refused), refused[1]["errors"][0]["code"]) == ((413, "too_large"), "swells")
    assert house.stored() == []


async def test_metadata_larger_than_anybody_needs_is_refused(house: House) -> None:
    assert (await begin(house, 100, params="x" * 4000))[0] == 422
    for size in (7_000, 60_000):
        headers = VERSION | {"Upload-Length": "100", "Upload-Metadata": told(params="x" * size)}
        assert (await call(house, "POST", "/v1/uploads", headers))[0] == 400

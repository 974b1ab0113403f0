"""Tables may come compressed: they are stored as they are, and a bomb leaves the disk as it was."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path

import pytest

from protocol.intake.preview import MOST
from protocol.intake.unpacking import zstd
from service.submissions.codings import KNOWN
from tests.service.house import TABLE, House, keep
from tests.service.test_readings import preview
from tests.service.test_refused_uploads import HEADER, codes, form, nothing_left, refused

PACK = {"gzip": gzip.compress, "zstd": zstd.compress}
PACK_BODY = {**PACK, "deflate": zlib.compress}


@pytest.mark.parametrize("how", PACK)
async def test_a_compressed_table_is_stored_as_it_is(house: House, how: str) -> None:
    packed = PACK[how](TABLE)
    for data in (form(file=packed, name=f"sales.csv.{how}"), form(file=packed, last=True, params="{}", reading="")):
        async with house.http.post("/v1/jobs", data=data) as answer:
            job = await answer.json()
        assert answer.status == 202, job
        source = job["source"]
        assert (source["size"], source["received"], source["compression"]) == (len(TABLE), len(packed), how)
        assert source["sha256"] == hashlib.sha256(packed).hexdigest()
        assert (house.folder / "uploads" / job["id"]).read_bytes() == TABLE


@pytest.mark.parametrize("name", ["sales.csv.gz", "sales.csv.zst", "sales.gz"])
async def test_names_of_compressed_tables_are_fine(house: House, name: str) -> None:
    await house.submit(gzip.compress(TABLE), filename=name)
    await house.submit(filename=name)  # whatever it is, it is a table


@pytest.mark.parametrize("last", [True, False], ids=["file last", "file first"])
@pytest.mark.parametrize("how", PACK)
async def test_a_bomb_is_refused_and_the_disk_is_as_it_was(house: House, how: str, last: bool) -> None:  # noqa: FBT001
    bomb = PACK[how](b"region,product,revenue,quantity,discount\n" + b"North,A,1,1,1\n" * 20_000_000)
    fields = {"params": "{}", "reading": ""} if last else {}
    assert codes(await refused(house, form(file=bomb, last=last, **fields), 413)) == ["swells"]


@pytest.mark.parametrize("how", PACK)
async def test_the_largest_table_counts_unpacked(tmp_path: Path, how: str) -> None:
    table = TABLE + b"North,A,100,10,0.10\n" * 100
    async with keep(tmp_path, max_upload=len(table)) as house:
        await house.submit(PACK[how](table))
    async with keep(tmp_path / "less", max_upload=len(table) - 1) as house:
        problem = await house.submit(PACK[how](table), 413)
        assert problem["type"] == "/problems/too_large"
        await nothing_left(house)


async def test_a_cut_off_or_twice_compressed_table_is_refused(house: House) -> None:
    assert codes(await refused(house, form(file=gzip.compress(TABLE)[:-1]), 422)) == ["cut_off"]
    assert codes(await refused(house, form(file=gzip.compress(gzip.compress(TABLE))), 415)) == ["binary_content"]


async def test_a_zip_is_no_compressed_table(house: House) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.csv", bytes(10**7))
    assert codes(await refused(house, form(file=data.getvalue(), name="x.csv"), 415)) == ["binary_content"]
    assert codes(await refused(house, form(file=data.getvalue(), name="x.zip"), 415)) == ["file_name"]


async def test_appended_rows_may_be_compressed_too(house: House) -> None:
    from tests.service.test_amendments import parent, send  # noqa: PLC0415 - its fixtures are not wanted here

    before = await parent(house)
    status, job = await send(house, before, "additions", gzip.compress(TABLE))
    assert (status, job["source"]["compression"]) == (202, "gzip")


async def test_the_beginning_of_a_compressed_table_can_be_previewed(house: House) -> None:
    rows = "".join(f"North,{number},{number * 7919 % 10007},1,0.1\n" for number in range(100_000))
    packed = gzip.compress(b"region,product,revenue,quantity,discount\n" + rows.encode())
    assert len(packed) > MOST
    told = await preview(house, packed[:MOST], params={"kind": "sales", "reading": json.dumps({"header": True})})
    assert (told["errors"], told["whole"], told["rows"][0]) == ([], False, ["North", "0", "0", "1", "0.1"])


@pytest.mark.parametrize("coding", KNOWN)
async def test_a_body_may_be_encoded_in_each_way_that_is_named(house: House, coding: str) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": "text/csv"}
    async with house.http.post("/v1/jobs?kind=sales", data=PACK_BODY[coding](TABLE), headers=headers) as answer:
        assert (await answer.json())["source"]["size"] == len(TABLE)


@pytest.mark.parametrize("coding", KNOWN)
async def test_half_an_encoded_body_is_none(house: House, coding: str) -> None:
    """Not half a table: its last rows would be missing, and nobody would know."""
    table = TABLE + b"".join(b"North,A,%d,1,0.1\n" % (number * 7919 % 10007) for number in range(50_000))
    packed = PACK_BODY[coding](table)
    headers = {"Content-Encoding": coding, "Content-Type": "text/csv"}
    problem = await refused(house, packed[: len(packed) // 2], 400, params={"kind": "sales"}, headers=headers)
    assert problem["type"] == "/problems/malformed"
    assert "its end is missing" in problem["detail"]
    await nothing_left(house)


async def test_a_body_may_be_deflated_without_the_head_that_belongs_to_it(house: House) -> None:
    headers = {"Content-Encoding": "Deflate", "Content-Type": "text/csv"}
    bare = zlib.compress(TABLE, wbits=-15)
    async with house.http.post("/v1/jobs?kind=sales", data=bare, headers=headers) as answer:
        assert (await answer.json())["source"]["size"] == len(TABLE)


async def test_an_encoded_body_that_swells_is_refused_early(house: House) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/csv"}
    bomb = gzip.compress(HEADER + b"North,A,100,10,0.10\n" * 10_000_000)
    problem = await refused(house, bomb, 413, params={"kind": "sales"}, headers=headers)
    assert "more than 200 times its size" in problem["detail"]
    await nothing_left(house)


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "nonsense"])
async def test_a_body_in_another_encoding_is_refused_with_those_that_are_known(house: House, coding: str) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": "text/csv"}
    problem = await refused(house, TABLE, 415, params={"kind": "sales"}, headers=headers)
    assert problem["type"] == "/problems/unknown_coding"
    assert "gzip, deflate, zstd" in problem["detail"]

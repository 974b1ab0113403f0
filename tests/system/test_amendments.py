"""Repairs and additions from end to end: a new job, whose result is that of the whole table."""

from __future__ import annotations

from typing import Any

HEADER = b"region,product,revenue,quantity,discount\n"
KEPT = b"North,A,100,10,0.10\nNorth,B,120,10,0.00\nSouth,A,80,10,0.05\nSouth,B,110,10,0.05\nEast,A,90,10,0.20\n"
WRONG = b"West,A,50,0,0.10\nWest,B,,5,0.10\nWest,C,abc,5,0.10\n"
RIGHT = b"West,A,50,1,0.10\nWest,B,60,5,0.10\nWest,C,abc,5,0.10\n"
MORE = b"East,B,1000,10,0.10\nWest,D,70,x,0.15\n"
REPAIRED = b"rejected_line," + HEADER + b"7,West,A,50,1,0.10\n8,West,B,60,5,0.10\n"


async def amend(rowmill: Any, job: dict[str, Any], how: str, data: bytes, status: int = 202) -> dict[str, Any]:
    """The answer as soon as the new job is done, if there is one."""
    async with rowmill.session.post(f"{rowmill.url}/v1/jobs/{job['id']}/{how}", data=data) as answer:
        found: dict[str, Any] = await answer.json(content_type=None)
        assert answer.status == status, found
    return found if status != 202 else await succeeded(rowmill, found)


async def run(rowmill: Any, data: bytes, kind: str, **params: Any) -> dict[str, Any]:
    return await succeeded(rowmill, await rowmill.submit(data, kind=kind, params=params, name="table.csv"))


async def succeeded(rowmill: Any, job: dict[str, Any]) -> dict[str, Any]:
    job = await rowmill.finished(job["id"])
    assert job["state"] == "succeeded", job
    return job


async def result(rowmill: Any, job: dict[str, Any]) -> tuple[Any, dict[str, bytes]]:
    tables = [one["name"] for one in job["artefacts"] if one["name"].endswith(".csv")]
    return job["report"], {name: await rowmill.artefact(job["id"], name) for name in tables}


async def test_a_repaired_and_appended_table_comes_out_as_if_it_had_been_so_at_first(start):
    rowmill = await start(CHUNK_SIZE="60")
    first = await run(rowmill, HEADER + KEPT + WRONG, "sales", sigma=1.5)
    appended = await amend(rowmill, first, "additions", HEADER + MORE)
    async with rowmill.session.delete(f"{rowmill.url}/v1/jobs/{first['id']}") as answer:
        assert answer.status == 204
    repaired = await amend(rowmill, appended, "repairs", REPAIRED)
    whole = await run(rowmill, HEADER + KEPT + RIGHT + MORE, "sales", sigma=1.5)
    assert await result(rowmill, repaired) == await result(rowmill, whole)
    assert repaired["progress"]["rows_rejected"] == 2
    assert repaired["based_on"]["job"] == appended["id"]


async def test_repaired_and_appended_rows_are_loaded_and_counted_with_those_before(start):
    rowmill = await start(CHUNK_SIZE="30")
    first = await run(rowmill, b"Ann,a@x.org\nBob,\nCyd,a@x.org\nDan,d@x.org\nEve,@\n", "users")
    assert counted(first) == (2, 1, 2)
    repaired = await amend(rowmill, first, "repairs", b"email,real_name,rejected_line\nB@x.org,Bob,2\n@,Eve,5\n")
    assert counted(repaired) == (3, 1, 1)
    appended = await amend(rowmill, repaired, "additions", b"Fay,f@x.org\nGus,b@x.org\nHal,\n")
    assert counted(appended) == (4, 2, 2)
    told = [one["value"] for one in appended["findings"] if one["what"] == "appended"]
    assert told == ["3 lines"]
    assert await rowmill.artefact(appended["id"], "rejected.csv") == (
        b"real_name,email,rejected_line,rejected_reason\nEve,@,5,email: not_an_address\nHal,,8,email: missing\n"
    )
    assert appended["report"]["account"] == {"read": 8, "used": 4, "rejected": 2, "skipped": 2}


def counted(job: dict[str, Any]) -> tuple[int, ...]:
    return tuple(job["report"]["numbers"][name] for name in ("inserted", "skipped", "rejected"))

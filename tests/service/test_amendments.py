"""Repairs and additions at the door: who may go on from whose result, and what is wrong with the file that was sent."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from protocol import kept
from protocol.job import Job, Progress, State
from protocol.messages import ForgetJob
from tests.service.house import PROFILE, SALES, TABLE, House, refused_unfinished

HEADER = ("region", "product", "revenue", "quantity", "discount")
COLUMNS = ",".join(HEADER).encode()
REJECTED = COLUMNS + b',rejected_line,rejected_reason\nWest,"a,\nb",abc,5,0.1,4,revenue: not_a_number\n'
REJECTED += b"West,C,1,,0.1,7,quantity: missing\nWest,D,1,x,0.1,12,quantity: not_a_number\n"
FIXED = COLUMNS + b",rejected_line\nWest,C,1,2,0.1,7\n"


async def parent(house: House, rejected: int = 3, *, keep: bool = True, **changes: Any) -> Job:
    """A succeeded job with rejected rows, and what a consumer leaves of it."""
    await house.submit(params=changes.pop("params", "{}"))
    job = await house.consumer.next_job()
    made = await house.consumer.make(job, "rejected.csv", REJECTED)
    head = kept.Head(kind="sales", build="b1", header=HEADER, files=(job.source_key,)).model_copy(update=changes)
    if keep:
        await house.consumer.files.put(kept.key(job.result_prefix), b"".join(kept.write(head, b"the rest")))
    progress = Progress(rows_done=9, rows_rejected=rejected)
    return await house.consumer.finish(job, artefacts=(made,), progress=progress)


async def send(house: House, job: Job, what: str, data: Any, **options: Any) -> tuple[int, dict[str, Any]]:
    async with house.http.post(f"/v1/jobs/{job.id}/{what}", data=data, **options) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_repair_is_a_new_job_with_copies_of_all_that_it_goes_on_from(house: House) -> None:
    before = await parent(house, params='{"sigma": 1.5}')
    status, job = await send(house, before, "repairs", FIXED, params={"filename": "fixed.csv", "email": "a@x.org"})
    assert (status, job["kind"], job["params"], job["state"]) == (202, "sales", {"sigma": 1.5}, "queued")
    assert (job["source"]["name"], job["notify"]["email"]) == ("fixed.csv", ["a@x.org"])
    based_on = {"job": before.id, "how": "repair", "name": "sales.csv", "encoding": None, "delimiter": None}
    assert job["based_on"] == based_on | {"header": None, "quote": None}
    assert job["log"][0]["reason"] == f"repairs job {before.id}"
    assert await house.consumer.next_job() == Job.model_validate(job)
    basis = house.folder / "bases" / job["id"]
    found = {path.name: path.read_bytes() for path in basis.iterdir()}
    state = (house.folder / kept.key(before.result_prefix)).read_bytes()
    assert found == {"state": state, "rejected.csv": REJECTED, "0": TABLE}


async def test_the_earlier_job_may_go_and_the_later_takes_its_copies_along(house: House) -> None:
    before = await parent(house)
    _, job = await send(house, before, "repairs", FIXED)
    later = await house.consumer.finish(await house.consumer.next_job())
    for one in (before, later):
        async with house.http.delete(f"/v1/jobs/{one.id}") as answer:
            assert answer.status == 204
        assert isinstance(await house.consumer.next_command(), ForgetJob)
        there = (house.folder / "bases" / job["id"] / "0").exists()
        assert there is (one is before)
    assert house.stored() == []


async def test_an_addition_is_read_as_the_job_s_table_was_unless_it_says_otherwise(house: House) -> None:
    before = await parent(house, params='{"encoding": "cp1252", "sigma": 2}')
    data = TABLE.replace(b"North", b"S\xfcd")
    _, job = await send(house, before, "additions", data)
    assert (job["based_on"]["how"], job["based_on"]["encoding"]) == ("append", "cp1252")
    status, problem = await send(house, before, "additions", data, params={"params": '{"encoding": "utf-8"}'})
    assert (status, problem["errors"][0]["code"]) == (422, "encoding")
    status, problem = await send(house, before, "repairs", FIXED.replace(b"C", b"\xfc"))
    assert (status, problem["errors"][0]["code"]) == (422, "encoding")


async def test_a_form_says_the_same_as_a_body(house: House) -> None:
    before = await parent(house)
    form = aiohttp.FormData()
    form.add_field("file", FIXED.replace(b",", b";"), filename="fixed.csv", content_type="text/csv")
    form.add_field("params", '{"delimiter": ";"}')
    status, job = await send(house, before, "repairs", form)
    assert (status, job["source"]["name"], job["based_on"]["delimiter"]) == (202, "fixed.csv", ";")


async def test_the_same_repair_with_the_same_key_is_one_job(house: House) -> None:
    before, other = await parent(house), await parent(house)
    key = {"headers": {"Idempotency-Key": "k1"}}
    _, first = await send(house, before, "repairs", FIXED, **key)
    status, again = await send(house, before, "repairs", FIXED, **key)
    assert (status, again["id"]) == (202, first["id"])
    status, problem = await send(house, other, "repairs", FIXED, **key)
    assert (status, problem["type"]) == (422, "/problems/key_reused")
    assert len(list((house.folder / "bases").iterdir())) == 1


FAULTS = {
    "the header's, all of them": (
        b"region,revenue,quantity,colour,rejected_line\nx,1,1,red,4\n",
        [("missing_column", "product"), ("missing_column", "discount"), ("unknown_column", "colour")],
    ),
    "no lines": (COLUMNS + b"\nWest,C,1,2,0.1\n", [("missing_column", "rejected_line")]),
    "the rows', all of them": (
        COLUMNS + b",rejected_line\na,b,1,1,1,4\na,b,1,1,1,5\n\na,b,1,1,4\na,b,1,1,1,4.0\n" + b"a,b,1,1,1,x\n",
        [
            ("unknown_rejected_line", 3, "line 5"),
            ("field_count", 5, "5 cells"),
            ("repeated_rejected_line", 6, "line 4"),
            ("bad_rejected_line", 7, "'x'"),
        ],
    ),
    "no table": (b"\0\1\2\3", [("nul_byte", 1)]),
}


@pytest.mark.parametrize("what", FAULTS)
async def test_what_is_wrong_with_a_repaired_file_is_told_at_once_and_nothing_stays(house: House, what: str) -> None:
    before = await parent(house)
    stored = house.stored()
    data, expected = FAULTS[what]
    status, problem = await send(house, before, "repairs", data)
    assert status in {415, 422}
    faults = [(one["code"], one["line"] or one["column"]) for one in problem["errors"]]
    assert faults == [fault[:2] for fault in expected]
    for fault, one in zip(expected, problem["errors"], strict=True):
        assert all(word in one["detail"] for word in fault[2:])
    assert house.stored() == stored


async def test_of_very_many_faults_fifty_are_listed(house: House) -> None:
    rows = b"".join(b"a,b,1,1,1,%d\n" % (number + 100) for number in range(300))
    _, problem = await send(house, await parent(house), "repairs", COLUMNS + b",rejected_line\n" + rows)
    assert len(problem["errors"]) == 51
    assert problem["errors"][-1] == {
        "code": "more",
        "detail": "There are more such rows, from line 52 on.",
        "pointer": None,
        "line": 52,
        "column": None,
    }


async def test_fields_header_and_rows_are_judged_together(house: House) -> None:
    asked = {"params": '{"sigma": 3}', "email": "nobody", "priority": "soon"}
    status, problem = await send(house, await parent(house), "additions", b"region\nx\n", params=asked)
    codes = [one["code"] for one in problem["errors"]]
    assert (status, codes[:3]) == (422, ["unknown_param", "bad_email", "bad_priority"])
    assert codes[3:] == ["missing_column"] * 4


@pytest.mark.parametrize("what", ["repairs", "additions"])
async def test_a_kind_in_the_address_is_refused_before_the_rows_come(house: House, what: str) -> None:
    job = await parent(house)
    head = f"POST /v1/jobs/{job.id}/{what}?kind=sales&email=nobody HTTP/1.1\r\nHost: localhost\r\n"
    problem = await refused_unfinished(house, head)
    assert [one["code"] for one in problem["errors"]] == ["bad_email", "unknown_field"]


async def test_rows_to_append_have_the_same_columns_in_the_same_order(house: House) -> None:
    swapped = TABLE.replace(b"region,product", b"product,region")
    status, problem = await send(house, await parent(house), "additions", swapped)
    assert (status, [(one["code"], one["column"]) for one in problem["errors"]]) == (422, [("column_order", "product")])


async def refused(house: House, job: Job, what: str, sentence: str) -> None:
    stored = house.stored()
    status, problem = await send(house, job, what, FIXED if what == "repairs" else TABLE)
    assert (status, problem["type"]) == (409, "/problems/not_mergeable")
    assert sentence in problem["detail"]
    assert house.stored() == stored


async def test_only_a_result_can_be_gone_on_from(house: House) -> None:
    await house.submit()
    job = await house.consumer.next_job()
    await refused(house, job, "repairs", "A job that is queued has no result")
    await refused(house, await house.consumer.start(job), "additions", "A job that is running has no result")
    await refused(
        house, await house.consumer.finish(job, State.FAILED), "additions", "A job that is failed has no result"
    )
    await refused(house, await parent(house, rejected=0), "repairs", "No row of this job was left out")
    await refused(house, await parent(house, keep=False), "additions", "What the job kept to go on from is gone.")
    await refused(house, await parent(house, build="b0"), "additions", "The code of the kind sales has changed since.")
    await refused(house, await parent(house, format=0), "additions", "another version of Rowmill wrote it")
    own = await parent(house, header=(*HEADER, "rejected_line"))
    await refused(house, own, "repairs", "has a column rejected_line of its own")
    pruned = await parent(house)
    pruned = await house.consumer.tell(pruned.revise(pruned_at=datetime(2026, 1, 31, tzinfo=UTC)))
    await refused(house, pruned, "repairs", "were removed on 2026-01-31, when their time was up. Submit the whole")
    lost = await parent(house)
    await house.consumer.files.remove(lost.artefact_key("rejected.csv"))
    await refused(house, lost, "additions", "is gone. Submit the whole table instead.")
    await refused(house, lost, "repairs", "is gone. Submit the whole table instead.")


async def test_a_kind_that_makes_one_result_of_the_whole_table_is_refused(house: House) -> None:
    before = await parent(house)
    await house.consumer.announce(SALES.model_copy(update={"merges": False}), PROFILE)
    await refused(house, before, "repairs", "Rows cannot be merged into a result of the kind sales.")


async def test_a_job_that_does_not_exist_has_nothing_to_go_on_from(house: House, new_job: Any) -> None:
    status, problem = await send(house, new_job(), "additions", TABLE)
    assert (status, problem["type"]) == (404, "/problems/no_such_job")


async def test_a_parent_that_is_deleted_meanwhile_leaves_a_whole_job_or_none(house: House) -> None:
    before = await parent(house)

    async def delete() -> None:
        async with house.http.delete(f"/v1/jobs/{before.id}") as answer:
            assert answer.status == 204

    (status, body), _ = await asyncio.gather(send(house, before, "repairs", FIXED), delete())
    assert status in {202, 404, 409}, json.dumps(body)
    copies = {"0", "rejected.csv", "state"} if status == 202 else set()
    assert {name.rpartition("/")[2] for name in house.stored() if name.startswith("bases/")} == copies

"""The rows that a job left out, over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest

from protocol.job import Job
from protocol.rejects import folder, header
from service.jobs import rejects
from tests.service.house import House

HEADER = "region,revenue,rejected_line,rejected_reason\n"


async def finished(house: House, *rows: str) -> str:
    """A job that left these rows out; its id."""
    await house.submit()
    job = await house.consumer.next_job()
    made = await house.consumer.make(job, "rejected.csv", (HEADER + "".join(rows)).encode())
    return (await house.consumer.finish(job, artefacts=(made,))).id


def row(line: int, revenue: str = "x", reason: str = "revenue: not_a_number") -> str:
    return f"North,{revenue},{line},{reason}\n"


async def pages(house: House, job_id: str, **query: Any) -> list[list[list[str]]]:
    """Every page from the first on."""
    address, found = f"/v1/jobs/{job_id}/rejects", []
    params: Any = query
    while address:
        status, body, _ = await house.get(address, params=params)
        assert status == 200, body
        assert body["columns"] == ["rejected_line", "rejected_reason", "region", "revenue"]
        found.append(body["rows"])
        address, params = body["next"], None
    return found


async def test_rows_come_page_by_page_in_the_order_of_the_file(house: House) -> None:
    job_id = await finished(house, *(row(line) for line in range(2, 9)))
    found = await pages(house, job_id, limit=3)
    assert [[cells[0] for cells in page] for page in found] == [["2", "3", "4"], ["5", "6", "7"], ["8"]]
    assert found[0][0] == ["2", "revenue: not_a_number", "North", "x"]


async def test_rows_are_found_by_reason_and_by_any_text_whatever_its_case(house: House) -> None:
    job_id = await finished(house, row(2), row(3, "", "revenue: missing"), row(4, "ÄPFEL"))
    assert [[cells[0] for cells in page] for page in await pages(house, job_id, reason="revenue: missing")] == [["3"]]
    assert [[cells[0] for cells in page] for page in await pages(house, job_id, q="äpfel")] == [["4"]]
    assert await pages(house, job_id, q="nowhere") == [[]]
    assert [[cells[0] for cells in page] for page in await pages(house, job_id, after="2", limit="1")] == [["3"], ["4"]]


async def test_quoted_cells_with_newlines_and_quotes_are_one_row(house: House) -> None:
    job_id = await finished(house, '"a\nb","say ""x"", y",2,why\n', row(4))
    [found] = await pages(house, job_id)
    assert found[0] == ["2", "why", "a\nb", 'say "x", y']
    assert len(found) == 2


async def test_no_row_is_lost_or_cut_where_a_look_ends(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "PIECE", 90)
    monkeypatch.setattr(rejects, "PIECES", 2)
    job_id = await finished(house, *(row(line, "é" * (line % 7)) for line in range(2, 60)))
    found = await pages(house, job_id, limit=200)
    assert [int(cells[0]) for page in found for cells in page] == list(range(2, 60))
    assert len(found) > 1
    rare = await pages(house, job_id, q=",59,")
    assert [cells[0] for page in rare for cells in page] == ["59"]


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": "-1"},
        {"cursor": "1.2.3"},
        {"limit": "0"},
        {"q": "x" * 201},
        {"after": "x"},
        {"page": "2"},
    ],
)
async def test_a_wrong_parameter_is_refused(house: House, query: dict[str, str]) -> None:
    status, problem, _ = await house.get(f"/v1/jobs/{await finished(house)}/rejects", params=query)
    assert (status, problem["type"]) == (400, "/problems/bad_parameter")


async def test_a_place_that_there_is_not_has_no_rows(house: House) -> None:
    assert await pages(house, await finished(house, row(2)), cursor="99999999") == [[]]


async def test_a_job_without_the_file_says_so(house: House) -> None:
    job = await house.submit()
    assert (await house.get(f"/v1/jobs/{job['id']}/rejects"))[0] == 404
    assert (await house.get("/v1/jobs/none/rejects"))[0] == 404
    async with house.http.get(f"/jobs/{job['id']}/rejects", headers={"Accept": "text/html"}) as answer:
        assert answer.status == 404
        assert "no such artefact" in (await answer.text()).lower()


async def test_the_page_escapes_what_rows_hold(house: House) -> None:
    job_id = await finished(house, row(2, "<script>alert(1)</script>"))
    async with house.http.get(f"/jobs/{job_id}/rejects?q=<script>") as answer:
        text = await answer.text()
    assert "&lt;script&gt;alert(1)" in text
    assert not re.search(r"<script>", text)


async def running(house: House, **chunks: tuple[str, ...]) -> Job:
    """A job under way, of which these chunks are done: their rows that were left out, by the names of the pieces."""
    await house.submit()
    job = await house.consumer.start(await house.consumer.next_job())
    await house.consumer.files.put(header(job.result_prefix), HEADER.encode())
    for name, rows in chunks.items():
        await house.consumer.files.put(f"{folder(job.result_prefix)}{name.strip('_')}", "".join(rows).encode())
    return await house.consumer.tell(job.revise(progress=job.progress.model_copy(update={"rows_rejected": 9})))


async def test_while_the_job_runs_rows_come_from_the_chunks_that_are_done(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await running(house, _00000003=(row(40), row(41)), _00000001=(row(2), row(3), row(4)), _00000010=(row(99),))
    found = await pages(house, job.id, limit=2)
    assert [[cells[0] for cells in page] for page in found] == [["2", "3"], ["4", "40"], ["41", "99"]]
    assert [[cells[0] for cells in page] for page in await pages(house, job.id, q=",40,")] == [["40"]]
    monkeypatch.setattr(rejects, "PIECES", 1)
    monkeypatch.setattr(rejects, "FILES", 1)
    assert [[cells[0] for cells in page] for page in await pages(house, job.id, q=",99,")] == [[], [], ["99"]]


async def test_a_job_that_ends_between_two_pages_shows_no_row_twice_and_loses_none(house: House) -> None:
    job = await running(house, _00000000=(row(2), row(3)), _00000002=(row(9),))
    _, first, _ = await house.get(f"/v1/jobs/{job.id}/rejects", params={"limit": "2"})
    rows = "".join(map(row, (2, 3, 5, 9)))
    made = await house.consumer.make(job, "rejected.csv", (HEADER + rows).encode())
    await house.consumer.files.remove(folder(job.result_prefix))
    await house.consumer.finish(job, artefacts=(made,))
    _, second, _ = await house.get(first["next"])
    assert [cells[0] for cells in (*first["rows"], *second["rows"])] == ["2", "3", "5", "9"]


async def test_the_page_of_a_running_job_lists_them_and_does_without_once_they_are_gone(house: House) -> None:
    job = await running(house, _00000000=(row(2, "<b>bad</b>"),))
    for gone in (False, True):
        if gone:
            await house.consumer.files.remove(folder(job.result_prefix))
        async with house.http.get(f"/jobs/{job.id}", headers={"Accept": "text/html"}) as answer:
            assert answer.status == 200
            assert ("&lt;b&gt;bad" in await answer.text()) is not gone

"""Charts as files: who draws them is there when they come, and only then."""

from __future__ import annotations

import pytest

TABLE = b"region,value_column\n" + b"North,1\nSouth,2\n" * 1000
HEIGHTS = b"Name,Team,Position,Height(inches),Weight(lbs),Age\nAnn,A,B,70,150,20\n"


async def test_while_a_table_is_read_whose_report_has_a_chart_its_renderer_gets_ready(start):
    rowmill = await start(WORKERS="1", QUICK_SIZE="0")
    job = await rowmill.submit(TABLE, kind="summary", params={"simulate_seconds": 3})
    await rowmill.until(lambda: len(rowmill.workers()) == 2, "a renderer beside the worker")
    assert (await rowmill.job(job["id"]))["progress"]["phase"] in {"queued", "surveying", "reading"}
    renderer = {worker.pid for worker in rowmill.workers()}
    job = await rowmill.finished(job["id"])
    assert {".svg", ".png"} <= {one["name"][-4:] for one in job["artefacts"]}
    assert {worker.pid for worker in rowmill.workers()} == renderer


async def test_a_renderer_that_dies_while_it_gets_ready_costs_no_picture(start):
    rowmill = await start(WORKERS="1", QUICK_SIZE="0")
    [worker] = rowmill.workers()
    job = await rowmill.submit(TABLE, kind="summary", params={"simulate_seconds": 2})
    await rowmill.until(lambda: len(rowmill.workers()) == 2, "a renderer beside the worker")
    [renderer] = [one for one in rowmill.workers() if one != worker]
    renderer.kill()
    job = await rowmill.finished(job["id"])
    assert {".svg", ".png"} <= {one["name"][-4:] for one in job["artefacts"]}


@pytest.mark.parametrize("settings", [{"CHARTS": "false"}, {}])
async def test_where_no_chart_is_to_come_there_is_no_renderer(start, settings):
    rowmill = await start(WORKERS="1", QUICK_SIZE="0", **settings)
    kind, table = ("summary", TABLE) if settings else ("players", HEIGHTS)
    job = await rowmill.finished((await rowmill.submit(table, kind=kind))["id"])
    assert job["state"] == "succeeded", job["problem"]
    assert len(rowmill.workers()) == 1

"""kill -9 of the whole process, at every stage of a job's life: nothing is lost, done twice, or left behind."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from typing import Any

import aiohttp
import pytest
from system_support import chunks_done_before

KIB = 1024


async def reference(start, table: bytes) -> dict[str, bytes]:
    """What the job comes to when nothing happens."""
    rowmill = await start(CHUNK_SIZE="64KiB")
    job = await rowmill.finished((await rowmill.submit(table, kind="sales"))["id"])
    return await results(rowmill, job)


async def results(rowmill, job: dict[str, Any]) -> dict[str, bytes]:
    assert job["state"] == "succeeded", job["problem"]
    return {one["name"]: await rowmill.artefact(job["id"], one["name"]) for one in job["artefacts"]}


def at_once(_job: dict[str, Any]) -> bool:
    return True


def half_way(job: dict[str, Any]) -> bool:
    progress = job["progress"]
    return progress["phase"] == "reading" and progress["bytes_done"] > progress["bytes_total"] / 2


def in_the_second_pass(job: dict[str, Any]) -> bool:
    return job["progress"]["phase"] == "selecting"


def while_pieces_are_joined(job: dict[str, Any]) -> bool:
    return job["progress"]["phase"] == "finishing"


def when_final(job: dict[str, Any]) -> bool:
    return job["state"] == "succeeded"


@pytest.mark.parametrize("moment", [at_once, half_way, in_the_second_pass, while_pieces_are_joined, when_final])
async def test_a_killed_process_loses_nothing_and_repeats_no_finished_chunk(start, sales, moment):
    table = sales(3000 * KIB)
    expected = await reference(start, table)
    rowmill = await start(CHUNK_SIZE="32KiB")  # of a table of so many chunks they are twice as large
    job = await rowmill.submit(table, kind="sales", email="someone@example.org")
    if moment is not at_once:
        await rowmill.watch(job["id"], moment)
    await rowmill.kill()
    await rowmill.start()
    job = await rowmill.finished(job["id"])
    assert await results(rowmill, job) == expected
    await rowmill.until(lambda: len(rowmill.mails()) == 1, "one mail")
    if moment is half_way:
        assert chunks_done_before(job) >= 20
    assert [name for name in rowmill.files() if "work/" in name] == []


async def test_a_copy_of_the_folder_goes_on_elsewhere_and_has_what_had_ended(start, sales):
    table = sales(3000 * KIB)
    expected = await reference(start, table)
    rowmill = await start(CHUNK_SIZE="32KiB")
    ended = await rowmill.finished((await rowmill.submit(table, kind="sales"))["id"])
    job = await rowmill.submit(table, kind="sales")
    await rowmill.watch(job["id"], half_way)
    await rowmill.kill()
    copy = rowmill.data.with_name("copy")
    shutil.copytree(rowmill.data, copy)
    shutil.rmtree(rowmill.data)
    rowmill.data = copy
    await rowmill.start()
    for one in (ended, job):
        assert await results(rowmill, await rowmill.finished(one["id"])) == expected


async def test_ten_kills_in_a_row_are_survived(start, sales):
    table = sales(3000 * KIB)
    expected = await reference(start, table)
    rowmill = await start(CHUNK_SIZE="64KiB")
    job = await rowmill.submit(table, kind="sales", email="someone@example.org")
    for _ in range(10):
        if (await rowmill.job(job["id"]))["state"] == "running":
            before = (await rowmill.job(job["id"]))["version"]
            await rowmill.watch(job["id"], lambda now, before=before: now["version"] > before + 3 or when_final(now))
        await rowmill.kill()
        await rowmill.start()
    assert await results(rowmill, await rowmill.finished(job["id"])) == expected
    await rowmill.until(lambda: len(rowmill.mails()) == 1, "one mail")


@pytest.mark.parametrize("done", [0, 5])
async def test_killed_among_many_small_jobs_it_finishes_them_all_and_mails_each_once(start, sales, done):
    rowmill = await start()
    table = sales(20 * KIB)[: 20 * KIB].rpartition(b"\n")[0]
    expected = await results(rowmill, await rowmill.finished((await rowmill.submit(table, kind="sales"))["id"]))
    jobs = [await rowmill.submit(table, kind="sales", email="someone@example.org") for _ in range(20)]
    if done:
        await rowmill.finished(jobs[done]["id"])
    await rowmill.kill()
    await rowmill.start()
    for job in jobs:
        assert await results(rowmill, await rowmill.finished(job["id"])) == expected
    await rowmill.until(lambda: len(rowmill.mails()) == len(jobs), "one mail each")
    assert [name for name in rowmill.files() if "work/" in name] == []


async def test_an_upload_that_was_cut_off_by_a_kill_leaves_nothing(start, sales):
    rowmill = await start()
    half, sent = sales(2000 * KIB), asyncio.Event()

    async def body():
        yield half
        sent.set()
        await asyncio.Event().wait()

    async def upload() -> None:
        with pytest.raises(aiohttp.ClientError):
            await rowmill.session.post(f"{rowmill.url}/v1/jobs?kind=sales&filename=a.csv", data=body())

    uploading = asyncio.create_task(upload())
    await sent.wait()
    await rowmill.until(lambda: any((rowmill.data / "files").rglob("*")), "something on disk")
    await rowmill.kill()
    await uploading
    await rowmill.start()
    await rowmill.until(lambda: rowmill.files() == [], "nothing on disk")


async def test_sigterm_ends_with_0_and_the_job_goes_on_at_the_next_start(start, sales):
    rowmill = await start(CHUNK_SIZE="64KiB", GRACE="0.1")
    job = await rowmill.submit(sales(4000 * KIB), kind="sales")
    await rowmill.watch(job["id"], half_way)
    assert await rowmill.stop() == 0
    await rowmill.start()
    job = await rowmill.finished(job["id"])
    assert job["state"] == "succeeded"
    assert job["attempt"] == 1


async def test_a_database_that_another_program_locks_for_a_while_costs_a_job_no_attempt(start, sales):
    rowmill = await start(CHUNK_SIZE="32KiB", MAX_ATTEMPTS="1")
    job = await rowmill.submit(sales(3000 * KIB), kind="sales")
    await rowmill.watch(job["id"], half_way)
    with closing(sqlite3.connect(rowmill.data / "rowmill.db", isolation_level=None)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        await rowmill.until(lambda: "job interrupted" in rowmill.log() or "attempt failed" in rowmill.log(), "noticed")
        foreign.execute("ROLLBACK")
    job = await rowmill.finished(job["id"])
    assert (job["state"], job["attempt"]) == ("succeeded", 1), job["problem"]

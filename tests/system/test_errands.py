"""Work that waits: every row is done or its failure told, nothing twice, whatever the work or its process does."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import pytest

from consumer.places import IN_HAND
from tests.family import words

HERE = Path(__file__).parent
pytestmark = pytest.mark.usefixtures("plugin")


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """errandkinds as an installed package with entry points."""
    info = tmp_path / "plugin" / "errandkinds-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: errandkinds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rowmill.kinds]\neasy = errandkinds:EASY\ncareful = errandkinds:CAREFUL\n")
    shutil.copy(HERE / "errandkinds.py", tmp_path / "plugin")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugin"))


@pytest.fixture
def diary(tmp_path):
    path = tmp_path / "diary"
    path.touch()
    return path


def table(rows: Iterable[str]) -> bytes:
    return ("name,what,n\n" + "".join(f"{row}\n" for row in rows)).encode()


def written(diary: Path, word: str) -> Counter[str]:
    entries = [line.split(" ") for line in diary.read_text().splitlines()]
    return Counter(name for what, name in entries if what == word)


async def rows(rowmill, job: dict[str, Any], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((await rowmill.artefact(job["id"], name)).decode(), newline="")))


async def finished(rowmill, job: dict[str, Any]) -> dict[str, Any]:
    job = await rowmill.finished(job["id"])
    assert job["state"] == "succeeded", job["problem"]
    return job


async def test_each_row_is_done_or_listed_with_line_column_and_reason(start, diary):
    deeds = ["", "fails", "waits", "once", "unclear", "breaks", "leaves", "hangs", "dies", "large"]
    cells = [*(f"{deed or 'plain'},{deed},{n}" for n, deed in enumerate(deeds)), "odd,,x", "bare,,"]
    rowmill = await start()
    job = await finished(rowmill, await rowmill.submit(table(cells), kind="easy", params={"diary": str(diary)}))
    outcomes = {
        row["name"]: (row["line"], row["outcome"], re.sub(r":\d+", "", row["detail"]))
        for row in await rows(rowmill, job, "outcomes.csv")
    }
    assert outcomes == {
        "plain": ("2", "done", "fine"),
        "fails": ("3", "rejected", "no good"),
        "waits": ("4", "rejected", "not yet (given up after 3 tries)"),
        "once": ("5", "done", "fine"),
        "unclear": ("6", "unknown", "who knows"),
        "breaks": ("7", "rejected", "ZeroDivisionError: by hand (errandkinds.py)"),
        "leaves": ("8", "rejected", "SystemExit: 3 (errandkinds.py)"),
        "hangs": ("9", "rejected", "no end within 1 s (given up after 3 tries)"),
        "dies": ("10", "rejected", "its process died"),
        "large": ("11", "done", "large"),
        "bare": ("13", "done", "fine"),
    }
    rejected = {row["name"]: row for row in await rows(rowmill, job, "rejected.csv")}
    assert list(rejected) == [*(name for name, (_, what, _) in outcomes.items() if what == "rejected"), "odd"]
    assert (rejected["fails"]["rejected_line"], rejected["fails"]["rejected_reason"]) == ("3", "n: no good")
    assert rejected["dies"]["rejected_reason"] == "name: its process died"
    assert (rejected["odd"]["rejected_line"], rejected["odd"]["rejected_reason"]) == ("12", "n: not_a_number")
    found = await rows(rowmill, job, "found.csv")
    assert [row["key"] for row in found] == ["plain", "once", *["large"] * 100, "bare"]
    assert [row["value"] for row in found if row["key"] != "large"] == ["0", "3", ""]
    assert job["report"]["numbers"] == {"rows": 12, "done": 4, "rejected": 7, "unknown": 1, "found": 103}
    assert job["report"]["account"] == {"read": 12, "used": 5, "rejected": 7, "skipped": 0}
    assert (job["progress"]["rows_done"], job["progress"]["rows_rejected"]) == (12, 7)
    assert [name for name in rowmill.files() if "work/" in name] == []
    assert len(rowmill.workers()) == 2


async def test_jobs_that_wait_keep_nobody_from_working(start, diary):
    rowmill = await start()
    waiting = {"kind": "careful", "params": {"diary": str(diary), "seconds": 29.0, "concurrency": 1}}
    jobs = [await rowmill.submit(table(["a,,"] * 100), **waiting) for _ in range(IN_HAND + 2)]
    await rowmill.watch(jobs[-1]["id"], lambda now: now["progress"]["phase"] == "running errands")
    quick = await rowmill.submit(table(["a,,"]), kind="profile")
    assert (await rowmill.finished(quick["id"]))["state"] == "succeeded"


async def test_a_killed_process_repeats_nothing_that_has_ended_and_never_what_must_not_be(start, diary):
    """Killed twice; of what was under way then, the easy ones are done again and the careful ones are not."""
    names = [f"r{n}" for n in range(900)]
    rowmill = await start(CHUNK_SIZE="4KiB")
    params = {"diary": str(diary), "seconds": 0.01}
    jobs = [
        await rowmill.submit(table(f"{kind}-{name},," for name in names), kind=kind, params=params)
        for kind in ("careful", "easy")
    ]
    for kill in (1, 2):
        for job in jobs:
            await rowmill.watch(job["id"], lambda now, kill=kill: now["progress"]["rows_done"] > 250 * kill)
        await rowmill.kill()
        await rowmill.start()
    careful, easy = [await finished(rowmill, job) for job in jobs]
    begun, done = written(diary, "begin"), written(diary, "done")
    fates = {row["name"]: row["outcome"] for job in jobs for row in await rows(rowmill, job, "outcomes.csv")}
    assert fates.keys() == {f"{kind}-{name}" for kind in ("careful", "easy") for name in names}
    assert [name for name, times in begun.items() if times > 1 and name.startswith("careful")] == []
    assert sum(times - 1 for name, times in done.items() if name.startswith("easy")) <= 2 * 10
    assert {fate for name, fate in fates.items() if name.startswith("easy")} == {"done"}
    unknown = {name for name, fate in fates.items() if fate == "unknown"}
    assert len(unknown) <= 2 * 10
    assert {name for name, fate in fates.items() if fate != "done"} == unknown
    assert fates.keys() - done.keys() <= unknown
    assert careful["progress"]["rows_done"] == easy["progress"]["rows_done"] == 900
    assert (await rows(rowmill, easy, "found.csv"))[700]["key"] == "easy-r700"


async def test_a_cancel_frees_at_once_and_another_try_goes_on_where_it_stood(start, diary):
    rowmill = await start(CHUNK_SIZE="4KiB")
    names = [f"r{n}" for n in range(600)]
    params = {"diary": str(diary), "seconds": 0.02}
    job = await rowmill.submit(table(f"{name},," for name in names), kind="careful", params=params)
    shown = await rowmill.watch(job["id"], lambda now: now["report"] and now["report"]["numbers"]["done"] > 50)
    assert shown["report"]["headline"].endswith("done.")
    assert not shown["report"]["final"]
    await rowmill.session.post(f"{rowmill.url}/v1/jobs/{job['id']}/cancel")
    await rowmill.finished(job["id"])
    await rowmill.until(lambda: not errand_processes(rowmill), "no process is left")
    before = written(diary, "done")
    assert before == written(diary, "begin")
    assert len(before) < 600
    await rowmill.session.post(f"{rowmill.url}/v1/jobs/{job['id']}/retry")

    async def succeeded() -> bool:
        return (await rowmill.job(job["id"]))["state"] == "succeeded"

    await rowmill.until(succeeded, "succeeded")
    job = await rowmill.job(job["id"])
    assert written(diary, "begin") == Counter(names)
    assert job["report"]["numbers"]["done"] == 600
    await rowmill.session.delete(f"{rowmill.url}/v1/jobs/{job['id']}")
    await rowmill.until(lambda: rowmill.files() == [], "every file is gone")


def errand_processes(rowmill) -> list[psutil.Process]:
    family = psutil.Process(rowmill.process.pid).children(recursive=True)
    return [one for one in family if "consumer.errands" in words(one)]

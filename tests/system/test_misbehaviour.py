"""Whatever a kind or a worker process does, it costs its own job only, and the job says what it was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEIGHBOUR = b"region,value_column\n" + b"North,1\n" * 2000
REPLACED = {"loops": "overdue", "crashes": "died"}  # why a worker had to be replaced
KINDS = ("loops", "eats", "exits", "raises", "refuses", "crashes", "loses", "fills", "waits")


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """badkinds as an installed package with entry points."""
    info = tmp_path / "plugin" / "badkinds-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: badkinds\nVersion: 1.0\n")
    points = "".join(f"{name} = badkinds:{name.upper()}\n" for name in KINDS)
    (info / "entry_points.txt").write_text(f"[rowmill.kinds]\n{points}")
    (tmp_path / "plugin" / "badkinds.py").write_text((HERE / "badkinds.py").read_text())
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugin"))


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("kind", "problem", "says", "quick"),
    [
        ("loops", "/problems/chunk_timeout", "chunk 1 of 1", "1MiB"),
        ("eats", "/problems/kind_failed", "WORKER_MEMORY", "1MiB"),
        ("eats", "/problems/kind_failed", "WORKER_MEMORY", "0"),
        ("exits", "/problems/kind_failed", "SystemExit: 3", "1MiB"),
        ("raises", "/problems/kind_failed", "ZeroDivisionError: by hand (badkinds.py:", "1MiB"),
        ("raises", "/problems/kind_failed", "ZeroDivisionError: by hand (badkinds.py:", "0"),
        ("refuses", "/problems/bad_table", "These rows are not what this kind is for.", "1MiB"),
        ("crashes", "/problems/worker_lost", "chunk 1 of 1", "1MiB"),
        ("loses", "/problems/kind_failed", "it was given 1 rows; its report says 0 used and 0 skipped", "1MiB"),
    ],
)
async def test_a_bad_kind_fails_its_own_job_with_a_problem_that_says_so(start, kind, problem, says, quick):
    limit = "1.5" if kind == "loops" else "60"
    own = {"WORKER_MEMORY": "1GiB", "MAX_ATTEMPTS": "2", "RETRY_DELAY": "0.1", "QUICK_SIZE": quick}
    rowmill = await start(CHUNK_TIMEOUT=limit, **own)
    bad = await rowmill.submit(b"n\n1\n", kind=kind)
    neighbour = await rowmill.submit(NEIGHBOUR, kind="summary")
    assert (await rowmill.finished(neighbour["id"]))["state"] == "succeeded"
    job = await rowmill.finished(bad["id"])
    assert (job["state"], job["problem"]["type"]) == ("failed", problem)
    assert says in job["problem"]["detail"]
    assert job["attempt"] == (1 if kind == "refuses" else 2)
    if kind in REPLACED:
        assert await restarts(rowmill, REPLACED[kind]) >= job["attempt"]
    after = await rowmill.finished((await rowmill.submit(NEIGHBOUR, kind="summary"))["id"])
    assert after["state"] == "succeeded"


@pytest.mark.usefixtures("plugin")
async def test_a_full_disk_is_waited_for_and_costs_a_job_no_attempt(start, tmp_path, monkeypatch):
    space = tmp_path / "space"
    monkeypatch.setenv("BADKINDS_SPACE", str(space))
    rowmill = await start(MAX_ATTEMPTS="1")
    job = await rowmill.submit(b"n\n1\n2\n", kind="fills")
    seen = await rowmill.watch(job["id"], lambda job: bool(job["problem"]))
    assert (seen["state"], seen["problem"]["type"], seen["problem"]["status"]) == ("running", "/problems/no_space", 507)
    space.touch()
    job = await rowmill.finished(job["id"])
    assert (job["state"], job["attempt"], job["problem"]) == ("succeeded", 1, None)


@pytest.mark.usefixtures("plugin")
async def test_among_many_small_jobs_the_one_that_kills_its_process_fails_and_no_other(start):
    rowmill = await start(MAX_ATTEMPTS="1", WORKERS="1")
    jobs = [await rowmill.submit(NEIGHBOUR, kind="summary") for _ in range(6)]
    bad = await rowmill.submit(b"n\n1\n", kind="crashes")
    jobs += [await rowmill.submit(NEIGHBOUR, kind="summary") for _ in range(6)]
    ended = [await rowmill.finished(job["id"]) for job in jobs]
    assert [(job["state"], job["attempt"]) for job in ended] == [("succeeded", 1)] * 12
    assert (await rowmill.finished(bad["id"]))["problem"]["type"] == "/problems/worker_lost"


@pytest.mark.usefixtures("plugin")
async def test_a_job_all_of_whose_chunks_kill_their_process_fails(start):
    rowmill = await start(WORKERS="2", QUICK_SIZE="0", CHUNK_SIZE="32KiB", MAX_ATTEMPTS="1")
    job = await rowmill.finished((await rowmill.submit(b"n\n" + b"1\n" * 500_000, kind="crashes"))["id"])
    assert (job["state"], job["problem"]["type"]) == ("failed", "/problems/worker_lost")


@pytest.mark.usefixtures("plugin")
async def test_a_report_so_far_that_cannot_be_made_costs_no_attempt(start):
    many = {"WORKERS": "2", "QUICK_SIZE": "0", "CHUNK_SIZE": "32KiB"}
    rowmill = await start(MAX_ATTEMPTS="1", CHUNK_TIMEOUT="1.5", **many)
    job = await rowmill.finished((await rowmill.submit(b"n\n" + b"1\n" * 500_000, kind="waits"))["id"])
    assert (job["state"], job["problem"]) == ("succeeded", None)


async def test_a_worker_killed_in_mid_chunk_costs_no_attempt(start):
    rowmill = await start(CHUNK_SIZE="4KiB")
    job = await rowmill.submit(NEIGHBOUR, kind="summary", params={"simulate_seconds": 8})
    await rowmill.watch(job["id"], lambda now: now["progress"]["phase"] == "reading")
    for worker in rowmill.workers()[:2]:
        worker.kill()
    job = await rowmill.finished(job["id"])
    assert (job["state"], job["attempt"]) == ("succeeded", 1)
    assert job["report"]["numbers"]["total_rows"] == 2000


async def restarts(rowmill, reason: str) -> float:
    """How many workers had to be replaced for this *reason*, as Prometheus is told."""
    async with rowmill.session.get(f"{rowmill.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    name = f'rowmill_consumer_slot_restarts_total{{reason="{reason}"}} '
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


async def test_workers_killed_while_idle_are_not_noticed(start):
    rowmill = await start()
    before = await rowmill.finished((await rowmill.submit(NEIGHBOUR, kind="summary"))["id"])
    for worker in rowmill.workers():
        worker.kill()
    jobs = [await rowmill.submit(NEIGHBOUR, kind="summary") for _ in range(4)]
    after = await asyncio.gather(*(rowmill.finished(job["id"]) for job in jobs))
    assert [job["report"]["numbers"] for job in after] == [before["report"]["numbers"]] * 4
    assert {job["attempt"] for job in after} == {1}


async def test_cancelling_frees_the_slots_and_keeps_nothing_but_the_log(start):
    rowmill = await start(WORKERS="1")
    slow = await rowmill.submit(NEIGHBOUR, kind="summary", params={"simulate_seconds": 600})
    await rowmill.watch(slow["id"], lambda now: now["progress"]["phase"] == "reading")
    async with rowmill.session.post(f"{rowmill.url}/v1/jobs/{slow['id']}/cancel") as answer:
        assert answer.status == 202
    quick = await rowmill.submit(NEIGHBOUR, kind="summary")
    assert (await rowmill.finished(quick["id"]))["state"] == "succeeded"
    cancelled = await rowmill.job(slow["id"])
    assert (cancelled["state"], cancelled["report"], cancelled["artefacts"]) == ("cancelled", None, [])
    assert [entry["state"] for entry in cancelled["log"]][-1] == "cancelled"
    assert await restarts(rowmill, "cancelled") == 1
    await rowmill.until(lambda: not [f for f in rowmill.files() if f.startswith(f"results/{slow['id']}")], "tidied")


async def test_a_cancelled_job_can_be_retried_and_a_deleted_one_leaves_no_file(start):
    rowmill = await start(WORKERS="1")
    job = await rowmill.submit(NEIGHBOUR, kind="summary", params={"simulate_seconds": 2})
    await rowmill.watch(job["id"], lambda now: now["state"] == "running")
    await rowmill.session.post(f"{rowmill.url}/v1/jobs/{job['id']}/cancel")
    await rowmill.finished(job["id"])
    async with rowmill.session.post(f"{rowmill.url}/v1/jobs/{job['id']}/retry") as answer:
        assert answer.status == 202

    async def succeeded() -> bool:
        return (await rowmill.job(job["id"]))["state"] == "succeeded"

    await rowmill.until(succeeded, "succeeded")
    async with rowmill.session.delete(f"{rowmill.url}/v1/jobs/{job['id']}") as answer:
        assert answer.status == 204
    await rowmill.until(lambda: rowmill.files() == [], "every file is gone")
    async with rowmill.session.get(f"{rowmill.url}/v1/jobs/{job['id']}") as answer:
        assert answer.status == 404


async def test_a_job_over_its_time_fails_and_says_so(start):
    rowmill = await start(JOB_TIMEOUT="1", WORKERS="1")
    job = await rowmill.submit(NEIGHBOUR, kind="summary", params={"simulate_seconds": 60})
    job = await rowmill.finished(job["id"])
    assert (job["state"], job["problem"]["type"]) == ("failed", "/problems/job_timeout")

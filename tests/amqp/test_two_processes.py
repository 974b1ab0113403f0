"""A service and a consumer as two processes over RabbitMQ: the whole way of a job, and restarts of each."""

from __future__ import annotations


async def test_a_job_submitted_over_http_runs_in_the_other_process(launch, table):
    fleet = await launch()
    job = await fleet.finished(await fleet.submit(table, kind="sales", email="someone@example.org"))
    assert job["state"] == "succeeded", job["problem"]
    assert job["report"]["numbers"]["kept"] == 7
    assert b"East,1090,545,20,0.15" in await fleet.artefact(job["id"], "summary.csv")
    await fleet.until(lambda: len(fleet.mails()) == 1, "one mail")


async def test_cancel_retry_and_delete_reach_the_other_process(launch, big_table):
    fleet = await launch(CHUNK_SIZE="64KiB", WORKERS="1")
    job_id = await fleet.submit(big_table, kind="sales")
    await fleet.watch(job_id, lambda job: job["progress"]["bytes_done"] > 0)
    assert await fleet.ask("POST", job_id, "/cancel") == 202
    assert (await fleet.finished(job_id))["state"] == "cancelled"
    assert await fleet.ask("POST", job_id, "/retry") == 202
    await fleet.until(lambda: fleet.is_in(job_id, "running"), "running again")
    assert (await fleet.finished(job_id))["state"] == "succeeded"
    assert await fleet.ask("DELETE", job_id) == 204
    await fleet.until(lambda: fleet.files() == [], "no file left")


async def test_each_side_may_be_restarted_while_a_job_runs(launch, big_table):
    fleet = await launch(CHUNK_SIZE="64KiB", WORKERS="1")
    job_id = await fleet.submit(big_table, kind="sales")
    await fleet.watch(job_id, lambda job: job["progress"]["bytes_done"] > 0)
    for side in fleet.sides:
        assert await side.stop() == 0
        await side.start()
    await fleet.ready()
    job = await fleet.finished(job_id)
    assert job["state"] == "succeeded"
    assert job["attempt"] == 1

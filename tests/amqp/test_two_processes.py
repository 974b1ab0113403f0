"""A service and a consumer as two processes over RabbitMQ: the whole way of a job, and restarts of each."""

from __future__ import annotations

import json
import os
import sys
from functools import partial

import pytest

from tests.amqp.fleet import Fleet


async def test_a_job_submitted_over_http_runs_in_the_other_process(launch, table):
    fleet = await launch()
    job = await fleet.finished(await fleet.submit(table, kind="sales", email="someone@example.org"))
    assert job["state"] == "succeeded", job["problem"]
    assert job["report"]["numbers"]["kept"] == 7
    assert b"East,1090,545,20,0.15" in await fleet.artefact(job["id"], "summary.csv")
    await fleet.until(lambda: len(fleet.mails()) == 1, "one mail")
    await fleet.until(partial(both_sides_tell_figures, fleet), "counted")
    every_line_about_a_job_names_it(fleet, job["id"])


async def both_sides_tell_figures(fleet: Fleet) -> bool:
    figures = await fleet.figures()
    assert figures['rowmill_ready{part="transport"}'] == 1
    assert figures['rowmill_queue_messages{stream="jobs"}'] == 0
    assert figures['rowmill_consumer_attempts_total{kind="sales",state="succeeded"}'] == 1
    assert figures['rowmill_consumer_job_seconds_count{kind="sales",state="succeeded"}'] == 1
    assert figures['rowmill_consumer_step_seconds_count{kind="sales",step="at_one_go"}'] == 1
    assert figures["rowmill_consumer_wait_seconds_count"] == 1
    assert figures["rowmill_consumer_outbox_age_seconds"] < 60
    looked_up = ('rowmill_consumer_mails{state="sent"}', 'rowmill_consumer_jobs{state="succeeded"}')
    return [figures[name] for name in looked_up] == [1, 1] and figures["rowmill_consumer_in_hand"] == 0


def every_line_about_a_job_names_it(fleet: Fleet, job_id: str) -> None:
    lines = [line for side in fleet.sides for line in side.lines()]
    assert {line.get("action") for line in lines if line.get("job") == job_id} >= {"accept", "run", "settle"}
    assert [line for line in lines if job_id in json.dumps(line) and line.get("job") != job_id] == []
    assert [line for line in lines if line["logger"] == "consumer.mails.mailer" and line.get("job") != job_id] == []


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


async def test_workers_give_way_to_the_event_loops_and_the_one_that_draws_to_them(launch, table):
    fleet = await launch(WORKER_NICE="3")
    await fleet.finished(await fleet.submit(table, kind="sales"))
    own, *others = [
        os.getpriority(os.PRIO_PROCESS, process.pid) for process in (fleet.consumer.process, *fleet.consumer.workers())
    ]
    assert set(others) == {min(own + 3, 19), min(own + 13, 19)}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such policy")
async def test_the_consumer_and_its_workers_break_into_nobodys_time_slice(launch, table):
    fleet = await launch()
    await fleet.finished(await fleet.submit(table, kind="sales"))
    workers = fleet.consumer.workers()
    assert len(workers) >= 2  # and the one that draws
    for process in (fleet.consumer.process, *workers):
        assert os.sched_getscheduler(process.pid) == os.SCHED_BATCH
    assert os.sched_getscheduler(fleet.service.process.pid) == os.SCHED_OTHER

"""Two processes while the broker and they themselves are killed and queues go: nothing is lost, nothing done twice."""

from __future__ import annotations

import asyncio

import aio_pika
import pytest
from playwright.async_api import async_playwright, expect

from protocol.job import Job
from protocol.messages import CancelJob, ForgetJob, JobChanged, RetryJob, RunJob
from protocol.transports import open_transport
from tests.amqp.fleet import Fleet
from tests.page import visit
from tests.proxy import Proxy
from tests.rabbitmq import Node

JOBS_UNDER_LOAD = 200
MORE_THAN_IN_HAND = 80
MOST_GROWTH = 100 * 2**20  # bytes, of a consumer with much to do


async def results(fleet: Fleet, job_ids: list[str], *, within: float = 120) -> None:
    """Every job came out as it must, and each has sent its one mail."""
    jobs = await fleet.all_finished(job_ids, within=within)
    assert [job["state"] for job in jobs] == ["succeeded"] * len(jobs)
    assert {job["report"]["numbers"]["kept"] for job in jobs} == {7}
    await fleet.until(lambda: len(fleet.mails()) == len(job_ids), "a mail for each")


@pytest.mark.timeout(900)
async def test_a_broker_killed_under_load_loses_nothing(launch, node: Node, table: bytes):
    fleet = await launch(CHARTS="false")
    early = [await fleet.submit(table, kind="sales", email="a@example.org") for _ in range(JOBS_UNDER_LOAD // 2)]
    node.kill()
    late = [await fleet.submit(table, kind="sales", email="a@example.org") for _ in range(JOBS_UNDER_LOAD // 2)]
    status, parts = await fleet.readiness()
    assert (status, parts["database"]) == (503, "ok")
    assert "broker" in parts["transport"]
    node.start()
    await node.up()
    await results(fleet, early + late, within=240)
    noise = [line for side in fleet.sides for line in side.lines() if line.get("level") in {"warning", "error"}]
    assert len(noise) < 20, noise
    assert not [line for line in noise if line["logger"].startswith("aio")]
    await a_kill_while_nothing_is_to_do_is_survived_too(fleet, node, table, early + late)


async def a_kill_while_nothing_is_to_do_is_survived_too(
    fleet: Fleet, node: Node, table: bytes, done: list[str]
) -> None:
    node.kill()
    node.start()
    await node.up()
    await results(fleet, [*done, await fleet.submit(table, kind="sales", email="a@example.org")])


async def test_a_link_that_is_reset_in_the_middle_of_a_job_costs_it_nothing(
    launch, proxy: Proxy, url: str, big_table: bytes
):
    fleet = await launch(broker=proxy.through(url), CHUNK_SIZE="64KiB", WORKERS="1")
    job_id = await fleet.submit(big_table, kind="sales", email="a@example.org")
    await fleet.watch(job_id, lambda job: job["progress"]["bytes_done"] > 0)
    proxy.reset()
    job = await fleet.finished(job_id)
    assert [entry["state"] for entry in job["log"]] == ["queued", "running", "succeeded"]
    await fleet.until(lambda: len(fleet.mails()) == 1, "one mail")


async def test_a_service_killed_between_storing_and_publishing_publishes_when_it_is_back(
    launch, proxy: Proxy, url: str, table: bytes
):
    fleet = await launch(CHARTS="false")
    assert await fleet.service.stop() == 0
    fleet.service.settings["BROKER_URL"] = proxy.through(url)
    await fleet.start_service()
    proxy.freeze()
    job_id = await fleet.submit(table, kind="sales", email="a@example.org")
    await fleet.service.kill()
    proxy.reset()  # what was on its way is lost
    proxy.thaw()
    assert fleet.mails() == []
    await fleet.start_service()
    await results(fleet, [job_id])


async def test_a_service_killed_between_an_event_and_its_acknowledgement_hears_of_it_again(
    launch, url: str, table: bytes
):
    fleet = await launch(CHARTS="false")
    slow = {"value_column": "revenue", "simulate_seconds": 1}
    job_id = await fleet.submit(table, kind="summary", params=slow, email="a@example.org")
    await fleet.until(lambda: fleet.is_in(job_id, "running"), "running")
    fleet.service.pause()
    await fleet.until(lambda: len(fleet.mails()) == 1, "the end, of which the service was told")
    await fleet.service.kill()
    await fleet.start_service()
    job = await fleet.finished(job_id)
    assert [entry["state"] for entry in job["log"]] == ["queued", "running", "succeeded"]
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await fleet.until(lambda: waiting(channel, 0, "rowmill.service.v1"), "all heard")
    assert len(fleet.mails()) == 1


async def test_both_sides_wait_for_a_broker_that_is_not_there_yet(launch, node: Node, table: bytes):
    node.kill()
    fleet = await launch(wait=False)
    await fleet.until(lambda: all("not reached" in side.log() for side in fleet.sides), "a line each")
    node.start()
    await node.up()
    await fleet.ready()
    await results(fleet, [await fleet.submit(table, kind="sales", email="a@example.org")])


async def test_queues_deleted_with_what_is_in_them_lose_nothing(launch, node: Node, url: str, table: bytes):
    fleet = await launch(CHARTS="false")
    await fleet.consumer.stop()
    job_ids = [await fleet.submit(table, kind="sales", email="a@example.org") for _ in range(3)]
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await fleet.until(lambda: waiting(channel, 3), "three messages")
        await channel.queue_delete("rowmill.jobs.v1")
        await fleet.consumer.start()
        await channel.queue_delete("rowmill.service.v1")
        await results(fleet, job_ids)
    fresh = await fleet.submit(table, kind="sales", email="a@example.org")
    await results(fleet, [*job_ids, fresh])


async def waiting(channel: aio_pika.abc.AbstractChannel, count: int, name: str = "rowmill.jobs.v1") -> bool:
    queue = await channel.declare_queue(name, passive=True)
    return queue.declaration_result.message_count == count


async def test_killed_processes_go_on_where_they_were(launch, big_table: bytes):
    fleet = await launch(CHUNK_SIZE="64KiB", WORKERS="1")
    job_id = await fleet.submit(big_table, kind="sales", email="a@example.org")
    await fleet.watch(job_id, lambda job: job["progress"]["bytes_done"] > job["progress"]["bytes_total"] / 3)
    await asyncio.gather(*(side.kill() for side in fleet.sides))
    await fleet.start()
    job = await fleet.finished(job_id)
    assert (job["state"], job["attempt"]) == ("succeeded", 1)
    assert any("chunks were done before" in entry["reason"] for entry in job["log"])
    await fleet.until(lambda: len(fleet.mails()) == 1, "one mail")


async def test_messages_that_come_twice_late_or_in_any_order_do_no_harm(launch, url: str, table: bytes):
    fleet = await launch(CHARTS="false")
    kept, gone = [
        await fleet.finished(await fleet.submit(table, kind="sales", email="a@example.org")) for _ in range(2)
    ]
    await fleet.until(lambda: len(fleet.mails()) == 2, "two mails")
    assert await fleet.ask("DELETE", gone["id"]) == 204
    before = await fleet.job(kept["id"])
    begun = [Job.model_validate(job | {"version": 0, "state": "queued", "log": job["log"][:1]}) for job in (kept, gone)]
    ended = [Job.model_validate(job) for job in (kept, gone)]
    async with open_transport(url) as transport:
        for job in (*begun, *ended, *begun):
            await transport.publish(RunJob(job=job))
            await transport.publish(RetryJob(job=job))
            await transport.publish(JobChanged(job=job))
        await transport.publish(CancelJob(job=begun[0]))
        await transport.publish(ForgetJob(job=ended[1]))
    after = await fleet.finished(await fleet.submit(table, kind="sales"))
    assert after["state"] == "succeeded"
    assert await fleet.job(kept["id"]) == before
    assert await fleet.ask("GET", gone["id"]) == 404
    assert len(fleet.mails()) == 2


async def test_a_cancel_of_a_job_that_nobody_has_taken_holds(launch, table: bytes, big_table: bytes):
    fleet = await launch(CHARTS="false", CHUNK_SIZE="64KiB", WORKERS="1")
    await fleet.consumer.stop()
    job_id = await fleet.submit(big_table, kind="sales", email="a@example.org")
    assert await fleet.ask("POST", job_id, "/cancel") == 202
    await fleet.consumer.start()
    assert (await fleet.finished(job_id))["state"] == "cancelled"
    after = await fleet.finished(await fleet.submit(table, kind="sales"))
    assert after["state"] == "succeeded"
    assert (await fleet.job(job_id))["state"] == "cancelled"
    assert fleet.mails() == []


async def test_no_message_is_held_while_jobs_run_however_many_and_long(launch, node: Node, table: bytes):
    """The broker would end a link that holds one for longer than consumer_timeout: jobs here take longer than that."""
    await node.control("eval", "application:set_env(rabbit, consumer_timeout, 8000).")
    try:
        fleet = await launch(CHARTS="false", WORKERS="2")
        at_rest = fleet.consumer.memory
        slow = {"value_column": "revenue", "simulate_seconds": 12}
        jobs = [await fleet.submit(table, kind="summary", params=slow)]
        quick = slow | {"simulate_seconds": 0.1}
        jobs += [await fleet.submit(table, kind="summary", params=quick) for _ in range(MORE_THAN_IN_HAND)]
        for job in await fleet.all_finished(jobs):
            assert job["state"] == "succeeded"
            assert [entry["state"] for entry in job["log"]] == ["queued", "running", "succeeded"]
        assert fleet.consumer.memory < at_rest + MOST_GROWTH
        said = [line["message"] for line in fleet.consumer.lines() if "transports" in line["logger"]]
        assert not [line for line in said if "anew" in line or "not reached" in line], said
    finally:
        await node.control("eval", "application:set_env(rabbit, consumer_timeout, 20000).")


async def test_a_second_consumer_or_service_with_a_database_of_its_own_is_refused(launch, table: bytes):
    fleet = await launch()
    other = await launch(wait=False)
    for side in other.sides:
        await fleet.until(lambda side=side: not side.running, "refused")
        assert await side.stop() == 2
        assert f"another {side.name} with a database of its own" in side.log()
    assert (await fleet.finished(await fleet.submit(table, kind="sales")))["state"] == "succeeded"


async def test_the_page_takes_a_table_while_the_broker_is_down_and_goes_on_by_itself(launch, node: Node, table: bytes):
    fleet = await launch(CHARTS="false")
    async with async_playwright() as playwright:
        browser = await visit.launch(playwright)
        page = await browser.new_page()
        page.set_default_timeout(visit.SLOW)
        await page.goto(fleet.url)
        node.kill()
        await page.set_input_files("#file", {"name": "patient.csv", "mimeType": "text/csv", "buffer": table})
        await page.check("#kind-sales")
        await page.click("#start")
        await page.wait_for_url("**/jobs/*")
        await expect(page.locator("main")).to_have_attribute("data-state", "queued")
        await expect(page.locator("#link")).to_have_attribute("data-link", "live")
        await page.evaluate("window.same = true")
        node.start()
        await node.up()
        await expect(page.locator("main")).to_have_attribute("data-state", "succeeded", timeout=2 * visit.SLOW)
        assert await page.evaluate("window.same")
        await browser.close()

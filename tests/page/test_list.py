"""The list of jobs: found, filtered, shared by its address, and acted on as a whole."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.page.visit import SALES, VALUES, Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")
SMALL = "region,value_column\nNorth,1\n"
Table = Callable[..., Path]
Visitor = Callable[..., AbstractAsyncContextManager[Visit]]


async def test_a_filtered_list_can_be_shared_and_gone_back_from_and_the_chosen_file_stays(
    guest: Visit, visitor: Visitor, table: Table
) -> None:
    good = await guest.post(SALES, "Alpen Mai.csv", "sales")
    bad = await guest.post(SALES, "alpen juni.csv", "profile")
    await guest.post(SALES, "meer.csv", "sales")
    page = await guest.open()
    await page.set_input_files("#file", table())
    await page.fill("#q", "ALPEN")
    await expect(page.locator(".job")).to_have_count(2)
    await page.select_option("#find [name=kind]", "sales")
    await expect(page.locator(".job")).to_have_count(1)
    await expect(page.locator(f"#job-{good}")).to_be_visible()
    async with visitor() as other:
        await other.open(page.url.removeprefix(guest.server.url))
        await expect(other.page.locator(".job")).to_have_count(1)
        await expect(other.page.locator("#q")).to_have_value("ALPEN")
        await expect(other.page.locator("#find [name=kind]")).to_have_value("sales")
    await page.click(".filter >> text=Cancelled")
    await expect(page.locator("#no-jobs")).to_be_visible()
    assert "q=ALPEN" in page.url
    await page.go_back()
    await expect(page.locator(f"#job-{good}")).to_be_visible()
    await page.select_option("#find [name=kind]", "")
    await page.select_option("#find [name=since]", "1h")
    await expect(page.locator(f"#job-{bad}")).to_be_visible()
    await expect(page.locator("#file-name")).to_have_text("sales.csv")


async def test_all_jobs_of_a_list_are_cancelled_and_deleted_after_their_number_was_said(guest: Visit) -> None:
    for name in ("many 1.csv", "many 2.csv", "many 3.csv"):
        await guest.post(VALUES, name, "summary", value_column="value", simulate_seconds=600)
    spared = await guest.post(VALUES, "spared.csv", "summary", value_column="value")
    page = await guest.open("/?q=many")
    await expect(page.locator(".job")).to_have_count(3)
    await page.click("#bulk summary")
    await page.click("[data-bulk=cancel]")
    await expect(page.locator("#sure-title")).to_have_text("Cancel 3 jobs?")
    await page.keyboard.press("Enter")  # the safe answer has the focus
    await expect(page.locator("#announce")).to_have_text("Nothing was changed.")
    await page.click("#bulk summary")
    await page.click("[data-bulk=cancel]")
    await page.click("#sure-yes")
    await expect(page.locator(".job[data-state=cancelled]")).to_have_count(3)
    await page.click("#bulk summary")
    await page.click("[data-bulk=delete]")
    await expect(page.locator("#sure-title")).to_have_text("Delete 3 jobs?")
    await page.click("#sure-yes")
    await expect(page.locator("#no-jobs")).to_be_visible()
    await page.click("#bulk summary")
    await page.click("[data-bulk=retry]")
    await expect(page.locator("#bulk-problem")).to_have_text("There is no such job among these.")
    assert spared in guest.jobs()


async def test_single_keys_lead_around_and_can_be_turned_off(guest: Visit) -> None:
    newest = await guest.post(SALES, "keys.csv", "sales")
    page = await guest.open()
    keys = page.keyboard
    await expect(page.locator(f"#job-{newest}")).to_be_visible()
    await keys.press("?")
    await expect(page.locator("#keys")).to_be_visible()
    await keys.press("Escape")
    await expect(page.locator("#keys")).to_be_hidden()
    await keys.press("/")
    await keys.type("keys.csv?")  # into the field: no help opens
    await expect(page.locator("#q")).to_have_value("keys.csv?")
    await expect(page.locator("#keys")).to_be_hidden()
    await keys.press("Backspace")
    await expect(page.locator(".job")).to_have_count(1)
    await page.locator("#q").blur()
    await keys.press("j")
    await keys.press("Enter")
    await page.wait_for_url(f"**/jobs/{newest}")
    await guest.see_state("succeeded")
    await keys.press("u")
    await page.wait_for_url(f"{guest.server.url}/")
    await keys.press("?")
    await page.uncheck("#keys-on")
    await keys.press("Escape")
    await page.reload()
    await keys.press("?")
    await page.click("#keys-open")
    await expect(page.locator("#keys-on")).not_to_be_checked()


async def test_without_scripts_the_list_is_found_through_as_well(guest: Visit, visitor: Visitor) -> None:
    job_id = await guest.post(SALES, "quiet harbour.csv", "sales")
    async with visitor(java_script_enabled=False) as other:
        page = await other.open()
        await page.fill("#q", "harbour")
        await page.click("#find button")
        await expect(page.locator(".job")).to_have_count(1)
        await expect(page.locator(f"#job-{job_id}")).to_be_visible()


async def test_a_job_that_leaves_the_list_takes_the_focus_from_no_other(guest: Visit) -> None:
    below, above = [await guest.post(SMALL, f"focus {which}.csv", "summary") for which in ("below", "above")]
    page = await guest.open("/?q=focus")
    await expect(page.locator(".job[data-state=succeeded]")).to_have_count(2)
    await page.focus(f"#job-{below} a")
    await page.request.delete(f"{guest.server.url}/v1/jobs/{above}")
    await expect(page.locator(".job")).to_have_count(1)
    await expect(page.locator(f"#job-{below} a")).to_be_focused()


async def test_two_hundred_jobs_come_and_go_in_the_list_and_none_is_lost(guest: Visit) -> None:
    page = await guest.open("/?q=swarm")
    await expect(page.locator("#link")).to_have_attribute("data-link", "live")
    await page.evaluate("window.same = true")
    for ten in range(0, 190, 10):
        some = (guest.post(SMALL, f"swarm {number}.csv", "summary") for number in range(ten, ten + 10))
        await asyncio.gather(*some)
    for number in range(190, 200):  # one after the other, so that their order is known
        await guest.post(SMALL, f"swarm {number}.csv", "summary")
    await expect(page.locator(".job[data-state=succeeded]")).to_have_count(30)  # a page of them, all at rest
    await expect(page.locator(".job-name a").first).to_have_text("swarm 199.csv")
    await page.click("#list [rel=next]")
    await expect(page.locator(".job-name a").first).to_have_text(re.compile(r"swarm 16\d\.csv"))
    assert await page.evaluate("window.same")
    await page.click("#list >> text=Newest jobs")
    await expect(page.locator(".job-name a").first).to_have_text("swarm 199.csv")

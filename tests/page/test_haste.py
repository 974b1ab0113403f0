"""An impatient visitor: clicks again, saves the file once more, drops all files at once."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from tests.page.visit import SALES, Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")
Table = Callable[..., Path]
Visitor = Callable[..., AbstractAsyncContextManager[Visit]]
LARGE = SALES + "West,D,70,7,0.15\n" * 600_000  # sent in parts

READS_ON = """() => {  // as Firefox does, where others read no file that was saved anew
  Blob.prototype.arrayBuffer = async () => new TextEncoder().encode("another\\n").buffer;
}"""
DROP_TWO = """() => {
  const dataTransfer = new DataTransfer();
  for (const name of ["first.csv", "second.csv"]) dataTransfer.items.add(new File(["a,b\\n1,2\\n"], name));
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
}"""
DROP_WORDS = """() => {
  const dataTransfer = new DataTransfer();
  dataTransfer.setData("text/plain", "ann@example.org");
  const drop = new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true});
  return document.getElementById("email").dispatchEvent(drop);  // false where the browser may not write them
}"""


async def test_whoever_clicks_again_while_the_next_page_is_on_its_way_starts_no_other_job(
    guest: Visit, table: Table
) -> None:
    name, waiting = "clicked again.csv", asyncio.Event()

    async def hold(route: Route) -> None:
        waiting.set()
        await asyncio.sleep(1)
        await route.continue_()

    await guest.fill(table(SALES, name), "sales")
    await guest.page.route(re.compile(r":\d+/jobs/\w{32}$"), hold)
    await guest.page.evaluate("setInterval(() => document.getElementById('start').click(), 50)")
    await asyncio.wait_for(waiting.wait(), 60)
    await guest.page.wait_for_url("**/jobs/*")
    assert sum(guest.job(one)["source"]["name"] == name for one in guest.jobs()) == 1


async def test_what_is_filled_in_before_the_script_is_there_is_not_lost(guest: Visit, table: Table) -> None:
    page, go_on = guest.page, asyncio.Event()

    async def hold(route: Route) -> None:
        await go_on.wait()
        await route.continue_()

    await page.route("**/rowmill.js", hold)
    await page.goto(guest.server.url, wait_until="commit")
    await page.set_input_files("#file", table())
    await page.check("#kind-sales")
    await page.fill("#f-sales-sigma", "7")
    await page.press("#f-sales-sigma", "Enter")
    await expect(page.locator("#start")).to_be_disabled()
    go_on.set()
    await page.click("#start")
    await page.wait_for_url("**/jobs/*")
    assert guest.job(page.url.rsplit("/", 1)[1])["params"]["sigma"] == 7


@pytest.mark.parametrize("text", [SALES, LARGE], ids=["small", "large"])
async def test_a_file_that_was_saved_again_since_it_was_chosen_is_told_from_a_lost_link(
    visitor: Visitor, table: Table, text: str
) -> None:
    async with visitor() as guest:  # whose console tells of it
        page, path = guest.page, table(text, "saved again.csv")
        await guest.fill(path, "sales")
        await guest.see("#preview:not([hidden])")
        path.write_text(text.replace("\n", "\nWest,Extra,80,8,0.15\n", 1))
        os.utime(path, (later := path.stat().st_mtime + 60, later))  # browsers look at whole seconds
        await page.click("#start")
        await expect(page.locator("#problem-title")).to_have_text("The file is not as it was chosen")
        await expect(page.locator("#problem-list a")).to_have_attribute("href", "#file")
        await expect(page.locator("#preview")).to_be_hidden()
        await page.set_input_files("#file", path)
        await guest.see("#preview:not([hidden])")
        await page.click("#start")
        await guest.see_state("succeeded")


@pytest.mark.parametrize("text", [SALES, LARGE], ids=["small", "large"])
async def test_nothing_is_sent_of_a_file_that_was_saved_again_where_the_browser_reads_on_in_it(
    guest: Visit, table: Table, text: str
) -> None:
    await guest.fill(table(text, "saved again.csv"), "sales")
    await guest.see("#preview:not([hidden])")
    before = guest.jobs()
    await guest.page.evaluate(READS_ON)
    await guest.page.click("#start")
    await expect(guest.page.locator("#problem-title")).to_have_text("The file is not as it was chosen")
    await expect(guest.page.locator("#file-name")).to_have_text("Drop a table here, or choose a file")
    assert not [url for url in guest.asked if url.endswith(("/v1/jobs", "/v1/uploads"))]
    assert guest.jobs() == before


async def test_a_file_that_is_saved_again_while_it_is_sent_is_why_it_is_refused(visitor: Visitor, table: Table) -> None:
    async def refuse(route: Route) -> None:
        await guest.page.evaluate(READS_ON)
        await route.fulfill(
            status=400, json={"type": "/problems/malformed", "title": "Malformed", "detail": "Cut off."}
        )

    async with visitor() as guest:
        await guest.page.route("**/v1/jobs", refuse)
        await guest.fill(table(), "sales")
        await guest.page.click("#start")
        await expect(guest.page.locator("#problem-title")).to_have_text("The file is not as it was chosen")


async def test_what_was_seen_of_one_file_is_not_shown_of_the_next_when_the_link_is_lost(
    visitor: Visitor, table: Table
) -> None:
    async with visitor() as guest:
        await guest.fill(table(), "sales")
        await guest.see("#preview:not([hidden])")
        await guest.page.route("**/v1/preview", lambda route: route.abort())
        await guest.page.set_input_files("#file", table("a,b\n1,2\n", "next.csv"))
        await expect(guest.page.locator("#preview")).to_be_hidden()


async def test_of_several_files_the_first_is_taken_and_that_is_said(guest: Visit) -> None:
    page = await guest.open()
    await page.evaluate(DROP_TWO)
    await expect(page.locator("#file-name")).to_have_text("first.csv")
    await expect(page.locator("#file-facts")).to_contain_text("the first of 2 files; the others are not sent")


async def test_words_can_be_dropped_into_a_field(guest: Visit) -> None:
    page = await guest.open()
    assert await page.evaluate(DROP_WORDS)


async def test_a_further_address_is_not_at_fault_for_the_first(guest: Visit) -> None:
    page = await guest.open()
    await page.fill("#email", "nobody")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    further = page.locator("#email-1")
    await expect(further).to_be_focused()
    await expect(further).not_to_have_attribute("aria-invalid", "true")
    await page.keyboard.type("ann@example.org")
    await expect(page.locator("[data-pointer='/email'] .fault")).to_have_text("This is not one e-mail address.")

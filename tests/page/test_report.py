"""The page of a job as something to work with: its rejects, its charts, on paper, and over broken links."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.page.visit import SALES, VALUES, Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")
Table = Callable[..., Path]
Visitor = Callable[..., AbstractAsyncContextManager[Visit]]
DIRTY = SALES + "".join(f"West,{n},bad{n},5,0.1\n" for n in range(300))


async def test_rows_left_out_are_turned_page_by_page_and_searched_where_they_stand(guest: Visit) -> None:
    await guest.open(f"/jobs/{await guest.post(DIRTY, 'dirty.csv', 'sales')}")
    page = guest.page
    await guest.see_state("succeeded")
    rows = page.locator("#reject-rows tbody tr")
    await expect(rows).to_have_count(50)
    await page.click("#reject-rows [rel=next]")
    await expect(rows.first).to_contain_text("bad47")
    await page.fill("form[data-rejects] [name=q]", "BAD29")
    await expect(rows).to_have_count(11)  # bad29 and bad290 to bad299
    await page.select_option("form[data-rejects] [name=reason]", "revenue: missing")
    await expect(rows).to_have_text(["No rows"])
    await page.fill("form[data-rejects] [name=q]", "")
    await expect(rows).to_have_count(1)
    await expect(rows.first).to_contain_text("9")
    assert "/rejects" not in page.url


async def test_rows_left_out_are_listed_and_searched_while_the_job_runs(guest: Visit) -> None:
    head, _, rest = VALUES.partition("\n")
    text = f"{head}\nWest,bad\nWest,worse\n{rest * 4}"  # left out in the first of many chunks
    job_id = await guest.post(text, "running.csv", "summary", value_column="value", simulate_seconds=400)
    await guest.open(f"/jobs/{job_id}")
    page = guest.page
    rows = page.locator("#reject-rows tbody tr")
    await expect(rows).to_have_text([re.compile("2value: not_a_number.*bad"), re.compile("3value.*worse")])
    await page.fill("form[data-rejects] [name=q]", "worse")
    await expect(rows).to_have_count(1)
    await expect(page.locator("main")).to_have_attribute("data-state", "running")
    await page.click("[data-act=cancel]")
    await guest.see_state("cancelled")
    await page.click("[data-act=delete]")
    await page.click("#sure-yes")
    await page.wait_for_url(re.compile(r"/$"))


async def test_a_choice_outlasts_the_moment_in_which_the_rows_left_out_are_joined(guest: Visit) -> None:
    head, _, rest = VALUES.partition("\n")
    text = f"{head}\nWest,bad\nWest,1e999\n{rest * 4}"
    job_id = await guest.post(text, "joined.csv", "summary", value_column="value", simulate_seconds=400)
    await guest.open(f"/jobs/{job_id}")
    page = guest.page
    reasons = page.locator("form[data-rejects] [name=reason]")
    rows = page.locator("#reject-rows tbody tr")
    await expect(rows).to_have_count(2)
    await reasons.select_option("value: not_finite")
    await expect(rows).to_have_count(1)
    (pieces,) = guest.server.files.rglob(f"*{job_id}*/**/work/rejected")
    away = pieces.rename(pieces.with_name("away"))
    async with page.expect_response(page.url) as again:
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert "reject-rows" not in await (await again.value).text()
    await expect(page.locator("main")).to_have_attribute("data-state", "running")
    await expect(reasons).to_have_value("value: not_finite")
    await expect(rows).to_have_count(1)
    away.rename(pieces)
    await page.click("[data-act=cancel]")
    await guest.see_state("cancelled")
    await page.click("[data-act=delete]")
    await page.click("#sure-yes")
    await page.wait_for_url(re.compile(r"/$"))


async def test_whoever_types_as_the_job_ends_goes_on_typing(guest: Visit) -> None:
    head, _, rest = VALUES.partition("\n")
    text = f"{head}\nWest,bad\nWest,worse\n{rest}"
    job_id = await guest.post(text, "typed.csv", "summary", value_column="value", simulate_seconds=9)
    await guest.open(f"/jobs/{job_id}")
    page = guest.page
    await guest.see("#reject-rows")
    await page.type("form[data-rejects] [name=q]", "wor")
    await page.evaluate("document.activeElement.mine = true")
    await guest.see_state("succeeded")
    await page.keyboard.type("se")
    await expect(page.locator("form[data-rejects] [name=q]")).to_have_value("worse")
    await expect(page.locator("#reject-rows tbody tr")).to_have_count(1)
    assert await page.evaluate("document.activeElement.mine")


async def test_reasons_that_come_up_later_can_be_chosen_and_what_was_chosen_stays(guest: Visit) -> None:
    head, _, rest = VALUES.partition("\n")
    text = f"{head}\nWest,1e999\n{rest}West,worse\n"  # the last reason, but the first in the list
    job_id = await guest.post(text, "reasons.csv", "summary", value_column="value", simulate_seconds=9)
    await guest.open(f"/jobs/{job_id}")
    page = guest.page
    reasons = page.locator("form[data-rejects] [name=reason]")
    await reasons.select_option("value: not_finite")
    await expect(reasons.locator("option")).to_have_text(["Any reason", "value: not_finite"])
    await guest.see_state("succeeded")
    await expect(reasons.locator("option")).to_have_text(["Any reason", "value: not_a_number", "value: not_finite"])
    await expect(reasons).to_have_value("value: not_finite")
    await reasons.select_option("value: not_a_number")
    await expect(page.locator("#reject-rows tbody tr")).to_have_count(1)


async def test_rows_that_come_are_not_read_aloud_but_how_many_were_found_is(guest: Visit) -> None:
    await guest.open(f"/jobs/{await guest.post(DIRTY, 'spoken.csv', 'sales')}")
    await guest.see_state("succeeded")
    assert await guest.page.locator("main [aria-live]").count() == 0
    await guest.page.fill("form[data-rejects] [name=q]", "BAD29")
    await expect(guest.page.locator("#announce")).to_have_text("Rows shown: 11")
    await guest.page.fill("form[data-rejects] [name=q]", "nowhere")
    await expect(guest.page.locator("#announce")).to_have_text("Rows shown: 0")


async def test_without_scripts_rows_left_out_have_a_page_of_their_own(guest: Visit, visitor: Visitor) -> None:
    job_id = await guest.post(DIRTY, "dirty.csv", "sales")
    async with visitor(java_script_enabled=False) as other:
        page = await other.open(f"/jobs/{job_id}")
        await other.see_state("succeeded")
        await page.fill("form[data-rejects] [name=q]", "bad299")
        await page.click("form[data-rejects] button")
        await expect(page.locator("#reject-rows tbody tr")).to_have_count(1)
        await page.click("text=dirty.csv")
        await page.click("#reject-rows [rel=next]")
        await expect(page.locator("#reject-rows tbody tr").first).to_contain_text("bad47")


async def test_what_a_chart_shows_is_chosen_by_mouse_and_keyboard(guest: Visit) -> None:
    await guest.open(f"/jobs/{await guest.post(SALES, 'chart.csv', 'sales')}")
    page = guest.page
    await guest.see_state("succeeded")
    bars = page.locator(".plot:not(.fresh) path[aria-roledescription=bar]")
    await expect(bars).to_have_count(4)
    await page.click(".series summary")
    await page.click(".series button >> text=East")
    await expect(bars).to_have_count(3)
    await expect(page.locator(".series button", has_text="East")).to_have_attribute("aria-pressed", "false")
    await page.keyboard.press("Enter")
    await expect(bars).to_have_count(4)


async def test_a_reload_while_the_job_runs_loses_nothing(guest: Visit, table: Table) -> None:
    job_id = await guest.send(table(VALUES), "summary", value_column="value", simulate_seconds="20")
    await guest.see("#result.partial .so-far")
    await guest.page.reload()
    await guest.see_state("succeeded")
    await expect(guest.page.locator("#account")).to_have_text("3,000 rows read: 3,000 used.")
    assert guest.page.url.endswith(job_id)


async def test_on_paper_the_report_is_whole_and_nothing_is_there_to_be_clicked(guest: Visit) -> None:
    await guest.open(f"/jobs/{await guest.post(DIRTY, 'paper.csv', 'sales')}")
    page = guest.page
    await guest.see_state("succeeded")
    await guest.see_drawn()
    await page.emulate_media(media="print", color_scheme="dark")
    for clickable in ("[data-act=delete]", "form[data-rejects]", ".series", "#keys-open", "[data-amend]", ".pages"):
        await expect(page.locator(clickable).first).to_be_hidden()
    for kept in ("h1", "#headline", ".plot svg", "#table-1", "#reject-rows", "#findings", "#log"):
        await expect(page.locator(kept).first).to_be_visible()
    cut = "all => all.filter(one => one.scrollHeight > one.clientHeight + 1).length"
    assert await page.locator(".scroll").evaluate_all(cut) == 0
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert (await page.pdf())[:5] == b"%PDF-"

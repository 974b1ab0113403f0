"""Every screen is held against WCAG 2.2 AA by axe-core."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.page.visit import SALES, VALUES, Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")
Table = Callable[..., Path]
Visitor = Callable[..., AbstractAsyncContextManager[Visit]]
LONG = VALUES + VALUES.partition("\n")[2] * 3
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOURS = {"runOnly": ["color-contrast"]}
LARGE = {**RULES, "rules": {"color-contrast": {"enabled": False}}}  # slow there, and looked at in test_page
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 320, "height": 640}


# The grounds of the choices of one question, and the lines below the names of states: in forced colours only some stay.
TOLD = """() => {
  const style = (selector, what) => [...document.querySelectorAll(selector)].map((one) => getComputedStyle(one)[what]);
  return [style("[name=read-delimiter] + span", "backgroundColor"), style(".filter a", "borderBottomColor")];
}"""


async def faults(guest: Visit, screen: str) -> list[str]:
    """What axe finds on this screen in the light, in the dark and on a phone."""
    page = guest.page
    found = [await look(guest, RULES)]
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    found.append(await look(guest, COLOURS))
    await page.set_viewport_size(PHONE)
    found.append(await look(guest, RULES))
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    await page.set_viewport_size(DESK)
    assert len(found[0]["passes"]) > 10, screen
    return [fault for each in found for fault in told(screen, each)]


def told(screen: str, found: Any) -> list[str]:
    return [
        f"{screen}: {one['id']} {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


async def look(guest: Visit, rules: Any) -> Any:
    return (await Axe().run(guest.page, options=rules)).response


async def test_no_screen_has_a_fault_that_axe_can_find(visitor: Visitor, table: Table) -> None:
    async with visitor(viewport=DESK) as guest:
        page, found = guest.page, list[str]()
        running = await guest.post(LONG, "running.csv", "summary", value_column="value", simulate_seconds=240)
        done = [await guest.post(SALES, "sales.csv", kind) for kind in ("sales", "profile")]
        await guest.fill(table(SALES.replace("quantity", "pieces")), "sales")
        await guest.see("#file-columns .lacking")
        await page.fill("#f-sales-sigma", "-1")
        await page.click("text=Call a program when it is done")
        await guest.see("[data-pointer='/params/sigma'] .fault")
        found += told("checked", await look(guest, RULES))
        await page.click("#start")
        await guest.see("#problem:not([hidden])")
        found += await faults(guest, "refused")
        await page.click("#bulk summary")
        found += told("menu", await look(guest, RULES))
        await page.evaluate("document.getElementById('keys').showModal()")
        found += told("shortcuts", await look(guest, RULES))
        await guest.open(f"/jobs/{running}")
        await guest.see("#result.partial")
        found += await faults(guest, "running")
        await page.click("[data-act=cancel]")
        await guest.see_state("cancelled")
        await page.click("[data-act=delete]")
        found += told("sure", await look(guest, RULES))
        for job_id in done:
            await guest.open(f"/jobs/{job_id}")
            await guest.see_state("succeeded")
            await guest.see_drawn()
            found += told(job_id, await look(guest, LARGE))
            await page.set_viewport_size(PHONE)
            found += told(job_id, await look(guest, LARGE))
            await page.set_viewport_size(DESK)
        for path in ("/?q=sales", "/jobs/none", "/records/users", f"/jobs/{done[0]}/rejects", "/docs"):
            await guest.open(path)
            found += told(path, await look(guest, LARGE))
        assert not found, "\n".join(found)


async def test_in_forced_colours_what_is_chosen_and_how_far_a_job_is_stays_seen(visitor: Visitor, table: Table) -> None:
    async with visitor(forced_colors="active") as guest:
        page = guest.page
        await guest.fill(table(), "sales")
        await guest.see("[name=read-delimiter]:checked")
        grounds, lines = await page.evaluate(TOLD)
        assert grounds.count(grounds[0]) == 1  # the comma's
        assert lines.count(lines[0]) == 1  # that of all jobs
        job_id = await guest.post(LONG, "forced.csv", "summary", value_column="value", simulate_seconds=60)
        await guest.open(f"/jobs/{job_id}")
        await guest.see("#progress progress[value]")
        bar = page.locator("#progress progress")
        await bar.evaluate("bar => { bar.style.transition = 'none'; bar.value = 1; }")
        full = await bar.screenshot()
        await bar.evaluate("bar => (bar.value = 0)")
        assert full != await bar.screenshot()
        await page.click("[data-act=cancel]")

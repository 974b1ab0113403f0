"""From a finished job's page to the next one's: rows put right, and rows that follow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.page.visit import SALES, Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")
Table = Callable[..., Path]
HEADER = "rejected_line,region,product,revenue,quantity,discount\n"
UNKNOWN = HEADER + "7,East,B,1,1,0\n"
REPAIRED = HEADER + "8,West,A,50,5,0.10\n"


async def see_sum(guest: Visit, text: str) -> None:
    await guest.see_state("succeeded")
    await expect(guest.page.locator("#account")).to_have_text(text)


async def test_rows_are_repaired_and_appended_from_the_page_of_a_job(
    visitor: Callable[..., AbstractAsyncContextManager[Visit]], table: Table
) -> None:
    async with visitor() as guest:  # whose console tells of the refusal
        page, first = guest.page, await guest.send(table())
        await see_sum(guest, "10 rows read: 7 used, 3 left out.")
        await page.set_input_files("#repairs-file", table(UNKNOWN, "fixed.csv"))
        await expect(page.locator("#repairs-problem")).to_contain_text("line 7 of the table, which was not rejected")
        await page.set_input_files("#repairs-file", table(REPAIRED, "fixed.csv"))
        await page.wait_for_url(lambda url: not url.endswith(first))
        await see_sum(guest, "10 rows read: 8 used, 2 left out.")
        await expect(page.locator(".facts")).to_contain_text("repaired with fixed.csv, after an earlier job")
        second = page.url
        await page.set_input_files("#additions-file", table(SALES, "more.csv"))
        await page.wait_for_url(lambda url: url != second)
        await see_sum(guest, "20 rows read: 15 used, 5 left out.")
        await expect(page.locator("h1")).to_have_text("sales.csv")


async def test_without_scripts_a_repaired_file_is_sent_and_judged_all_the_same(
    visitor: Callable[..., AbstractAsyncContextManager[Visit]], table: Table
) -> None:
    async with visitor(java_script_enabled=False) as guest:
        page, first = await guest.open(), ""
        await page.check("#kind-sales")
        await page.set_input_files("#file", table())
        await page.click("#new .primary:visible")
        await page.wait_for_url("**/jobs/*")
        await guest.see_state("succeeded")
        first = page.url
        for text in (UNKNOWN, REPAIRED):
            await page.set_input_files("#repairs-file", table(text, "fixed.csv"))
            await page.click("[data-amend=repairs] button")
            if text is UNKNOWN:
                await expect(page.locator("#repairs-problem")).to_contain_text("which was not rejected")
        await page.wait_for_url(lambda url: not url.startswith(first))
        await see_sum(guest, "10 rows read: 8 used, 2 left out.")

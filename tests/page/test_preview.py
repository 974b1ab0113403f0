"""What the page finds in a table before it is sent, and what the visitor makes of that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.page.visit import SALES, Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")
Table = Callable[..., Path]
FOREIGN = "Gebiet;Umsatz;Menge;Rabatt\nNord;100;10;0.1\nSüd;80;10;0.05\n"
MEANT = {"region": "Gebiet", "revenue": "Umsatz", "quantity": "Menge", "discount": "Rabatt"}


async def test_the_first_rows_are_shown_as_found_and_one_click_reads_them_in_another_way(
    guest: Visit, table: Table
) -> None:
    await guest.fill(table(FOREIGN, "gebiete.csv"), "profile")
    page = guest.page
    await expect(page.locator("#preview-rows th")).to_have_text(["Line", "Gebiet", "Umsatz", "Menge", "Rabatt"])
    await expect(page.locator("#preview-rows tbody tr").first).to_have_text("2Nord100100.1")
    await expect(page.get_by_role("radio", name="; semicolon")).to_be_checked()
    await expect(page.locator("#why-delimiter")).to_have_text("the only one in the header")
    await expect(page.locator("#as-found")).to_be_hidden()
    await page.get_by_text("is data").click()
    await expect(page.locator("#preview-rows tbody tr").first).to_have_text("1GebietUmsatzMengeRabatt")
    await page.locator(".segments label", has_text="|").click()
    await expect(page.locator("#preview-rows th")).to_have_text(["Line", "column_1"])
    await page.click("#as-found")
    await expect(page.locator("#preview-rows th")).to_have_count(5)
    await expect(page.get_by_role("radio", name="; semicolon")).to_be_checked()


async def test_columns_are_mapped_and_the_next_file_with_this_header_is_read_alike(guest: Visit, table: Table) -> None:
    page = guest.page
    await guest.fill(table(FOREIGN, "gebiete.csv"), "sales")
    await expect(page.locator("#file-columns .lacking")).to_have_count(4)
    for name, column in MEANT.items():
        await page.select_option(f"[data-need={name}]", column)
    await expect(page.locator("#file-columns .used")).to_have_text([*MEANT.values()])
    await page.click("#start")
    await guest.see_state("succeeded")
    assert guest.job(page.url.rsplit("/", 1)[1])["reading"]["columns"] == MEANT
    await expect(page.locator("#settings dd", has_text="Umsatz")).to_contain_text("revenue")
    await guest.fill(table(FOREIGN + "West;1;1;0\n", "later.csv"), "sales")
    await expect(page.locator("#file-columns .used")).to_have_text([*MEANT.values()])
    await page.click("#start")
    await guest.see_state("succeeded")
    await expect(page.locator("#account")).to_have_text("3 rows read: 3 used.")
    await guest.fill(table(SALES, "plain.csv"), "sales")
    await expect(page.locator("#file-columns .used")).to_have_text([*MEANT])


async def test_a_file_in_another_encoding_says_so_at_once_and_is_read_when_it_is_named(
    guest: Visit, table: Table
) -> None:
    path = table(SALES, "alt.csv")
    path.write_bytes(SALES.replace("product", "Größe").replace("East", "Köln").encode("cp1252"))
    await guest.fill(path, "sales")
    page = guest.page
    await expect(page.locator("#preview-errors")).to_contain_text("not UTF-8")
    await expect(page.locator("#why-encoding")).to_be_empty()
    await expect(page.locator("#file-columns")).to_be_hidden()
    await page.select_option("#encoding", "cp1252")
    await expect(page.locator("#preview-rows")).to_contain_text("Köln")
    await expect(page.locator("#preview-errors li")).to_have_count(0)
    await page.click("#start")
    await guest.see_state("succeeded")
    await expect(page.locator("#table-1")).to_contain_text("Köln")


async def test_of_a_file_that_cannot_be_looked_at_nothing_is_shown_as_found(guest: Visit, table: Table) -> None:
    page = guest.page
    await guest.fill(table(SALES), "sales")
    await expect(page.locator("#preview-rows")).to_be_visible()
    name = "\N{RIGHT-TO-LEFT OVERRIDE}.csv"
    await page.set_input_files("#file", {"name": name, "mimeType": "text/csv", "buffer": b"a,b\n1,2\n"})
    await expect(page.locator("#preview")).to_be_hidden()
    await expect(page.locator("#file-columns")).to_be_hidden()
    await page.set_input_files("#file", table(SALES))
    await expect(page.locator("#preview-rows")).to_be_visible()
    guest.trouble.clear()  # the browser itself writes the refusal


async def test_a_file_that_is_no_text_table_is_not_asked_for_a_delimiter(guest: Visit, table: Table) -> None:
    page = guest.page
    await guest.fill(table(SALES), "profile")
    await expect(page.locator("#read")).to_be_visible()
    await page.set_input_files("#file", table('{"region": "North", "revenue": 1}\n', "sales.jsonl"))
    await expect(page.locator("#file-facts")).to_contain_text("jsonl · 2 columns")
    await expect(page.locator("#read")).to_be_hidden()
    await page.click("#start")
    await guest.see_state("succeeded")
    await page.goto(guest.server.url)
    await page.set_input_files("#file", table(SALES))
    await expect(page.get_by_role("radio", name=", comma")).to_be_checked()


async def test_the_keys_of_json_lines_are_shown_and_mapped_like_columns(guest: Visit, table: Table) -> None:
    rows = ('{"Gebiet": "Nord", "revenue": 100, "quantity": 10, "discount": 0.1, "more": [1]}', "no object", "")
    await guest.fill(table("\n".join(rows), "gebiete.jsonl"), "sales")
    page = guest.page
    await expect(page.locator("#file-columns .lacking")).to_have_text(["region is missing"])
    await expect(page.locator("#preview-rows tbody tr").first).to_have_text("1Nord100100.1[1]")
    await page.select_option("[data-need=region]", "Gebiet")
    await expect(page.locator("#file-columns .used")).to_have_count(4)
    await page.click("#start")
    await guest.see_state("succeeded")
    await expect(page.locator("#account")).to_have_text("2 rows read: 1 used, 1 left out.")

"""The form as it is filled in: what is wrong is said beside the field before anything is sent, and after it too."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.page.visit import Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")
Table = Callable[..., Path]
Visitor = Callable[..., AbstractAsyncContextManager[Visit]]
CASES = [
    ({"type": "number"}, "1,5", "This must be a number."),
    ({"type": "integer", "minimum": 1}, 2.5, "This must be a whole number."),
    ({"type": "integer", "minimum": 1}, 1, ""),
    ({"type": "number", "minimum": 0}, -1, "This must be 0 or more."),
    ({"type": "number", "maximum": 9}, 10, "This must be 9 or less."),
    ({"type": "number", "exclusiveMinimum": 0}, 0, "This must be more than 0."),
    ({"type": "number", "exclusiveMaximum": 9}, 9, "This must be less than 9."),
    ({"type": "string", "minLength": 2}, "x", "This must have 2 characters at least."),
    ({"type": "string", "maxLength": 1}, "😀", ""),
    ({"type": "string", "pattern": "^[a-z]+$"}, "x1", "This must match ^[a-z]+$"),
    ({"type": "string", "pattern": "(?P<no>pattern here)"}, "x1", ""),
    ({"enum": ["a", "b"]}, "c", "There are a, b."),
    ({"type": "string", "required": True}, None, "This is needed."),
    ({"type": "string"}, None, ""),
    ({"type": "array", "items": {"enum": ["a"]}}, ["a", "b"], "Line 2: There are a."),
    ({"type": "array", "minItems": 2}, ["a"], "There must be 2 lines at least."),
    ({"type": "array", "maxItems": 1}, ["a", "b"], "There may be 1 lines at most."),
]


async def test_each_rule_of_a_schema_has_a_sentence(guest: Visit) -> None:
    page = await guest.open()
    checks = await page.evaluate("document.querySelector('script[type=module]').src.replace('rowmill.js', 'checks.js')")
    said = await page.evaluate(
        """async ([address, cases]) => {
          const { wrong } = await import(address);
          return cases.map(([rules, value]) => wrong(rules, value ?? undefined));
        }""",
        [checks, [case[:2] for case in CASES]],
    )
    assert said == [sentence for *_, sentence in CASES]


async def test_a_field_says_what_is_wrong_when_it_is_left_and_no_longer_once_it_is_right(guest: Visit) -> None:
    page = await guest.open()
    await page.check("#kind-sales")
    sigma, fault = page.locator("#f-sales-sigma"), page.locator("[data-pointer='/params/sigma'] .fault").first
    await sigma.fill("-1")
    await expect(fault).to_have_count(0)
    await page.keyboard.press("Tab")
    await expect(fault).to_have_text("This must be 0 or more.")
    await expect(sigma).to_have_attribute("aria-invalid", "true")
    await expect(sigma).to_have_accessible_description(re.compile(r"This must be 0 or more\.$"))
    await expect(page.locator("#announce")).to_have_text("This must be 0 or more.")
    await sigma.fill("wide")
    await expect(fault).to_have_text("This must be a number.")
    await sigma.fill("3")
    await expect(page.locator(".fault:visible")).to_have_count(0)
    await expect(sigma).not_to_have_attribute("aria-invalid", "true")


async def test_addresses_are_checked_when_they_are_left(guest: Visit) -> None:
    page = await guest.open()
    await page.fill("#email", "nobody")
    await open_webhook(page)
    await expect(page.locator("[data-pointer='/email'] .fault")).to_have_text("This is not one e-mail address.")
    await page.fill("#webhook", "example")
    await page.focus("#email")
    await expect(page.locator("[data-pointer='/webhook'] .fault")).to_contain_text("This is no address such as")


async def open_webhook(page: Page) -> None:
    await page.click("text=Call a program when it is done")


async def test_a_webhook_that_the_service_refuses_is_named_beside_its_field(visitor: Visitor, table: Table) -> None:
    async with visitor() as guest:  # the browser itself notes the refusal
        page = guest.page
        await guest.fill(table(), "sales")
        await open_webhook(page)
        await page.fill("#webhook", "http://example.org/hook")
        await page.click("#start")
        await expect(page.locator("[data-pointer='/webhook'] .fault")).to_contain_text("must begin with https://")
        await page.focus("#webhook")
        await page.focus("#email")
        await expect(page.locator("[data-pointer='/webhook'] .fault")).to_contain_text("must begin with https://")
        await page.fill("#webhook", "https://rowmill.invalid/hook")
        await expect(page.locator("[data-pointer='/webhook'] .fault")).to_have_count(0)
        await page.click("#start")
        await page.wait_for_url("**/jobs/*")
        job = guest.job(page.url.rsplit("/", 1)[1])
        assert job["notify"]["webhook"] == ["https://rowmill.invalid/hook"]

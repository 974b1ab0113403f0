"""The page where keys are in use, in a real browser: in by a key, out by a click, and in by the link of a mail."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from client_support import Server
from playwright.async_api import Browser, Route, expect

from tests.page.visit import visiting

pytestmark = pytest.mark.asyncio(loop_scope="session")
KEY = "sesame sesame sesame"
NAME = "https://mill.example"
DOOR = re.compile(r"/login\?next=")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"WORKERS": "1", "API_KEYS": KEY, "PUBLIC_URL": NAME}
    with closing(Server(tmp_path_factory.mktemp("door"), **settings)) as server:
        yield server


async def test_a_key_opens_the_page_and_a_mailed_link_one_job(
    browser: Browser, service: Server, table: Callable[..., Path]
) -> None:
    async with visiting(browser, service) as guest:
        page = await guest.open()
        await page.wait_for_url(DOOR)
        await expect(page.locator("#key")).to_be_focused()
        await page.keyboard.type("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("no key that works")
        await expect(page.locator("#key")).to_be_focused()
        await page.keyboard.type(KEY)
        await page.keyboard.press("Enter")
        await guest.see("#new")
        assert await page.evaluate("document.cookie") == ""
        await page.set_input_files("#file", table())
        await page.check("#kind-sales")
        await page.fill("#email", "ann@example.org")
        await page.click("#start")
        await guest.see_state("succeeded")
        await guest.see_drawn()
        await expect(page.locator("#mail .pill")).to_have_text("sent")
        link = mailed_link(service)
        await look_with(browser, service, link)
        await page.click("[data-act=delete]")
        await page.click("#sure button[value=yes]")
        await guest.see("#new")
        await page.get_by_role("button", name="Log out").click()
        await page.wait_for_url("**/login")
        await guest.open()
        await page.wait_for_url(DOOR)
        assert [one for one in guest.trouble if "401" not in one] == []  # the browser itself writes each of those


async def test_whoever_has_left_sees_nothing_by_going_back_or_in_another_tab(
    browser: Browser, service: Server, table: Callable[..., Path]
) -> None:
    async with visiting(browser, service) as guest:
        page = await guest.open()
        await page.fill("#key", KEY)
        await page.keyboard.press("Enter")
        await guest.see("#new")
        job_id = await guest.send(table())
        await guest.open(f"/v1/jobs/{job_id}")
        other = await page.context.new_page()
        await other.goto(service.url)
        await guest.open()
        await page.get_by_role("button", name="Log out").click()
        await page.wait_for_url("**/login")
        await other.wait_for_url(DOOR)
        await page.go_back()
        await page.go_back()
        await page.wait_for_url(f"**/login?next=/v1/jobs/{job_id}")


async def test_whoever_logs_out_over_a_slow_link_lands_where_the_form_leads(browser: Browser, service: Server) -> None:
    """The server ends the page's stream before its answer is there."""

    async def slow(route: Route) -> None:
        answer = await route.fetch(max_redirects=0)
        await route.request.frame.wait_for_timeout(2000)
        await route.fulfill(response=answer)

    async with visiting(browser, service) as guest:
        page = await guest.open()
        await page.fill("#key", KEY)
        await page.keyboard.press("Enter")
        await guest.see("#new")
        await page.route("**/logout*", slow)
        await page.get_by_role("button", name="Log out").click()
        await guest.see("#login")
        assert page.url == f"{service.url}/login"


async def test_a_key_with_a_long_name_leaves_a_phones_page_as_wide_as_the_phone(
    browser: Browser, service: Server
) -> None:
    async with visiting(browser, service, viewport={"width": 320, "height": 568}) as guest:
        page = guest.page
        made = await page.request.post(
            f"{service.url}/v1/keys",
            data={"name": "n" * 63, "scopes": ["read"]},
            headers={"Authorization": f"Bearer {KEY}"},
        )
        await guest.open()
        await page.fill("#key", (await made.json())["key"])
        await page.keyboard.press("Enter")
        await guest.see("#new")
        assert await page.evaluate("document.documentElement.scrollWidth") == 320


def mailed_link(service: Server) -> str:
    """Where the mail's first link leads on this machine."""
    [path] = (service.files.parent / "outbox").rglob("*.eml")
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    text = mail.get_body(("plain",)).get_content()  # type: ignore[attr-defined]
    found = re.search(rf"{NAME}(/jobs/\S+)", text)
    assert found, text
    return found[1]


async def look_with(browser: Browser, service: Server, link: str) -> None:
    """The job's page for somebody without a key: all of it, and nothing else."""
    async with visiting(browser, service) as reader:
        page = await reader.open(link)
        await reader.see_state("succeeded")
        await reader.see_drawn()
        async with page.expect_download() as download:
            await page.click("#files a[href$='anomalies.csv']")
        assert await (await download.value).path()
        assert await page.locator("[data-act]").count() == 0
        assert reader.trouble == []
        await reader.open()
        await page.wait_for_url(DOOR)

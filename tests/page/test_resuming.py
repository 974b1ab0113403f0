"""Large uploads in a real browser: they go on after a reload, and by themselves after a lost link."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from client_support import Server, ask
from playwright.async_api import Browser, CDPSession, Page, Request, expect

from tests.page.visit import SALES, Visit, visiting
from tests.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="session")
LARGE = SALES + "West,D,70,7,0.15\n" * 560_000  # 9 MB
Table = Callable[..., Path]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with closing(Server(tmp_path_factory.mktemp("resuming"))) as server:
        yield server


def offsets(page: Page) -> list[int]:
    """Where each request began that sent a part, as they come."""
    seen: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            seen.append(int(request.headers["upload-offset"]))

    page.on("request", note)
    return seen


async def throttle(guest: Visit) -> CDPSession:
    """From now on little goes out; whoever has the session can let it flow again."""
    wire = await guest.page.context.new_cdp_session(guest.page)
    await limit(wire, 400_000)
    return wire


async def limit(wire: CDPSession, speed: int) -> None:
    slowly = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": speed}
    await wire.send("Network.emulateNetworkConditions", slowly)


async def test_an_upload_goes_on_after_a_reload_in_the_middle_of_it(guest: Visit, table: Table) -> None:
    before = guest.jobs()
    seen, path = offsets(guest.page), table(LARGE, "large.csv")
    await guest.fill(path, "sales")
    wire = await throttle(guest)
    await guest.page.click("#start")
    await expect(guest.page.locator("#upload-says")).to_have_text(re.compile(r"^[1-8]\.\d MiB"))
    await guest.page.reload()
    assert guest.jobs() == before
    await expect(guest.page.locator("#unfinished-says")).to_contain_text("large.csv was not sent to its end; ")
    await limit(wire, -1)
    await guest.page.set_input_files("#file", path)
    await guest.page.check("#kind-sales")
    await guest.page.click("#start")
    await guest.page.wait_for_url("**/jobs/*")
    await guest.see_state("succeeded")
    job = guest.job(guest.page.url.rsplit("/", 1)[1])
    assert (job["source"]["name"], job["source"]["size"]) == ("large.csv", len(LARGE))
    assert seen[0] == 0
    assert seen[-1] > 0
    await guest.open()
    await expect(guest.page.locator("#link-says")).to_have_text("live")
    await expect(guest.page.locator("#unfinished")).to_be_hidden()


async def test_an_upload_that_waits_is_given_up_with_a_click(guest: Visit, service: Server, table: Table) -> None:
    await guest.fill(table(LARGE, "given-up.csv"), "sales")
    wire = await throttle(guest)
    await guest.page.click("#start")
    await expect(guest.page.locator("#upload-says")).to_have_text(re.compile(r"^[1-8]\.\d MiB"))
    await guest.page.reload()
    await limit(wire, -1)
    async with guest.page.expect_response(lambda answer: answer.request.method == "DELETE") as ended:
        await guest.page.click("#unfinished-drop")
    assert (await ended.value).status == 204
    await expect(guest.page.locator("#unfinished")).to_be_hidden()
    assert [path for path in service.files.rglob("parcels/*/*") if path.is_file()] == []


@dataclass(frozen=True)
class Behind:
    """A service as it is reached through a proxy."""

    url: str


async def test_an_upload_goes_on_by_itself_when_the_link_was_lost(
    browser: Browser, service: Server, table: Table
) -> None:
    port = int(service.url.rpartition(":")[2])
    async with Proxy(port) as proxy:
        proxy.cuts = [3_000_000, 3_000_000]
        server = Behind(f"http://127.0.0.1:{proxy.port}")
        async with visiting(browser, server) as guest:  # type: ignore[arg-type]
            job_id = await guest.send(table(LARGE, "lost.csv"))
            await guest.see_state("succeeded")
            assert proxy.cuts == []
            assert (
                ask(f"{service.url}/v1/jobs/{job_id}")["source"]["sha256"] == hashlib.sha256(LARGE.encode()).hexdigest()
            )


async def test_a_large_table_that_is_none_is_refused_beside_its_field(guest: Visit, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(b"PK\x03\x04" + bytes(9 * 2**20))
    before = guest.jobs()
    await guest.fill(path, "sales")
    await guest.page.click("#start")
    await expect(guest.page.locator("#problem")).to_be_visible()
    await expect(guest.page.locator("#problem")).to_contain_text("archive")
    await expect(guest.page.locator("#start")).to_be_enabled()
    assert guest.jobs() == before
    guest.trouble.clear()  # the browser itself writes the refusal


async def test_a_cancelled_large_upload_leaves_nothing(guest: Visit, service: Server, table: Table) -> None:
    await guest.fill(table(LARGE, "cancelled.csv"), "sales")
    await throttle(guest)
    await guest.page.click("#start")
    await expect(guest.page.locator("#upload-says")).to_contain_text("/s,")
    async with guest.page.expect_response(lambda answer: answer.request.method == "DELETE") as ended:
        await guest.page.click("#upload-cancel")
    assert (await ended.value).status == 204
    await expect(guest.page.locator("#upload")).to_be_hidden()
    await expect(guest.page.locator("#start")).to_be_enabled()
    assert [path for path in service.files.rglob("parcels/*/*") if path.is_file()] == []

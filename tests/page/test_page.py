"""The page in a real browser, against the real service and its real workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest
from client_support import Server, ask
from playwright.async_api import Browser, Download, FileChooser, expect

from tests.page import visit
from tests.page.visit import SALES, SLOW, VALUES, Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")
Table = Callable[..., Path]
Visitor = Callable[..., AbstractAsyncContextManager[Visit]]

DROP = """async ([text, name]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], name, {type: "text/csv"}));
  for (const type of ["dragover", "drop"])
    document.getElementById("drop").dispatchEvent(new DragEvent(type, {dataTransfer, bubbles: true, cancelable: true}));
}"""

# Every state of the page that a mutation brings, from the moment on in which this is run.
RECORD = """() => {
  window.seen = [];
  const look = () => {
    const main = document.getElementById("main");
    const bar = main.querySelector("#progress progress");
    window.seen.push({
      state: main.dataset.state, phase: document.getElementById("phase")?.textContent,
      done: bar?.hasAttribute("value") ? bar.value : null,
      partial: !!main.querySelector("#result.partial"), drawn: main.querySelectorAll(".plot:not(.fresh) svg").length,
      rows: document.getElementById("rows")?.textContent, said: document.getElementById("announce").textContent,
    });
  };
  look();
  const all = {subtree: true, childList: true, attributes: true, characterData: true};
  new MutationObserver(look).observe(document.body, all);
}"""

# What a browser's own EventSource hears of a job until it stops asking.
FOLLOW = """(id) => new Promise((done) => {
  const source = new EventSource(`/v1/jobs/${id}/events`);
  const seen = [];
  source.onmessage = (event) => seen.push([event.lastEventId, JSON.parse(event.data).data.state]);
  source.onerror = () => source.readyState === EventSource.CLOSED && done(seen);
})"""

# Each piece of text whose contrast with what lies behind it is less than WCAG AA asks for.
PALE = """() => {
  const pen = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const light = ([r, g, b]) => [r, g, b].map((one) => one / 255)
    .map((one) => one <= .04045 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4)
    .reduce((sum, one, at) => sum + one * [.2126, .7152, .0722][at], 0);
  const pale = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let looked = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const shown = element.checkVisibility() && !element.closest("script, noscript, [disabled]");
    if (!shown || !walker.currentNode.nodeValue.trim()) continue;
    looked++;
    const style = getComputedStyle(element);
    const [a, b] = [light(rgba(element instanceof SVGElement ? style.fill : style.color)), light(behind(element))];
    const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (contrast < (large ? 3 : 4.5)) pale.push(`${contrast.toFixed(2)} ${walker.currentNode.nodeValue.trim()}`);
  }
  return {looked, pale};
}"""
WIDTH = "document.documentElement.scrollWidth"


async def test_a_first_visitor_drops_a_table_clicks_start_and_reads_the_report(guest: Visit) -> None:
    page = await guest.open()
    await page.evaluate(DROP, [SALES, "sales.csv"])
    await expect(page.locator("#file-name")).to_have_text("sales.csv")
    await page.click("text=Sales by region")
    await expect(page.locator("#file-columns .used")).to_have_text(["region", "revenue", "quantity", "discount"])
    await page.click("#start")
    await guest.see_state("succeeded")
    await guest.see_drawn()
    await expect(page.locator("h1")).to_have_text("sales.csv")
    await expect(page.locator("#account")).to_have_text("10 rows read: 7 used, 3 left out.")
    numbers = dict(
        await page.locator("#result .numbers > div").evaluate_all("all => all.map(one => one.innerText.split('\\n'))")
    )
    assert numbers["Mean"] == "22.8571"
    assert numbers["Anomalies"] == "1"
    summary = await page.locator("#table-1 tbody tr").all_inner_texts()
    assert summary[0].split("\t") == ["East", "1090", "545", "20", "0.15"]
    rejects = await page.locator("#rejects tbody tr").all_inner_texts()
    assert [row.split("\t")[:2] for row in rejects] == [
        ["8", "quantity: zero_quantity"],
        ["9", "revenue: missing"],
        ["10", "revenue: not_a_number"],
    ]


async def test_the_keyboard_alone_leads_from_the_first_page_to_the_report(guest: Visit, table: Table) -> None:
    asked: asyncio.Queue[FileChooser] = asyncio.Queue()
    guest.page.on("filechooser", asked.put_nowait)  # before the visit, so that the browser surely knows of it
    page = await guest.open()
    await _tab_to(guest, "file")
    await page.keyboard.press("Space")
    async with asyncio.timeout(SLOW / 1000):
        await (await asked.get()).set_files(table())
    await _tab_to(guest, "kind-profile", "kind-sales", "kind-summary")
    while await page.evaluate("document.activeElement.value") != "sales":
        await page.keyboard.press("ArrowDown")
    await _tab_to(guest, "start")
    assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/jobs/*")
    await guest.see_state("succeeded")
    await expect(page.locator("#headline")).to_contain_text("7 rows")


async def _tab_to(guest: Visit, *ids: str) -> None:
    for _ in range(40):
        await guest.page.keyboard.press("Tab")
        if await guest.page.evaluate("document.activeElement.id") in ids:
            return
    raise AssertionError(f"the keyboard does not reach {ids}")


async def test_a_running_job_shows_progress_partial_results_and_the_chart_and_ends_without_a_reload(
    guest: Visit, table: Table
) -> None:
    await guest.send(table(VALUES), "summary", value_column="value", simulate_seconds="27")
    page = guest.page
    await page.evaluate(RECORD)
    await page.focus("[data-act=cancel]")
    await guest.see("#result.partial .so-far")
    await guest.see_drawn()
    assert await page.evaluate("document.activeElement.dataset.act") == "cancel"
    await guest.see_state("succeeded")
    seen: list[dict[str, Any]] = await page.evaluate("window.seen")
    done = [look["done"] for look in seen if look["phase"] == "Reading" and look["done"] is not None]
    assert len(set(done)) > 3
    assert done == sorted(done)
    assert any(look["partial"] and look["drawn"] for look in seen)
    assert len({look["rows"] for look in seen if look["rows"]}) > 3
    assert {look["said"] for look in seen} & {"25 % done", "50 % done", "75 % done"}
    assert seen[-1]["said"].startswith("The job is succeeded.")
    await expect(page.locator("#account")).to_have_text("3,000 rows read: 3,000 used.")


async def test_what_comes_from_files_and_clients_is_text_and_never_markup(guest: Visit, table: Table) -> None:
    evil = "<img src=x onerror=window.hit=1>"
    text = SALES.replace("West,C,abc", f"West,{evil},abc").replace("product", evil).replace("East", f"<b>{evil}")
    await guest.fill(table(text, f"{evil}.csv"), "sales")
    await expect(guest.page.locator("#file-columns li").nth(1)).to_have_text(evil)
    await expect(guest.page.locator("#preview-rows")).to_contain_text(f"<b>{evil}")
    await guest.page.click("#start")
    await guest.see_state("succeeded")
    await guest.see_drawn()
    await expect(guest.page.locator("h1")).to_have_text(f"{evil}.csv")
    await expect(guest.page.locator("#rejects")).to_contain_text(evil)
    await expect(guest.page.locator("#table-1 tbody tr").first).to_contain_text(f"<b>{evil}")
    await guest.page.hover(".plot path[aria-roledescription=bar]")
    await expect(guest.page.locator("#tip")).to_contain_text(f"<b>{evil}")
    await guest.page.click(".series summary")
    await expect(guest.page.locator(".series")).to_contain_text(f"<b>{evil}")
    await guest.page.fill("form[data-rejects] [name=q]", "IMG SRC")
    await expect(guest.page.locator("#reject-rows tbody tr")).to_have_count(1)
    await expect(guest.page.locator("#reject-rows")).to_contain_text(evil)
    await guest.fill(table(VALUES), "summary", value_column=evil)
    await expect(guest.page.locator("#file-columns .lacking")).to_have_text([f"{evil} is missing"])
    await guest.send(table(VALUES.replace("value", evil)), "summary", value_column=evil)
    await guest.see_state("succeeded")
    await expect(guest.page.locator("#settings")).to_contain_text(evil)
    await guest.open()
    await expect(guest.page.locator("#jobs")).to_contain_text(f"{evil}.csv")
    assert await guest.page.evaluate("[window.hit, document.querySelectorAll('img[src=x], td b').length]") == [None, 0]


async def test_faults_stand_beside_their_fields_and_above_the_form(visitor: Visitor, table: Table) -> None:
    async with visitor() as guest:
        page = guest.page
        await guest.fill(table(), "sales", sigma="wide")
        await page.click("#more-email")
        await page.fill("#email-1", "a@example.org, b@example.org")
        await page.click("#start")
        await guest.see("#problem:not([hidden])")
        assert await page.evaluate("document.activeElement.id") == "problem"
        await expect(page.locator("[data-pointer='/params/sigma'] .fault").first).to_contain_text("wide")
        await expect(page.locator("#email-1")).to_have_attribute("aria-invalid", "true")
        await expect(page.locator("#email")).not_to_have_attribute("aria-invalid", "true")
        links = page.locator("#problem-list a")
        await expect(links).to_have_count(2)
        await links.first.click()
        assert await page.evaluate("document.activeElement.id") == "f-sales-sigma"
        await page.fill("#f-sales-sigma", "3")
        await page.fill("#email-1", "")
        await page.click("#start")
        await page.wait_for_url("**/jobs/*")
        assert guest.job(page.url.rsplit("/", 1)[1])["params"]["sigma"] == 3


async def test_a_table_without_the_columns_says_so_before_and_after_it_is_sent(visitor: Visitor, table: Table) -> None:
    async with visitor() as guest:
        await guest.fill(table("region,revenue\nNorth,1\n"), "sales")
        await expect(guest.page.locator("#file-columns .lacking")).to_have_text(
            ["quantity is missing", "discount is missing"]
        )
        await guest.page.click("#start")
        await expect(guest.page.locator("#problem-list li")).to_have_count(2)
        await expect(guest.page.locator("#problem-list")).to_contain_text("discount")
        await expect(guest.page.locator("[data-need][aria-invalid]")).to_have_count(2)  # still marked
        await guest.page.click("#problem-list a >> text=discount")
        await expect(guest.page.locator("[data-need=discount]")).to_be_focused()


async def test_start_without_a_file_asks_for_one(guest: Visit) -> None:
    await guest.open()
    await guest.page.click("#start")
    await expect(guest.page.locator("[data-pointer='/file'] .fault")).to_have_text("Choose the table first.")


async def test_an_upload_shows_how_far_it_is_and_a_cancelled_one_leaves_nothing(guest: Visit, table: Table) -> None:
    before = guest.jobs()
    await guest.fill(table(SALES + "West,D,70,7,0.15\n" * 300_000), "sales")
    wire = await guest.page.context.new_cdp_session(guest.page)
    slowly = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 300_000}
    await wire.send("Network.emulateNetworkConditions", slowly)
    await guest.page.click("#start")
    await expect(guest.page.locator("#upload-says")).to_contain_text("/s,")
    assert 0 < await guest.page.evaluate("document.getElementById('upload-bar').value") < 1
    await guest.page.click("#upload-cancel")
    await expect(guest.page.locator("#upload")).to_be_hidden()
    await expect(guest.page.locator("#start")).to_be_enabled()
    await expect(guest.page.locator("#problem")).to_be_hidden()
    assert guest.jobs() == before


async def test_the_list_shows_jobs_that_others_submit_and_how_they_end(
    guest: Visit, visitor: Visitor, table: Table
) -> None:
    page = await guest.open()
    await expect(page.locator("#link")).to_have_attribute("data-link", "live")
    await page.evaluate("window.same = true")
    async with visitor() as other:
        job_id = await other.send(table(VALUES, "others.csv"), "summary", value_column="value", simulate_seconds="9")
        entry = page.locator(f"#job-{job_id}")
        await expect(entry).to_have_attribute("data-state", "running")
        await expect(entry).to_contain_text("others.csv")
        await expect(entry).to_have_attribute("data-state", "succeeded")
    assert await page.locator("#jobs > li").first.get_attribute("id") == f"job-{job_id}"
    assert await page.evaluate("window.same")


async def test_after_a_restart_of_the_service_the_page_finds_back_and_catches_up(
    browser: Browser, tmp_path: Path, table: Table
) -> None:
    server = Server(tmp_path)
    port = server.url.rsplit(":", 1)[1]
    try:
        async with visit.visiting(browser, server) as guest:
            page = await guest.open()
            await expect(page.locator("#link")).to_have_attribute("data-link", "live")
            await page.evaluate("window.same = true")
            server.stop()
            server.close()
            await expect(page.locator("#link")).to_have_attribute("data-link", "off")
            server = guest.server = Server(tmp_path, PORT=port)
            async with visit.visiting(browser, server) as other:
                job_id = await other.send(table())
            await expect(page.locator(f"#job-{job_id}")).to_have_attribute("data-state", "succeeded")
            assert await page.evaluate("window.same")
    finally:
        server.stop()
        server.close()


async def test_a_job_is_cancelled_tried_again_and_deleted_from_its_page_and_from_open_lists(
    guest: Visit, visitor: Visitor, table: Table
) -> None:
    job_id = await guest.send(table(VALUES), "summary", value_column="value", simulate_seconds="600")
    page = guest.page
    await guest.see_state("running")
    await page.click("[data-act=cancel]")
    await guest.see_state("cancelled")
    await page.click("[data-act=retry]")
    await guest.see_state("running")
    await page.click("[data-act=cancel]")
    await guest.see_state("cancelled")
    await page.click("[data-act=delete]")
    await page.keyboard.press("Enter")  # the safe answer has the focus
    await expect(page.locator("#sure")).to_be_hidden()
    assert guest.job(job_id)["state"] == "cancelled"
    async with visitor() as other:
        listed = (await other.open()).locator(f"#job-{job_id}")
        await expect(other.page.locator("#link")).to_have_attribute("data-link", "live")
        await expect(listed).to_be_visible()
        await page.click("[data-act=delete]")
        await page.click("#sure button[value=yes]")
        await page.wait_for_url(f"{guest.server.url}/")
        await expect(listed).to_have_count(0)  # nothing else happens to any job
    assert job_id not in guest.jobs()


async def test_a_page_left_open_catches_up_with_what_became_of_its_job_elsewhere(visitor: Visitor) -> None:
    async with visitor() as guest:
        job_id = await guest.post(VALUES, "two tabs.csv", "summary", value_column="value", simulate_seconds=600)

        async def elsewhere(what: str, until: str) -> None:
            await guest.page.request.post(f"{guest.server.url}/v1/jobs/{job_id}/{what}")
            await asyncio.to_thread(guest.server.until, lambda: guest.job(job_id)["state"] == until)

        await elsewhere("cancel", "cancelled")
        page = await guest.open(f"/jobs/{job_id}")
        await expect(page.locator("#link")).to_have_attribute("data-link", "done")
        await elsewhere("retry", "running")
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # the tab is looked at again
        await guest.see_state("running")
        await elsewhere("cancel", "cancelled")
        await expect(page.locator("#link")).to_have_attribute("data-link", "done")
        await elsewhere("retry", "running")
        await page.click("[data-act=delete]")
        await page.click("#sure-yes")
        await expect(page.locator("#act-problem")).to_contain_text("cancel it first")
        await page.click("[data-act=cancel]")
        await guest.see_state("cancelled")


async def test_downloads_come_as_files_and_for_spreadsheets_with_formulas_escaped(guest: Visit, table: Table) -> None:
    await guest.send(table(SALES.replace("East,B", "East,=1+1")))
    await guest.see_state("succeeded")
    for selector, cell in (
        ("a[href$='anomalies.csv']", "East,=1+1,"),
        ("a[href$='anomalies.csv?for=spreadsheet']", "'=1+1"),
    ):
        async with guest.page.expect_download() as download:
            await guest.page.click(f"#files {selector}")
        file = await download.value
        assert file.suggested_filename.startswith("sales-anomalies-")
        assert cell in await _text(file)


async def _text(file: Download) -> str:
    path = await file.path()
    return await asyncio.to_thread(path.read_text)


async def test_the_recipients_of_mail_are_listed_with_what_became_of_it(guest: Visit, table: Table) -> None:
    await guest.fill(table(), "sales")
    await guest.page.fill("#email", "ann@example.org")
    await guest.page.click("#start")
    await guest.see_state("succeeded")
    await expect(guest.page.locator("#mail li")).to_contain_text("ann@example.org")
    await expect(guest.page.locator("#mail .pill")).to_have_text("sent")


async def _finished(guest: Visit, table: Path, kind: str) -> dict[str, Any]:
    await guest.send(table, kind)
    await guest.see_state("succeeded")
    await guest.see_drawn()
    pale: dict[str, Any] = await guest.page.evaluate(PALE)
    return pale


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_text_has_enough_contrast(visitor: Visitor, table: Table, scheme: str) -> None:
    async with visitor(color_scheme=scheme) as guest:
        finished = await _finished(guest, table(), "sales")
        assert finished["looked"] > 60
        profile = await _finished(guest, table(), "profile")
        assert profile["looked"] > 200
        await guest.fill(table(), "sales", sigma="wide")
        await guest.page.click("#start")
        await guest.see("#problem:not([hidden])")
        form = await guest.page.evaluate(PALE)
        await guest.open("/docs")
        docs = await guest.page.evaluate(PALE)
        assert (finished["pale"], profile["pale"], form["pale"], docs["pale"]) == ([], [], [], [])
        ground = await guest.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, ground[4:-1].split(","))) < 64) == (scheme == "dark")


async def test_a_phone_never_scrolls_sideways(visitor: Visitor, table: Table) -> None:
    async with visitor(viewport={"width": 320, "height": 568}, has_touch=True, is_mobile=True) as guest:
        await guest.send(table(SALES.replace("product", "p" * 90), "a-rather-long-name-" * 6 + ".csv"))
        await guest.see_state("succeeded")
        await guest.see_drawn()
        widths = [await guest.page.evaluate(WIDTH)]
        for path in ("/", "/docs", "/jobs/none"):
            await guest.open(path)
            widths.append(await guest.page.evaluate(WIDTH))
        assert widths == [320] * 4


@pytest.mark.parametrize("width", [641, 960, 1100, 1200])
async def test_no_width_of_a_window_has_the_list_scroll_sideways(visitor: Visitor, width: int) -> None:
    for scripts in (True, False):
        async with visitor(viewport={"width": width, "height": 600}, java_script_enabled=scripts) as guest:
            page = await guest.open()
            [whole, *parts] = [await one.bounding_box() for one in await page.locator("#find, #find > :visible").all()]
            assert len(parts) == 4
            assert all(part["x"] + part["width"] <= whole["x"] + whole["width"] + 1 for part in parts)
            assert all(part["height"] < 60 for part in parts)  # no word of theirs is broken


SHAPE = """() => {
  const svg = document.querySelector(".plot svg"), [,, width, height] = svg.getAttribute("viewBox").split(" ");
  const box = svg.getBoundingClientRect();
  return {stretched: Math.abs(box.width / box.height - width / height) > 0.01, scale: box.width / width};
}"""


async def test_on_a_large_screen_everything_is_larger_and_fills_more_of_it(visitor: Visitor) -> None:
    async with visitor(viewport={"width": 3840, "height": 2160}) as guest:
        page = await guest.open()
        assert await page.evaluate("document.querySelector('main').offsetWidth") > 3840 / 2
        assert await page.evaluate(WIDTH) == 3840


async def test_a_sheet_of_charts_keeps_its_shape_and_is_large_enough_to_read_on_a_phone(
    visitor: Visitor, table: Table
) -> None:
    async with visitor(viewport={"width": 420, "height": 800}) as guest:
        await guest.send(table(), "profile")
        await guest.see_state("succeeded")
        await guest.see_drawn()
        shape = await guest.page.evaluate(SHAPE)
        assert not shape["stretched"]
        assert shape["scale"] > 0.9
        assert await guest.page.evaluate(WIDTH) == 420


CUT = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.innerText)"


async def test_a_sentence_in_a_table_is_wrapped_and_not_cut(guest: Visit, table: Table) -> None:
    await guest.send(table(SALES.replace("North", "many words and " * 9)), "profile")
    await guest.see_state("succeeded")
    long = guest.page.locator(".table td.long")
    assert await long.count() >= 2  # the words themselves, and the details of a warning
    assert await long.evaluate_all(CUT) == []


async def test_without_scripts_the_form_submits_and_the_pages_tell_the_same(visitor: Visitor, table: Table) -> None:
    async with visitor(java_script_enabled=False) as guest:
        page = await guest.open()
        await page.check("#kind-sales")
        await page.set_input_files("#file", table())
        await page.fill("#params", '{"sigma": "wide"}')
        await page.click("#new .primary:visible")
        await expect(page.locator("#problem-list")).to_contain_text("sigma")
        await page.check("#kind-sales")
        await page.set_input_files("#file", table())
        await page.fill("#params", '{"sigma": 3}')
        await page.click("#new .primary:visible")
        await page.wait_for_url("**/jobs/*")
        await guest.see_state("succeeded")  # the page asks for itself again
        assert guest.job(page.url.rsplit("/", 1)[1])["params"] == {"sigma": 3}
        await expect(page.locator("#rejects tbody tr")).to_have_count(3)
        assert await page.locator(".chart img").evaluate("image => image.complete && image.naturalWidth > 0")


async def test_without_scripts_nothing_takes_away_a_form_that_is_being_filled_in(guest: Visit) -> None:
    page = await guest.page.request.get(f"{guest.server.url}/")
    assert 'http-equiv="refresh"' not in await page.text()


async def test_an_unknown_job_is_a_page_that_says_so(guest: Visit) -> None:
    answer = await guest.page.request.get(f"{guest.server.url}/jobs/{'0' * 32}")
    assert answer.status == 404
    assert "There is no such job" in await answer.text()


async def test_pages_forbid_everything_foreign_and_every_evaluated_script(guest: Visit) -> None:
    answer = await guest.page.request.get(f"{guest.server.url}/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


async def test_the_service_never_loads_the_engine_that_the_chart_library_comes_from(guest: Visit, table: Table) -> None:
    await guest.send(table())
    await guest.see_state("succeeded")
    await guest.see_drawn()
    assert any("/static/vega-" in url for url in guest.asked)
    loaded = {Path(one.path).name for one in psutil.Process(guest.server.process.pid).memory_maps()}
    assert not [name for name in loaded if "vl_convert" in name]


async def test_files_that_pages_load_may_be_kept_for_ever(guest: Visit) -> None:
    await guest.open()
    static = [url for url in guest.asked if "/static/" in url]
    assert {url.split("?")[0].rsplit("/", 1)[1] for url in static} >= {"rowmill.css", "rowmill.js", "icon.svg"}
    for url in static:
        answer = await guest.page.request.get(url)
        assert "immutable" in answer.headers["cache-control"]
    assert ask(f"{guest.server.url}/v1/kinds")["kinds"]


async def test_an_event_source_hears_of_the_end_once_and_does_not_come_again(guest: Visit, table: Table) -> None:
    seen = await guest.page.evaluate(FOLLOW, await guest.send(table()))
    versions = [int(version) for version, _ in seen]
    assert versions == sorted(set(versions))
    assert (seen[-1][1], [state for _, state in seen].count("succeeded")) == ("succeeded", 1)

"""A person in front of the page: a real Chromium, and a note of everything that went wrong in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client_support import Server, ask
from playwright.async_api import Browser, Page, Playwright, expect

from tests import vectors

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ON_MACOS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
SALES = vectors.SALES.decode()
SLOW = 60_000  # milliseconds: longer than anything here may take on a busy machine
VALUES = "region,value\n" + "".join(f"{('North', 'South', 'West')[n % 3]},{n}\n" for n in range(3000))


def runs(path: str) -> bool:
    """Where there are no snaps, Ubuntu's package is a script that only says so."""
    return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0


def find_chromium() -> str:
    """A Chromium of this machine; a test run without one has to say so, not to skip."""
    named = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), *filter(os.path.exists, ON_MACOS)]
    found = next((path for path in named if path and runs(path)), None)
    assert found, "These tests need a Chromium: install one, or name it in CHROMIUM."
    return found


expect.set_options(timeout=SLOW)


async def launch(playwright: Playwright) -> Browser:
    return await playwright.chromium.launch(executable_path=find_chromium(), args=list(SWITCHES))


@dataclass
class Visit:
    """One visitor's tab. `trouble` is every error in the console, `asked` every address that was asked for."""

    server: Server
    page: Page
    trouble: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def open(self, path: str = "/") -> Page:
        await self.page.goto(self.server.url + path)
        return self.page

    async def fill(self, table: Path, kind: str, **params: str) -> None:
        """The form, filled in and not yet sent."""
        await self.open()
        await self.page.set_input_files("#file", table)
        await self.page.check(f"#kind-{kind}")
        for name, value in params.items():
            await self.page.fill(f"#f-{kind}-{name}", value)

    async def send(self, table: Path, kind: str = "sales", **params: str) -> str:
        """Send the form and land on the job's page; the job's id."""
        await self.fill(table, kind, **params)
        await self.page.click("#start")
        await self.page.wait_for_url("**/jobs/*")
        return self.page.url.rsplit("/", 1)[1]

    async def post(self, text: str, name: str, kind: str, **params: Any) -> str:
        """Submit a table past the page; the job's id."""
        query = {"kind": kind, "filename": name, "params": json.dumps(params)}
        answer = await self.page.request.post(
            f"{self.server.url}/v1/jobs", params=query, data=text, headers={"Content-Type": "text/csv"}
        )
        assert answer.status == 202, await answer.text()
        return str((await answer.json())["id"])

    async def see(self, selector: str, **options: Any) -> None:
        await self.page.locator(selector).first.wait_for(**options)

    async def see_state(self, state: str) -> None:
        await expect(self.page.locator("main")).to_have_attribute("data-state", state)

    async def see_drawn(self) -> None:
        await self.see(".plot:not(.fresh) svg")

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = ask(f"{self.server.url}/v1/jobs/{job_id}")
        return job

    def jobs(self) -> set[str]:
        """The ids of all jobs there are."""
        return {job["id"] for job in ask(f"{self.server.url}/v1/jobs?limit=200")["jobs"]}


@asynccontextmanager
async def visiting(browser: Browser, server: Server, **options: Any) -> AsyncIterator[Visit]:
    """A visit in a profile of its own."""
    context = await browser.new_context(reduced_motion="reduce", **options)
    context.set_default_timeout(SLOW)
    page = await context.new_page()
    visit = Visit(server, page)
    page.on("pageerror", lambda error: visit.trouble.append(str(error)))
    page.on("console", lambda message: message.type == "error" and visit.trouble.append(message.text))
    page.on("request", lambda request: visit.asked.append(request.url))
    try:
        yield visit
    finally:
        await context.close()

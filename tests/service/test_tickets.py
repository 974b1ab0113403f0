"""What opens one door without a key: a ticket once, and the link of a mail one job."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from protocol.job import Job
from protocol.signing import LINK, Signer, load_signer
from service.contract.openapi import document
from service.door.caller import ANYBODY
from service.door.tickets import LIFE, MOST, Tickets
from tests.service.house import DEADLINE, TABLE, House
from tests.service.keyring import ROOT, ask, locked, make_key

PAGE = {"Accept": "text/html"}
OPENED = [  # by a link
    path for path, calls in document()["paths"].items() if {"link": []} in calls.get("get", {}).get("security", ())
]


async def finished(house: House, headers: dict[str, str]) -> Job:
    """A job with an artefact, and two rows left out."""
    await ask(house, "POST", "/v1/jobs?kind=sales", headers | {"Content-Type": "text/csv"}, data=TABLE)
    job = await house.consumer.start(await house.consumer.next_job())
    artefact = await house.consumer.make(job, "summary.csv", b"a\n1\n")
    rejected = await house.consumer.make(job, "rejected.csv", b"a,rejected_line,rejected_reason\n,2,a\n,3,a\n")
    return await house.consumer.finish(job, artefacts=(artefact, rejected))


async def ticket(house: House, headers: dict[str, str], path: str) -> str:
    status, made = await ask(house, "POST", "/v1/tickets", headers, json={"path": path})
    assert status == 201, made
    return str(made["url"])


async def test_a_ticket_opens_one_download_once(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        ann = await make_key(house, "ann")
        job = await finished(house, ann)
        url = await ticket(house, ann, job.artefacts[0].url)
        assert await ask(house, "GET", url, {}) == (200, "a\n1\n")
        assert (await ask(house, "GET", url, {}))[0] == 401


async def test_a_ticket_opens_one_websocket_once(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        ann = await make_key(house, "ann")
        job = await finished(house, ann)
        url = await ticket(house, ann, f"/v1/jobs/{job.id}/stream")
        async with asyncio.timeout(DEADLINE), house.http.ws_connect(url) as socket:
            assert (await socket.receive_json())["subject"] == job.id
        assert (await ask(house, "GET", url, {}))[0] == 401


async def test_a_ticket_opens_no_other_place_and_is_used_up_by_trying(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        ann = await make_key(house, "ann")
        job = await finished(house, ann)
        url = await ticket(house, ann, job.artefacts[0].url)
        elsewhere = f"/v1/jobs/{job.id}/events?{url.partition('?')[2]}"
        assert (await ask(house, "GET", elsewhere, {}))[0] == 401
        assert (await ask(house, "GET", url, {}))[0] == 401


async def test_a_ticket_shows_no_more_than_its_key_does(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        ann, bob = await make_key(house, "ann"), await make_key(house, "bob")
        job = await finished(house, ann)
        assert (await ask(house, "GET", await ticket(house, bob, job.artefacts[0].url), {}))[0] == 404


@pytest.mark.parametrize("path", ["", "/", "/v1/jobs", "/v1/keys", "/v1/stream/../keys", "//evil.example/v1/stream",
                                  f"/v1/jobs/{'0' * 32}/cancel", f"/v1/jobs/{'0' * 32}/artefacts/../../x"])  # fmt: skip
async def test_a_ticket_leads_to_a_stream_or_an_artefact_only(tmp_path: Path, path: str) -> None:
    async with locked(tmp_path) as house:
        status, problem = await ask(house, "POST", "/v1/tickets", ROOT, json={"path": path})
        assert (status, problem["type"]) == (400, "/problems/malformed")


def test_a_ticket_lasts_a_minute_and_the_oldest_goes_first() -> None:
    now = [0.0]
    tickets = Tickets(clock=lambda: now[0])
    late, early = tickets.give("/a", ANYBODY), tickets.give("/a", ANYBODY)
    now[0] = LIFE - 1
    assert tickets.take(early, "/a")
    now[0] = LIFE
    assert tickets.take(late, "/a") is None
    first, *_rest = [tickets.give("/a", ANYBODY) for _ in range(MOST + 1)]
    assert tickets.take(first, "/a") is None


# ---------------------------------------------------------------------------------------------- links of mails


def link(house: House, job_id: str, seconds: float = 60) -> str:
    return load_signer(house.settings).token(LINK, job_id, int(time.time() + seconds))


async def test_a_mailed_link_opens_that_job_alone_to_look_at(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        ann = await make_key(house, "ann")
        job, other = await finished(house, ann), await finished(house, ann)
        token = link(house, job.id)
        for path in ("/jobs/{id}", "/jobs/{id}/rejects", *OPENED):
            address = path.format(id=job.id, name=job.artefacts[0].name)
            status, _ = await ask(house, "GET", f"{address}?link={token}", PAGE)
            assert status == (426 if path.endswith("/stream") else 200), path
        for method, path in (
            ("GET", f"/v1/jobs/{other.id}"),
            ("GET", other.artefacts[0].url),
            ("GET", "/v1/jobs"),
            ("GET", "/v1/stream"),
            ("DELETE", f"/v1/jobs/{job.id}"),
            ("POST", f"/v1/jobs/{job.id}/retry"),
            ("POST", "/v1/tickets"),
        ):
            assert (await ask(house, method, f"{path}?link={token}", {}))[0] == 401, path
        page = (await ask(house, "GET", f"/jobs/{job.id}?link={token}", PAGE))[1]
        assert ("Log out" in page, 'data-act="delete"' in page) == (False, False)


async def test_a_mailed_link_leads_from_one_page_of_rows_to_the_next(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        job = await finished(house, ROOT)
        following = f"/v1/jobs/{job.id}/rejects?link={link(house, job.id)}&limit=1"
        for line in ("2", "3"):
            status, page = await ask(house, "GET", following, {})
            assert (status, [row[0] for row in page["rows"]]) == (200, [line])
            following = page["next"]


async def test_the_browser_keeps_a_link_for_what_the_page_loads_and_for_no_other_job(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        job = await finished(house, ROOT)
        async with house.http.get(f"/jobs/{job.id}?link={link(house, job.id)}", headers=PAGE) as answer:
            cookies = answer.headers.getall("Set-Cookie")
        assert [set(cookie.split("; ")[1:]) for cookie in cookies] == [
            {f"Path=/{prefix}jobs/{job.id}", "HttpOnly", "SameSite=Strict"} for prefix in ("", "v1/")
        ]
        kept = {"Cookie": cookies[1].partition(";")[0]}
        assert (await ask(house, "GET", job.artefacts[0].url, kept))[0] == 200
        async with house.http.ws_connect(f"/v1/jobs/{job.id}/stream", headers=kept) as socket:
            await socket.receive()


async def test_the_link_of_a_page_that_is_reached_by_https_is_kept_for_https_alone(tmp_path: Path) -> None:
    async with locked(tmp_path, public_url="https://mill.example/") as house:
        job = await finished(house, ROOT)
        async with house.http.get(f"/jobs/{job.id}?link={link(house, job.id)}", headers=PAGE) as answer:
            cookies = answer.headers.getall("Set-Cookie")
        assert [cookie.endswith("; Secure") for cookie in cookies] == [True, True]


@pytest.mark.parametrize("path", ["/static/rowmill.js", "/static/rowmill.css", "/static/icon.svg", "/login"])
async def test_what_every_page_needs_takes_no_key(tmp_path: Path, path: str) -> None:
    async with locked(tmp_path) as house:
        assert (await ask(house, "GET", path, {}))[0] == 200
        assert (await ask(house, "GET", "/static/../service/keys.py", {}))[0] in {401, 404}


async def test_an_old_or_altered_link_opens_nothing(tmp_path: Path) -> None:
    async with locked(tmp_path) as house:
        job = await finished(house, ROOT)
        until, _, mark = link(house, job.id).partition(".")
        wrong: list[Any] = [
            link(house, job.id, seconds=-2),
            link(house, "0" * 32),
            f"{int(until) + 1}.{mark}",
            f"{until}.{mark[:-1]}",
            f"{until}.",
            f"{until}.é",
            f"٣.{mark}",
            "9" * 5000 + f".{mark}",
            "",
        ]
        for token in wrong:
            status, _ = await ask(house, "GET", f"/v1/jobs/{job.id}", {}, params={"link": token})
            assert status == 401, token
            async with house.http.get(f"/jobs/{job.id}", params={"link": token}, allow_redirects=False) as answer:
                assert (answer.status, "Set-Cookie" in answer.headers) == (401, False)


def test_an_earlier_secret_still_holds_and_another_purpose_does_not() -> None:
    old, new = "o" * 32, "n" * 32
    token = Signer([old]).token(LINK, "a", 100)
    assert Signer([new, old]).holds(LINK, "a", token, 99)
    assert not Signer([new]).holds(LINK, "a", token, 99)
    assert not Signer([old]).holds("operator", "a", token, 99)

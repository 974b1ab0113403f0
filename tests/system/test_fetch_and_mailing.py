"""The kinds fetch and mailing against a real web server and a real mail server, which misbehave."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
import sys
from contextlib import closing
from functools import partial
from typing import Any

from outside import as_json, open_api, open_post, person, serving, web

PEOPLE = ["first_name", "last_name", "email", "city", "country", "countrycode", "bio"]


async def rows(rowmill, job: dict[str, Any], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((await rowmill.artefact(job["id"], name)).decode(), newline="")))


async def submitted_by_command(server: str, kind: str, params: dict[str, Any]) -> dict[str, Any]:
    """As a user types it, without a file."""
    words = [word for name, value in params.items() for word in ("-p", f"{name}={value}")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rowmill", "submit", "--kind", kind, *words, "--json", "--server", server),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    job: dict[str, Any] = json.loads(said)
    return job


def fate_of_item(number: int) -> str:
    """In a hundred: one error, one that is not there, one slow and one busy at first; and one hangs."""
    return "hang" if number == 77 else {10: "500", 20: "slow", 30: "busy", 40: "404"}.get(number % 100, "ok")


async def test_fetch_brings_every_record_and_lists_every_failure(start):
    async with open_api(fate_of_item, latency=0.02) as api:
        rowmill = await start(FETCH_HOSTS=api.url)
        params = {"url": f"{api.url}/item/{{i}}", "last": 300, "timeout": 1.5, "tries": 2, "wait": 0.01}
        job = await rowmill.finished((await submitted_by_command(rowmill.url, "fetch", params))["id"])
    assert job["state"] == "succeeded", job["problem"]
    assert job["source"]["size"] == 0
    failures = {10: "answered 500", 110: "answered 500", 210: "answered 500", 77: "no end within 1.5 s"}
    failures = {number: f"{why} (given up after 2 tries)" for number, why in failures.items()}
    failures |= dict.fromkeys((40, 140, 240), "answered 404")
    outcomes = await rows(rowmill, job, "outcomes.csv")
    assert {row["url"]: row["detail"] for row in outcomes if row["outcome"] == "rejected"} == {
        f"{api.url}/item/{number}": why for number, why in failures.items()
    }
    assert {row["url"] for row in outcomes} == {f"{api.url}/item/{number}" for number in range(1, 301)}
    rejected = await rows(rowmill, job, "rejected.csv")
    assert {(row["url"], row["rejected_reason"]) for row in rejected} == {
        (f"{api.url}/item/{number}", f"url: {why}") for number, why in failures.items()
    }
    people = await rows(rowmill, job, "people.csv")
    assert [row["email"] for row in people] == [person(n)["email"] for n in range(1, 301) if n not in failures]
    assert people[1] == {
        "first_name": "First2",
        "last_name": "Last2",
        "email": "p2@example.org",
        "city": "Köln, am Rhein",
        "country": "Germany",
        "countrycode": "DE",
        "bio": 'Says "2"\nand more',
    }
    with closing(sqlite3.connect(rowmill.data / "records.db")) as records:
        found = records.execute(f"SELECT {', '.join(PEOPLE)} FROM people ORDER BY id").fetchall()
    assert found == [tuple(row.values()) for row in people]
    numbers = job["report"]["numbers"]
    assert (numbers["fetched"], numbers["rejected"], numbers["people"], numbers["inserted"]) == (293, 7, 293, 293)
    assert api.most_at_once == 10
    assert all(api.asked[f"/item/{number}"] == 1 for number in range(1, 300) if fate_of_item(number) == "ok")


async def test_fetch_asks_only_hosts_that_are_allowed_and_reads_arrays_objects_and_pages(start):
    async def pages(request: web.Request) -> web.Response:
        page = int(request.query.get("page", "1"))
        body = {"data": [person(page), {"title": "nobody"}], "meta": {"page": page, "total_pages": 3}}
        return as_json(body)

    async def linked(request: web.Request) -> web.Response:
        return as_json({"people": [person(7)], "next": None if request.query_string else "/linked?more"})

    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["to"])

    async def texts(_request: web.Request) -> web.Response:
        return web.Response(text="no JSON")

    app = web.Application()
    app.add_routes([web.get("/pages", pages), web.get("/linked", linked), web.get("/moved", moved)])
    app.router.add_get("/texts", texts)
    fixed = {"/array": [person(1), person(2)], "/large": [person(1)] * 20_000, "/other": {"title": "nobody"}}
    for path, value in fixed.items():
        app.router.add_get(path, partial(_answer, value))
    async with serving(app) as url, serving(app) as foreign:
        rowmill = await start(FETCH_HOSTS=f"{url},{url.replace('127.0.0.1', 'localhost')}")
        expected = {
            f"{url}/pages": "3 records, 3 pages, 3 that describe nobody",
            f"{url}/linked": "2 records, 2 pages",
            f"{url}/array": "2 records",
            f"{url}/moved?to=/array": "2 records",
            f"{url}/large": "more than 1,048,576 bytes",
            f"{url}/other": "nothing in the answer describes a person",
            f"{url}/texts": "the answer is not JSON",
            f"{url}/moved?to={foreign}/array": "not a host that may be asked here (ROWMILL_FETCH_HOSTS)",
            f"{foreign}/array": "not a host that may be asked here (ROWMILL_FETCH_HOSTS)",
            f"{url.replace('127.0.0.1', 'localhost')}/array": "the name leads to an address that is not public",
            f"{url.replace('//', '//user:pass@')}/array": "not a host that may be asked here (ROWMILL_FETCH_HOSTS)",
            "file:///etc/passwd": "not a host that may be asked here (ROWMILL_FETCH_HOSTS)",
            "http://[": "not a URL",
        }
        table = "url\n" + "".join(f"{one}\n" for one in expected)
        job = await rowmill.finished((await rowmill.submit(table.encode(), kind="fetch"))["id"])
        assert {row["url"]: row["detail"] for row in await rows(rowmill, job, "outcomes.csv")} == expected
        refused = await rowmill.submit(None, kind="fetch", params={"url": f"{foreign}/{{i}}"})
        problem = (await rowmill.finished(refused["id"]))["problem"]
        assert (problem["status"], problem["errors"][0]["code"]) == (422, "no_host")
        await rowmill.stop()
        rowmill.settings.clear()
        await rowmill.start()
        refused = await rowmill.submit(None, kind="fetch", params={"url": f"{url}/array"})
        assert "ROWMILL_FETCH_HOSTS" in (await rowmill.finished(refused["id"]))["problem"]["detail"]


async def _answer(value: Any, _request: web.Request) -> web.Response:
    return as_json(value)


def fate_of_mail(number: int) -> str:
    return {5: "drop", 7: "refused"}.get(number % 100, "busy" if number % 20 == 3 else "ok")


async def test_a_mailing_killed_half_way_sends_nobody_two_mails_and_tells_everyones_fate(start):
    """5 % are put off at first, 1 % refused, and of 1 % the connection breaks when the mail is handed over."""
    fates = {f"r{n}@example.org": fate_of_mail(n) for n in range(1000)}
    table = "email,subject,message\n" + "".join(f'{to},"Hällo, {to}","Dear {to},\n.\nbye"\n' for to in fates)
    async with open_post(fates.get) as post:
        rowmill = await start(
            SMTP_URL=f"smtp://127.0.0.1:{post.port}?starttls=never",
            MAIL_FROM="Mill <mill@example.org>",
            UNSUBSCRIBE_URL="https://example.org/leave?who={email},mailto:leave@example.org",
        )
        params = {"per_second": 1000, "wait": 0.05, "concurrency": 20}
        job = await rowmill.submit(table.encode(), kind="mailing", params=params)
        await rowmill.watch(job["id"], lambda now: now["progress"]["rows_done"] > 300)
        await rowmill.kill()
        await rowmill.start()
        job = await rowmill.finished(job["id"], within=180)
    assert job["state"] == "succeeded", job["problem"]
    outcomes = {row["email"]: row["outcome"] for row in await rows(rowmill, job, "outcomes.csv")}
    assert outcomes.keys() == fates.keys()
    delivered = post.delivered
    assert set(delivered.values()) == {1}
    cut_off = {to for to, what in outcomes.items() if what == "unknown" and fates[to] != "drop"}
    assert len(cut_off) <= 20
    for to, fate in fates.items():
        if to not in cut_off:
            assert outcomes[to] == {"drop": "unknown", "refused": "rejected"}.get(fate, "sent")
        if outcomes[to] == "sent":
            assert delivered[to] == 1
    numbers = job["report"]["numbers"]
    assert numbers["sent"] + numbers["unknown"] + numbers["rejected"] == numbers["rows"] == 1000
    refused = [to for to, fate in fates.items() if fate == "refused" and to not in cut_off]
    assert [row["email"] for row in await rows(rowmill, job, "rejected.csv")] == refused
    assert post.connections < 80  # they are kept, but for those that the server breaks
    mail = post.mail_to("r0@example.org")
    assert (mail["To"], mail["Subject"]) == ("r0@example.org", "Hällo, r0@example.org")
    assert mail["From"] == "Mill <mill@example.org>"
    assert mail["List-Unsubscribe"] == "<https://example.org/leave?who=r0%40example.org>, <mailto:leave@example.org>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.get_content() == "Dear r0@example.org,\r\n.\r\nbye\r\n"


async def test_what_is_no_single_address_or_no_single_line_is_rejected_and_never_a_header(start):
    cells = [
        ("fine@example.org", "Hello", "sent"),
        ("a@example.org, b@example.org", "Hello", "email: not exactly one mail address"),
        ('"Ann <a@example.org>"', "Hello", "email: not exactly one mail address"),
        ('"a@example.org\nBcc: b@example.org"', "Hello", "email: not exactly one mail address"),
        ("c@example.org", '"Hello\r\nBcc: b@example.org"', "subject: not one line of text"),
        ("d@example.org", "x" * 501, "subject: longer than 500 characters"),
        ("", "Hello", "email: missing"),
    ]
    quoted = [(f'"{to}"' if "," in to and '"' not in to else to, subject) for to, subject, _ in cells]
    table = "email,subject,message\n" + "".join(f"{to},{subject},text\n" for to, subject in quoted)
    rowmill = await start()
    job = await rowmill.finished((await rowmill.submit(table.encode(), kind="mailing"))["id"])
    reasons = [row["rejected_reason"] for row in await rows(rowmill, job, "rejected.csv")]
    assert reasons == [why for _, _, why in cells if why != "sent"]
    [written] = rowmill.mails()
    assert b"To: fine@example.org" in written.read_bytes()
    assert b"bcc" not in written.read_bytes().lower()

"""The page's door: a key opens a session, and no page of another site can use it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from service.door.login import next_of
from service.door.quotas import FAILURES, Failures
from service.problems import Refused
from tests.service.house import TABLE, House
from tests.service.keyring import ROOT_KEY, ask, locked, make_key

PAGE = {"Accept": "text/html"}


@asynccontextmanager
async def browsing(house: House) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser of sorts: it keeps cookies, and follows nothing by itself."""
    async with aiohttp.ClientSession(house.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        yield browser


async def log_in(browser: aiohttp.ClientSession, key: str, following: str = "/", **headers: str) -> tuple[int, Any]:
    form = {"key": key, "next": following}
    async with browser.post("/login", data=form, headers=headers, allow_redirects=False) as answer:
        await answer.read()
        return answer.status, answer.headers


async def token_of(browser: aiohttp.ClientSession) -> str:
    async with browser.get("/", headers=PAGE) as answer:
        found = re.search(r'name="csrf" content="([0-9a-f]{64})"', await answer.text())
        assert found
        return found[1]


async def say(browser: aiohttp.ClientSession, method: str, path: str, **options: Any) -> tuple[int, str]:
    async with browser.request(method, path, allow_redirects=False, **options) as answer:
        return answer.status, answer.headers.get("Location", "") or await answer.text()


async def test_a_visitor_without_a_session_is_shown_the_door_and_comes_back_to_the_page(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        assert await say(browser, "GET", "/?state=failed", headers=PAGE) == (303, "/login?next=/?state%3Dfailed")
        async with browser.get("/login?next=%2F%3Fstate%3Dfailed") as answer:
            assert 'name="next" value="/?state=failed"' in await answer.text()
        status, headers = await log_in(browser, ROOT_KEY, "/?state=failed")
        assert (status, headers["Location"]) == (303, "/?state=failed")
        assert (await say(browser, "GET", "/?state=failed", headers=PAGE))[0] == 200


async def test_a_link_from_another_site_is_followed_anew_so_that_the_session_comes_along(tmp_path: Path) -> None:
    elsewhere = PAGE | {"Sec-Fetch-Site": "cross-site"}
    async with locked(tmp_path) as house, house.http.get("/", headers=elsewhere) as answer:
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
        assert '<meta http-equiv="refresh" content="0">' in await answer.text()


async def test_the_sessions_cookie_is_kept_from_scripts_and_from_other_sites(tmp_path: Path) -> None:
    async with locked(tmp_path, public_url="https://mill.example") as house, browsing(house) as browser:
        _, headers = await log_in(browser, ROOT_KEY, Origin=house.url)
        words = set(headers["Set-Cookie"].split("; "))
        assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"} <= words
        assert not [word for word in words if word.startswith("Domain")]
        assert ROOT_KEY not in headers["Set-Cookie"]
        _, headers = await log_in(browser, ROOT_KEY, Origin="https://mill.example", Host="mill.example")
        assert headers["Set-Cookie"].startswith("__Host-rowmill_session=")
        assert "Secure" in headers["Set-Cookie"].split("; ")
        kept = PAGE | {"Cookie": headers["Set-Cookie"].partition(";")[0]}
        async with house.http.get("/", headers=kept, allow_redirects=False) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("key", ["", "wrong", "rowmill_0_0", "ö", "x" * 3000])
async def test_a_wrong_key_opens_nothing(tmp_path: Path, key: str) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        status, headers = await log_in(browser, key)
        assert (status, "Set-Cookie" in headers) == (401, False)
        assert (await say(browser, "GET", "/v1/jobs"))[0] == 401


async def test_a_key_that_may_not_read_opens_no_session(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        key = (await make_key(house, "robot", "submit"))["Authorization"].split()[1]
        assert (await log_in(browser, key))[0] == 401


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"key=%", "application/x-www-form-urlencoded; charset=none"),
        (b"key=\xff", "application/x-www-form-urlencoded"),
        (b"nonsense", "multipart/form-data; boundary=x"),
        (b"nonsense", "multipart/form-data"),
        (b"key=" + b"x" * 5000, "application/x-www-form-urlencoded"),
    ],
)
async def test_a_login_that_is_no_form_is_the_clients_fault(tmp_path: Path, data: bytes, media_type: str) -> None:
    async with locked(tmp_path) as house:
        status, _ = await ask(house, "POST", "/login", {"Content-Type": media_type}, data=data)
        assert 400 <= status < 500


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_empty_form_is_one_without_a_key(tmp_path: Path, *, chunked: bool) -> None:
    async with locked(tmp_path) as house:
        status, page = await ask(house, "POST", "/login", {}, data=b"", chunked=chunked or None)
        assert (status, "This is no key that works." in page) == (401, True)


async def test_a_change_takes_the_pages_token_beside_the_cookie(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        await log_in(browser, ROOT_KEY)
        token = await token_of(browser)
        calls: list[tuple[str, str, Any]] = [
            ("POST", "/v1/jobs?filename=sales.csv&kind=sales", TABLE),
            ("POST", "/jobs?filename=sales.csv&kind=sales", TABLE),
            ("POST", "/v1/keys", b'{"name":"mallory","scopes":["admin"]}'),
            ("POST", "/v1/tickets", b'{"path":"/v1/stream"}'),
            ("DELETE", f"/v1/jobs/{'0' * 32}", b""),
            ("POST", "/logout", b""),
        ]
        for method, path, data in calls:
            for wrong in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "é"}, {"X-CSRF-Token": token[:-1] + "g"}):
                status, problem = await say(browser, method, path, data=data, headers=wrong)
                assert (status, "/problems/stale_page" in problem) == (403, True), (path, wrong)
        assert (await ask(house, "GET", "/v1/jobs", {"Authorization": f"Bearer {ROOT_KEY}"}))[1]["jobs"] == []
        for method, path, data in calls:
            status, _ = await say(browser, method, path, data=data, headers={"X-CSRF-Token": token})
            assert status != 403, path


async def test_a_form_without_scripts_sends_the_token_in_its_address(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        await log_in(browser, ROOT_KEY)
        async with browser.get("/", headers=PAGE) as answer:
            action = re.search(r'<form id="new" action="([^"]+)"', await answer.text())
        assert action
        form = aiohttp.FormData({"kind": "sales"})
        form.add_field("file", TABLE, filename="sales.csv")
        status, place = await say(browser, "POST", action[1], data=form)
        assert (status, place.startswith("/jobs/")) == (303, True)


async def test_a_foreign_page_can_neither_log_in_nor_use_the_session(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        assert (await log_in(browser, ROOT_KEY, Origin="https://evil.example"))[0] == 403
        await log_in(browser, ROOT_KEY)
        right = {"X-CSRF-Token": await token_of(browser), "Origin": "https://evil.example"}
        assert (await say(browser, "POST", "/v1/jobs", data=TABLE, headers=right))[0] == 403
        for path in ("/v1/stream", f"/v1/jobs/{'0' * 32}/stream"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await browser.ws_connect(path, origin="https://evil.example")
            assert refused.value.status == 403
        async with browser.ws_connect("/v1/stream", origin=house.url):
            pass


async def test_a_name_pointed_at_us_sees_nothing_of_a_session(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        await log_in(browser, ROOT_KEY)
        evil = {"Host": "evil.example", "Origin": "http://evil.example"}
        for method, path in (("GET", "/"), ("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("GET", "/login")):
            assert (await say(browser, method, path, headers=evil))[0] == 421


async def test_whoever_logs_out_is_out(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        await log_in(browser, ROOT_KEY)
        token = await token_of(browser)
        kept = {"Cookie": "; ".join(f"{one.key}={one.value}" for one in browser.cookie_jar)}
        assert (await ask(house, "GET", "/v1/jobs", kept))[0] == 200
        assert await say(browser, "POST", f"/logout?csrf={token}") == (303, "/login")
        assert list(browser.cookie_jar) == []
        assert (await ask(house, "GET", "/v1/jobs", kept))[0] == 401


async def test_with_a_session_its_streams_end_and_no_others(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser, browsing(house) as other:
        for one in (browser, other):
            await log_in(one, ROOT_KEY)
        async with browser.ws_connect("/v1/stream") as ended, other.ws_connect("/v1/stream") as kept:
            await say(browser, "POST", f"/logout?csrf={await token_of(browser)}")
            assert (await ended.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
            with pytest.raises(TimeoutError):
                await kept.receive(timeout=0.2)


async def test_requests_that_lead_elsewhere_are_counted(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        await say(browser, "GET", "/", headers=PAGE)
        await log_in(browser, ROOT_KEY)
        _, figures = await say(browser, "GET", "/metrics")
        for asked in ('method="GET",route="/"', 'method="POST",route="/login"'):
            assert f'rowmill_http_request_seconds_count{{{asked},status="303"}} 1.0' in figures


async def test_whoever_logs_out_leaves_no_private_answer_in_the_browser(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        await log_in(browser, ROOT_KEY)
        async with browser.post(f"/logout?csrf={await token_of(browser)}", allow_redirects=False) as answer:
            assert answer.headers["Clear-Site-Data"] == '"cache"'


@pytest.mark.parametrize("path", ["/logout", "/jobs", f"/jobs/{'0' * 32}/repairs"])
async def test_a_form_that_is_sent_when_the_session_is_over_leads_to_the_door(tmp_path: Path, path: str) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        assert await say(browser, "POST", path, headers=PAGE) == (303, "/login?next=/")
        assert "/problems/unauthorized" in (await say(browser, "POST", path))[1]


async def test_whoever_looks_with_a_browser_is_told_of_a_problem_on_a_page(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        await log_in(browser, (await make_key(house, "ann"))["Authorization"].split()[1])
        for path, status, words in (
            ("/records/users", 403, "it takes the scope admin"),
            ("/nowhere", 404, "There is nothing at /nowhere."),
            ("/jobs", 405, "GET is not possible"),
        ):
            told, page = await say(browser, "GET", path, headers=PAGE)
            assert (told, words in page, "<h1>" in page) == (status, True, True)
        stale, page = await say(browser, "POST", "/logout?csrf=old", headers=PAGE)
        assert (stale, "load it again" in page, "<h1>" in page) == (403, True, True)
        assert "/problems/not_found" in (await say(browser, "GET", "/v1/nowhere", headers=PAGE))[1]


async def test_a_session_ends_with_its_time_and_with_its_key(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        key = (await make_key(house, "ann"))["Authorization"].split()[1]
        await log_in(browser, key)
        assert (await say(browser, "GET", "/v1/jobs"))[0] == 200
        ends = "UPDATE service_sessions SET ends = ends - 604800"
        await house.consumer.database.write(lambda tx: tx.execute(ends))
        assert (await say(browser, "GET", "/v1/jobs"))[0] == 401
        await log_in(browser, key)
        assert (await say(browser, "GET", "/v1/jobs"))[0] == 200
        await ask(house, "DELETE", "/v1/keys/ann", {"Authorization": f"Bearer {ROOT_KEY}"})
        assert (await say(browser, "GET", "/v1/jobs"))[0] == 401


async def test_a_session_may_do_what_its_key_may_and_sees_its_jobs_alone(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        ann = await make_key(house, "ann", "read")
        bob = await make_key(house, "bob")
        _, job = await ask(house, "POST", "/v1/jobs", bob | {"Content-Type": "text/csv"}, data=TABLE)
        await log_in(browser, ann["Authorization"].split()[1])
        assert (await say(browser, "GET", f"/jobs/{job['id']}", headers=PAGE))[0] == 404
        right = {"X-CSRF-Token": await token_of(browser)}
        assert "/problems/forbidden" in (await say(browser, "POST", "/v1/jobs", data=TABLE, headers=right))[1]


async def test_a_restart_keeps_sessions_and_a_stolen_database_opens_none(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser:
        await log_in(browser, ROOT_KEY)
        [cookie] = browser.cookie_jar
    async with locked(tmp_path) as house:
        assert (await ask(house, "GET", "/v1/jobs", {"Cookie": f"{cookie.key}={cookie.value}"}))[0] == 200
        [row] = await house.consumer.database.read("SELECT * FROM service_sessions")
        assert cookie.value not in row.values()
        assert (await ask(house, "GET", "/v1/jobs", {"Cookie": f"{cookie.key}={row['digest']}"}))[0] == 401


async def test_without_keys_nobody_has_to_log_in(house: House) -> None:
    status, page = await ask(house, "GET", "/", PAGE)
    assert (status, "Log out" in page, 'name="csrf"' in page) == (200, False, False)


@pytest.mark.parametrize(
    "text", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil", "script:x", "", "/login", "/é"]
)
def test_a_login_leads_to_a_place_of_ours_only(text: str) -> None:
    assert next_of(text) == "/"


async def test_whoever_guesses_keys_is_stopped_and_others_are_not(tmp_path: Path) -> None:
    async with locked(tmp_path) as house, browsing(house) as browser, browsing(house) as inside:
        ann = await make_key(house, "ann")
        await log_in(inside, ROOT_KEY)
        answers = [(await log_in(browser, f"guess {number}"))[0] for number in range(FAILURES)]
        assert set(answers) == {401}
        async with asyncio.timeout(60):  # on a machine that was busy meanwhile, that takes a guess more
            while (refused := await log_in(browser, "guess"))[0] == 401:
                pass
        assert (refused[0], int(refused[1]["Retry-After"]) >= 1) == (429, True)
        for key in ("guess", ROOT_KEY):
            status, problem = await ask(house, "GET", "/v1/jobs", {"Authorization": f"Bearer {key}"})
            assert (status, problem["type"]) == (429, "/problems/too_many_failures"), "right or wrong, nobody can tell"
        assert (await ask(house, "GET", "/v1/jobs", ann))[0] == 200, "a key that nobody can guess"
        assert (await say(inside, "GET", "/v1/jobs"))[0] == 200


def test_guessing_may_go_on_slowly() -> None:
    now = [0.0]
    failures = Failures(clock=lambda: now[0])
    for _ in range(FAILURES):
        failures.check("a")
        failures.note("a")
    with pytest.raises(Refused) as refused:
        failures.check("a")
    assert refused.value.headers["Retry-After"] == "2"
    failures.check("b")
    now[0] = 2.0
    failures.check("a")


@pytest.mark.parametrize(
    ("guesser", "same", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"),
        ("fe80::1%eth0", "fe80::2%eth0", "fe80:0:0:1::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
    ],
)
def test_who_has_a_whole_network_of_addresses_guesses_no_more_than_others(guesser: str, same: str, other: str) -> None:
    failures = Failures(clock=lambda: 0.0)
    for _ in range(FAILURES):
        failures.note(guesser)
    with pytest.raises(Refused):
        failures.check(same)
    failures.check(other)

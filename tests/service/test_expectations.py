"""`Expect`: only whoever has been let in is told to send a body, and what nobody can promise is a problem."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tests.service.house import DEADLINE, House
from tests.service.keyring import ROOT, locked
from tests.service.test_attacks import answer_to, connected

READERS = ["/v1/jobs?kind=sales", "/jobs?kind=sales", "/v1/preview?kind=sales", "/v1/keys", "/v1/tickets", "/login"]
WAITING = {"Content-Type": "text/csv", "Content-Length": "10", "Expect": "100-Continue"}


def head(method: str, path: str, headers: dict[str, str], version: str = "1.1") -> bytes:
    lines = [f"{name}: {value}" for name, value in ({"Host": "localhost"} | headers).items()]
    return "\r\n".join((f"{method} {path} HTTP/{version}", *lines, "", "")).encode("latin-1")


@pytest.mark.parametrize("path", READERS)
async def test_who_is_let_in_is_invited_once_where_a_body_is_read(tmp_path: Path, path: str) -> None:
    async with locked(tmp_path) as house, connected(house, 1) as [(reader, writer)], asyncio.timeout(DEADLINE):
        writer.write(head("POST", path, ROOT | WAITING))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"0123456789")
        assert not (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")


@pytest.mark.parametrize("path", READERS)
async def test_who_is_turned_away_is_not_invited(tmp_path: Path, path: str) -> None:
    evil = {"Host": "evil.example"}
    async with locked(tmp_path) as house:
        assert (await answer_to(house, head("POST", path, ROOT | WAITING | evil))).split()[1] == "421"
        if path != "/login":
            assert (await answer_to(house, head("POST", path, WAITING))).split()[1] == "401"


async def test_what_reads_no_body_invites_nobody(house: House) -> None:
    for method, path, status in (("GET", "/livez", "200"), ("POST", "/v1/bulk?action=cancel", "202")):
        assert (await answer_to(house, head(method, path, WAITING))).split()[1] == status


@pytest.mark.parametrize("expected", ["banana", "\xff", "100-continue, banana"])
async def test_what_nobody_can_promise_is_a_problem(
    tmp_path: Path, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with locked(tmp_path) as house:
        for asked in ("GET /livez", "GET /", "GET /login", "POST /v1/jobs", "GET /nowhere", "PUT /livez"):
            told = await answer_to(house, head(*asked.split(), ROOT | {"Expect": expected}))
            assert (told.split()[1], "application/problem+json" in told) == ("417", True)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("expected", ["100-continue", "banana"])
async def test_before_http_1_1_nothing_is_expected(house: House, expected: str) -> None:
    asked = WAITING | {"Expect": expected}
    for path, status in (("/v1/tickets", "400"), ("/v1/jobs?kind=sales", "422")):
        assert (await answer_to(house, head("POST", path, asked, "1.0") + b"no headers")).split()[1] == status

"""The audit: whatever the kind, its report says where each row went, and so do the page and the mail."""

from __future__ import annotations

import csv
import html
import io
from email import message_from_bytes, policy
from typing import Any

import pytest
from outside import open_api

from protocol.job import Account
from tests import vectors

MANY = "email,subject,message\na@x.org,s,m\nnobody,s,m\nb@x.org,s,m\n"
NAMES = ("read", "used", "rejected", "skipped")
# A table of each kind, or its parameters, and its account: read, used, rejected, skipped.
TABLES: dict[str, tuple[bytes | None, tuple[int, int, int, int]]] = {
    "sales": (vectors.SALES, (10, 7, 3, 0)),
    "summary": (vectors.SUMMARY + b"West,x\n", (6, 5, 1, 0)),
    "profile": (b"a,b\n1,2\n3\n4,5\n", (3, 2, 1, 0)),
    "users": (vectors.USERS, (4, 2, 1, 1)),
    "players": (vectors.PLAYERS + b"Fay, BAL, Catcher, tall, 180, 22\n", (6, 5, 1, 0)),
    "fetch": (None, (4, 3, 1, 0)),
    "mailing": (MANY.encode(), (3, 2, 1, 0)),
}


@pytest.fixture
async def rowmill(start):
    async with open_api(lambda number: "404" if number == 2 else "ok") as api:
        instance = await start(FETCH_HOSTS=api.url)
        instance.asked = {"fetch": {"url": f"{api.url}/item/{{i}}", "last": 4}}
        yield instance


async def test_every_kind_accounts_for_all_rows_in_its_report_on_the_page_and_in_the_mail(rowmill):
    async with rowmill.session.get(f"{rowmill.url}/v1/kinds") as answer:
        assert {kind["name"] for kind in (await answer.json())["kinds"]} == set(TABLES)
    for kind, (table, expected) in TABLES.items():
        params = rowmill.asked.get(kind, {})
        job = await rowmill.submit(table, kind=kind, params=params, email=address(kind))
        await check(rowmill, await rowmill.finished(job["id"]), Account(**dict(zip(NAMES, expected, strict=True))))


def address(kind: str) -> str:
    return f"{kind}@audit.example.org"


async def check(rowmill: Any, job: dict[str, Any], account: Account) -> None:
    assert job["state"] == "succeeded", job["problem"]
    assert job["report"]["account"] == account.model_dump(), job["kind"]
    assert account.read == account.used + account.rejected + account.skipped
    progress = job["progress"]
    assert (progress["rows_done"], progress["rows_rejected"]) == (account.read, account.rejected), job["kind"]
    rejected = (await rowmill.artefact(job["id"], "rejected.csv")).decode()
    assert len(list(csv.reader(io.StringIO(rejected, newline="")))) == account.rejected + 1
    said = [f"{account.used} used", f"{account.rejected} left out"]
    said += [f"{account.skipped} skipped"] if account.skipped else []
    async with rowmill.session.get(f"{rowmill.url}/jobs/{job['id']}") as answer:
        assert f"{account.read} rows read: {', '.join(said)}." in html.unescape(await answer.text())
    await rowmill.until(lambda: mailed(rowmill, job, account), f"mailed what {job['kind']} did")


def mailed(rowmill: Any, job: dict[str, Any], account: Account) -> bool:
    """Whether the mail about this job, in both its forms, says where the rows went."""
    for path in rowmill.mails():
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        if mail["To"] == address(job["kind"]):  # a mailing has written others
            texts = [part for part in mail.walk() if part.get_content_type() in {"text/plain", "text/html"}]
            assert [str(account) in html.unescape(part.get_content()) for part in texts] == [True, True]
            return True
    return False

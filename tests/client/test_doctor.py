"""`rowmill doctor`: each part that is wrong is named, with what to do, and nothing is made or changed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd import smtp as aiosmtpd
from aiosmtpd.smtp import AuthResult
from client_support import run

from consumer import mailers, native
from protocol import databases, files, records
from protocol.databases import soundness
from protocol.databases.sqlite import connect
from protocol.files import objects
from protocol.findings import Finding, Verdict, examine

NOBODY = "127.0.0.1:9"  # the discard port


def test_where_all_is_well_it_ends_with_0_and_leaves_nothing(tmp_path: Path) -> None:
    ended = run("doctor", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[:2] for line in ended.out.splitlines() if not line.startswith(" ")] == [
        *(["ok", part] for part in ("broker", "database", "files", "records", "mail")),
        ["ok" if native.is_there() else "warning", "native"],
    ]
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_is_told_all_at_once_and_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    wrong = {"DATA_DIR": "data", "BROKER_URL": f"amqp://{NOBODY}", "RECORDS_URL": f"postgresql://{NOBODY}/x"}
    ended = run("doctor", "--json", cwd=tmp_path, SMTP_URL=f"smtp://u:secret@{NOBODY}", **wrong)
    assert (ended.code, ended.err, ended.json["ok"]) == (1, "", False)
    found = {finding["part"]: finding for finding in ended.json["findings"]}
    assert found.pop("native")["verdict"] in {"ok", "warning"}
    assert list(found) == ["broker", "database", "files", "records", "mail"]
    assert {finding["verdict"] for finding in found.values()} == {"fault"}
    assert all(finding["advice"] for finding in found.values())
    assert "secret" not in ended.out


def test_a_wrong_setting_is_told_before_anything_is_looked_at(tmp_path: Path) -> None:
    ended = run("doctor", cwd=tmp_path, WORKERS="many")
    assert (ended.code, "ROWMILL_WORKERS" in ended.err) == (2, True)


def test_a_sender_that_is_no_address_is_a_fault(tmp_path: Path) -> None:
    ended = run("doctor", cwd=tmp_path, MAIL_FROM="nobody")
    assert (ended.code, "ROWMILL_MAIL_FROM" in ended.out) == (1, True), ended.err


def test_compiled_code_that_is_switched_off_is_no_fault_and_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ROWMILL_NATIVE=off\n")
    ended = run("doctor", cwd=tmp_path)
    assert (ended.code, "switched off" in ended.out, "ROWMILL_NATIVE" in ended.out) == (0, True, True), ended.err


async def one(findings: Any) -> Finding:
    [finding] = await findings
    assert isinstance(finding, Finding)
    return finding


async def a_fault(findings: Any) -> str:
    finding = await one(findings)
    assert finding.verdict is Verdict.FAULT
    assert finding.advice
    return finding.detail


async def test_a_sound_database_is_found_sound_and_one_in_use_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/rowmill.db"
    async with connect(url):
        assert "in use by a running Rowmill" in (await one(databases.examine(url))).detail
    assert "sound" in (await one(databases.examine(url))).detail
    async with connect(url):
        """Nothing that was looked at stays locked."""


async def test_a_damaged_database_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "rowmill.db"
    path.write_bytes(b"no database" * 1000)
    assert "not a database" in await a_fault(databases.examine(f"sqlite:///{path}"))
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9999) INSERT INTO t SELECT i FROM n"
        )
        connection.commit()
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)
    assert str(path) in await a_fault(databases.examine(f"sqlite:///{path}"))


async def test_a_full_disk_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundness, "FLOOR", 2**60)
    monkeypatch.setattr(objects, "SPACE_FLOOR", 2**60)
    async with connect(f"sqlite:///{tmp_path}/rowmill.db"):
        assert "must be" in await a_fault(databases.examine(f"sqlite:///{tmp_path}/rowmill.db"))
    assert "must be" in await a_fault(files.examine(tmp_path.as_uri()))


async def test_files_are_tried_out_and_nothing_of_that_stays(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    assert "writable" in (await one(files.examine((tmp_path / "files").as_uri()))).detail
    assert list((tmp_path / "files").iterdir()) == []


async def test_files_that_cannot_be_stored_are_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "files").write_text("a file")
    assert "is no folder" in await a_fault(files.examine((tmp_path / "files").as_uri()))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT", f"http://{NOBODY}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setattr("protocol.findings.PATIENCE", 0.5)
    [finding] = await examine({"files": files.examine("s3://bucket/prefix")})
    assert (finding.part, finding.verdict) == ("files", Verdict.FAULT)


async def test_records_that_are_down_are_a_fault(tmp_path: Path) -> None:
    reason = await a_fault(records.examine(f"postgresql://ann:secret@{NOBODY}/x"))
    assert "port 9 failed" in reason
    assert "secret" not in reason
    assert "it answers" in (await one(records.examine(f"sqlite:///{tmp_path}/records.db"))).detail


@pytest.fixture
async def mail_server() -> Any:
    """One that knows ann by her password."""

    def check(_server: object, _session: object, _envelope: object, _mechanism: str, said: Any) -> AuthResult:
        return AuthResult(success=(said.login, said.password) == (b"ann", b"right"), handled=False)

    options: dict[str, Any] = {"authenticator": check, "auth_require_tls": False}
    make: Callable[[], aiosmtpd.SMTP] = lambda: aiosmtpd.SMTP(object(), hostname="mx.example", **options)  # noqa: E731
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_a_mail_server_is_asked_with_the_password_and_no_mail_is_sent(mail_server: str) -> None:
    assert (await one(mailers.examine(f"smtp://ann:right@{mail_server}"))).verdict is Verdict.OK
    detail = await a_fault(mailers.examine(f"smtp://ann:wrong@{mail_server}"))
    assert "535" in detail
    assert "wrong" not in detail
    assert NOBODY in await a_fault(mailers.examine(f"smtp://{NOBODY}"))


async def test_a_mail_folder_that_cannot_be_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file")
    assert "is no folder" in await a_fault(mailers.examine((tmp_path / "outbox").as_uri()))

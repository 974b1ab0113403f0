"""`rowmill keys` as a process: beside a server that runs, and where none does."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from client_support import Server, run

import rowmill
from client import keyring
from client.exits import Usage

Settings = dict[str, str]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Settings, str]]:
    """A server for which a key was made before its first start; its settings as its operator has them; the key."""
    folder = tmp_path_factory.mktemp("locked")
    settings = {"DATA_DIR": str(folder / "data")}
    made = run("keys", "add", "ann", cwd=folder, **settings)
    assert (made.code, "cannot be shown again" in made.err) == (0, True), made.err
    with closing(Server(folder)) as server:
        yield server, settings | {"PORT": str(urlsplit(server.url).port)}, made.out.strip()


def status(url: str, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def test_a_key_made_before_the_first_start_works(locked: tuple[Server, Settings, str]) -> None:
    server, _, key = locked
    jobs = f"{server.url}/v1/jobs"
    assert (status(jobs, key), status(jobs, "wrong")) == (200, 401)


def test_whoever_reads_the_servers_secret_rules_its_keys_while_it_runs(
    locked: tuple[Server, Settings, str], tmp_path: Path
) -> None:
    server, settings, _ = locked
    made = run("keys", "add", "bob", "--scope", "read,admin", cwd=tmp_path, **settings)
    assert made.code == 0, made.err
    keys = f"{server.url}/v1/keys"
    assert status(keys, made.out.strip()) == 200
    rotated = run("keys", "rotate", "bob", "--grace", "30d", cwd=tmp_path, **settings)
    assert {status(keys, one.out.strip()) for one in (made, rotated)} == {200}
    listed = run("keys", "list", "--json", cwd=tmp_path, **settings).json["keys"]
    assert [(one["name"], one["scopes"], one["active"]) for one in listed if one["name"] == "bob"] == [
        ("bob", ["admin", "read"], True)
    ] * 2
    assert run("keys", "revoke", "bob", cwd=tmp_path, **settings).code == 0
    assert {status(keys, one.out.strip()) for one in (made, rotated)} == {401}
    table = run("keys", "list", cwd=tmp_path, **settings).out
    assert ("revoked" in table, made.out.strip() in table) == (True, False)


def test_another_folder_or_a_plain_key_rules_nothing(locked: tuple[Server, Settings, str], tmp_path: Path) -> None:
    server, _, key = locked
    elsewhere = run("keys", "list", "--server", server.url, cwd=tmp_path, DATA_DIR=str(tmp_path / "other"))
    assert (elsewhere.code, "key" in elsewhere.err) == (3, True)
    assert not (tmp_path / "other").exists(), "asking leaves nothing behind"
    (tmp_path / "key").write_text(key)
    plain = run("keys", "list", "--server", server.url, "--key-file", "key", cwd=tmp_path)
    assert (plain.code, "admin" in plain.err) == (3, True)


def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path: Path) -> None:
    ended = run("keys", "rotate", "nobody", cwd=tmp_path)
    assert (ended.code, "no key nobody" in ended.err, "Traceback" in ended.err) == (3, True, False), ended.err


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (lambda place: keyring.add(place, "a b", ["read"]), "no name for a key"),
        (lambda place: keyring.add(place, "ann", ["read,root"]), "no scope root"),
        (lambda place: keyring.add(place, "ann", [","]), "Give a scope"),
        (lambda place: keyring.rotate(place, "ann", "soon"), "no time"),
        (lambda place: keyring.rotate(place, "ann", "99999999d"), "no time"),
    ],
)
async def test_what_is_typed_wrong_is_said_before_anything_is_opened(asked: Any, says: str) -> None:
    with pytest.raises(Usage, match=says):
        await asked(keyring.Place(None, None, rowmill.keys_at_rest))

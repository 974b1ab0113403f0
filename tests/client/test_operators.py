"""The operators' commands against a server that really runs."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import pytest
from client_support import Server, ask, run

TABLE = "region,value_column\nNorth,10\nSouth,20\n"


def test_prune_says_what_would_go_then_removes_it_and_keeps_the_job(server: Server, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    job = run("submit", "t.csv", "-k", "summary", "--wait", "--json", "--server", server.url, cwd=tmp_path).json
    words = ("prune", "--older-than", "0s", "--server", server.url)
    dry = run(*words, "--dry-run", cwd=tmp_path)
    assert (dry.code, job["id"] in dry.out, "The files of 1 job (" in dry.out) == (0, True, True), dry.err
    ask(server.url + job["artefacts"][0]["url"] + "?for=spreadsheet", parse=False)
    assert run(*words, "--json", cwd=tmp_path).json["count"] == 1
    url = f"{server.url}/v1/jobs/{job['id']}"
    server.until(lambda: ask(url)["pruned_at"])
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(server.url + job["artefacts"][0]["url"])
    assert caught.value.code == 410
    caught.value.close()
    assert ask(url)["report"] == job["report"]
    server.until(lambda: not [path for path in server.files.rglob("*") if path.is_file()])
    assert run(*words, "--json", cwd=tmp_path).json["count"] == 0


def test_prune_without_any_rule_is_refused_in_a_sentence(server: Server, tmp_path: Path) -> None:
    ended = run("prune", "--server", server.url, cwd=tmp_path)
    assert (ended.code, "older_than" in ended.err) == (3, True)

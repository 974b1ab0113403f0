"""Kinds of other packages: one that is broken is left out and named, and no other suffers from it."""

from __future__ import annotations

import json

import pytest
from plugins import GOOD, install

BROKEN = {
    "missing": ("import nothing_here\n", "ModuleNotFoundError: No module named 'nothing_here' (missing.py:1)"),
    "halves": ("x = 1\nx = 1 / 0\n", "ZeroDivisionError: division by zero (halves.py:2)"),
    "typo": ("x = 1\ndef\n", "SyntaxError: invalid syntax (typo.py, line 2)"),
    "none": ("KIND = {'title': 'None'}\n", "none:KIND is of the type dict and not a Kind"),
    "empty": ("", "module 'empty' has no attribute 'KIND'"),
    "leaves": ("raise SystemExit(3)\n", "SystemExit: 3 (leaves.py:1)"),
    "dies": ("import os\nos._exit(3)\n", "the process that loaded it died, 3 times"),
    "Bad-Name": ("", "a kind's name is a small letter"),
    "sales": ("", "that is the name of a kind that ships"),
    "asks": (GOOD.replace("lambda _params: [", "lambda params: [params.nobody, "), "has no attribute 'nobody'"),
}  # fmt: skip


@pytest.fixture
def broken(tmp_path, monkeypatch):
    folder = tmp_path / "plugins"
    for name, (text, _) in BROKEN.items():
        module = name.lower().replace("-", "_")
        install(folder, f"pack-{module}", {name: f"{module}:KIND"}, **{module: text})
    install(folder, "good", {"good": "good:KIND"}, good=GOOD)
    install(folder, "late", {"good": "good:KIND"})
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.usefixtures("broken")
async def test_a_broken_package_is_left_out_and_named_and_the_others_work(start):
    rowmill = await start()
    async with rowmill.session.get(f"{rowmill.url}/v1/kinds") as answer:
        names = [kind["name"] for kind in (await answer.json())["kinds"]]
    assert {"profile", "sales", "summary", "good"} <= set(names)
    assert not set(names) & (set(BROKEN) - {"sales"})
    lines = [json.loads(line) for line in rowmill.log().splitlines() if '"leave out"' in line]
    said = {(line["kind"], line["message"]) for line in lines if line["level"] == "error"}
    assert len(said) == len(BROKEN) + 1
    for name, (_, why) in BROKEN.items():
        package = f"pack-{name.lower().replace('-', '_')} 1.0"
        [found] = [event for kind, event in said if kind == name]
        assert found.startswith(f"kind {name} of {package} is left out: ")
        assert why in found
    assert ("good", "kind good of late 1.0 is left out: good 1.0 has one, too") in said
    assert "Traceback" in next(line["exception"] for line in lines if line["kind"] == "halves")
    done = await rowmill.finished((await rowmill.submit(b"n\n1\n2\n", kind="good"))["id"])
    assert done["report"]["numbers"] == {"rows": 2}
    status, problem = await rowmill.post(b"n\n1\n", kind="halves")
    assert (status, problem["errors"][0]["pointer"]) == (422, "/kind")


@pytest.mark.usefixtures("broken")
async def test_an_error_in_a_kind_names_the_kind_its_line_and_the_chunk_and_the_log_has_the_traceback(start):
    rowmill = await start(CHUNK_SIZE="4", MAX_ATTEMPTS="1")
    job = await rowmill.finished((await rowmill.submit(b"n\n1\n2\n13\n", kind="good"))["id"])
    line = 1 + GOOD.splitlines().index('        raise ArithmeticError("unlucky")')
    assert job["problem"]["type"] == "/problems/kind_failed"
    assert job["problem"]["detail"] == f"good, chunk 2 of 2: ArithmeticError: unlucky (good.py:{line})"
    assert "Traceback" not in json.dumps(job)
    [failed] = [found for found in map(json.loads, rowmill.log().splitlines()) if found.get("action") == "judge"]
    assert 'raise ArithmeticError("unlucky")' in failed["exception"]
    assert failed["job"] == job["id"]

"""Kinds of other packages: one that is broken is left out and named, and no other suffers from it."""

from __future__ import annotations

import asyncio
import html
import json
import os
import subprocess
import sys
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from plugins import GOOD, install
from system_support import log_reasons

from consumer.announcing import PATIENCE

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "rowmill-weather"
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
    "texts": (GOOD.replace('Column("n", "number")', '"n"'), "one of its columns is of the type str and not a Column"),
    "floats": (GOOD.replace('"number"', '"float"'), "'n' is 'float'; there are text, number, category (floats.py:14)"),
    "halfway": (GOOD.replace("    combine=sum,\n", ""), "combine and finalize, or frame, or each (halfway.py:12)"),
    "loose": (GOOD.replace('"Good"', '"Good", params=dict'), "Params, as dict is not (loose.py:12)"),
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
async def test_an_error_in_a_kind_names_the_kind_its_line_and_the_chunk_everywhere(start):
    rowmill = await start(CHUNK_SIZE="4", MAX_ATTEMPTS="1")
    asked = {"kind": "good", "email": "someone@example.org"}
    job = await rowmill.finished((await rowmill.submit(b"n\n1\n2\n13\n", **asked))["id"])
    line = 1 + GOOD.splitlines().index('        raise ArithmeticError("unlucky")')
    told = f"good, chunk 2 of 2: ArithmeticError: unlucky (good.py:{line})"
    assert job["problem"]["type"] == "/problems/kind_failed"
    assert job["problem"]["detail"] == told
    async with rowmill.session.get(f"{rowmill.url}/jobs/{job['id']}") as page:
        shown = await page.text()
    await rowmill.until(lambda: len(rowmill.mails()) == 1, "a mail")
    parts = message_from_bytes(rowmill.mails()[0].read_bytes(), policy=default).walk()
    [text] = [part.get_content() for part in parts if part.get_content_type() == "text/plain"]
    terminal = await _terminal(rowmill, job["id"])
    for where in (shown, text, terminal):
        assert told in " ".join(html.unescape(where).split()), where
    assert not any("Traceback" in where for where in (json.dumps(job), shown, text, terminal))
    [failed] = [found for found in map(json.loads, rowmill.log().splitlines()) if found.get("action") == "judge"]
    assert 'raise ArithmeticError("unlucky")' in failed["exception"]
    assert failed["job"] == job["id"]


async def _terminal(rowmill, job_id):
    """What a person sees there."""
    command = [sys.executable, "-m", "rowmill", "watch", job_id, "--server", rowmill.url]
    pipe = asyncio.subprocess.PIPE
    watching = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "COLUMNS": "200"}, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    out, _ = await watching.communicate()
    assert watching.returncode == 1
    return out.decode()


async def test_the_example_is_installed_like_any_package_and_its_kind_is_there(start, tmp_path, monkeypatch):
    install_with_pip(EXAMPLE, tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    rowmill = await start(CHUNK_SIZE="40")
    asked = {"kind": "weather", "params": {"hot": 35}}
    job = await rowmill.submit((EXAMPLE / "weather.csv").read_bytes(), name="weather.csv", **asked)
    job = await rowmill.finished(job["id"])
    assert job["report"]["headline"] == "5 days at 2 stations, 1 of them hot."
    assert job["report"]["account"] == {"read": 6, "used": 5, "rejected": 1, "skipped": 0}
    assert await rowmill.artefact(job["id"], "hot.csv") == b"day,station,celsius\n2026-07-03,Rome,36.1\n"
    assert b"5,celsius: not_a_number" in await rowmill.artefact(job["id"], "rejected.csv")
    assert {"means.svg", "stations.csv"} <= {artefact["name"] for artefact in job["artefacts"]}


def install_with_pip(package, folder):
    """Without a network: what builds it is there already."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", folder, package], check=True, capture_output=True, text=True)


async def test_when_a_kind_is_mended_a_failed_job_s_retry_has_no_chunk_of_the_old_code(start, tmp_path, monkeypatch):
    install(tmp_path / "plugins", "good", {"good": "good:KIND"}, good=GOOD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugins"))
    rowmill = await start(CHUNK_SIZE="4", MAX_ATTEMPTS="1", WORKERS="1")
    job = await rowmill.finished((await rowmill.submit(b"n\n1\n2\n3\n4\n13\n", kind="good"))["id"])
    assert job["state"] == "failed"
    await rowmill.stop()
    mended = GOOD.replace("== 13", "== 14").replace("return len(frame)", "return 10 * len(frame)")
    mended = mended.replace("used=total", "used=total // 10")
    (tmp_path / "plugins" / "good.py").write_text(mended)
    await rowmill.start()
    async with rowmill.session.post(f"{rowmill.url}/v1/jobs/{job['id']}/retry") as answer:
        assert answer.status == 202

    async def succeeded() -> bool:
        return (await rowmill.job(job["id"]))["state"] == "succeeded"

    await rowmill.until(succeeded, "succeeded")
    job = await rowmill.job(job["id"])
    assert job["report"]["numbers"] == {"rows": 50}
    assert "the kind's code has changed: its chunks are done anew" in log_reasons(job)


async def test_a_kind_that_hangs_while_it_is_loaded_does_not_hold_up_the_end(start, tmp_path, monkeypatch):
    rowmill = await start()
    await rowmill.stop()
    install(tmp_path / "plugins", "hangs", {"hangs": "hangs:KIND"}, hangs="import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugins"))
    await rowmill.start()
    async with asyncio.timeout(PATIENCE / 2):
        assert await rowmill.stop() == 0

"""Real tus clients: what is cut on the way is resumed, and comes to the right result."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from pathlib import Path

from tests.node import EXAMPLES, node_only, run
from tests.proxy import Proxy
from tests.system.conftest import Rowmill, Start

MEGABYTE = 10**6
HEAD, ROW = b"region,value_column,note\n", b"North,2.5,some text that makes the row a little longer\n"
TUSPY = (sys.executable, EXAMPLES / "upload.py")


def write_table(path: Path, size: int) -> tuple[int, str]:
    """A table of about so many bytes: its rows, and its SHA-256."""
    rows = 100_000
    blocks = size // (len(ROW) * rows)
    digest = hashlib.sha256(HEAD)
    with path.open("wb") as file:
        file.write(HEAD)
        for _ in range(blocks):
            file.write(ROW * rows)
            digest.update(ROW * rows)
    return rows * blocks, digest.hexdigest()


async def check(rowmill: Rowmill, job: str, rows: int, digest: str) -> None:
    done = await rowmill.job(job)
    assert done["state"] == "succeeded", done["problem"]
    assert done["source"]["sha256"] == digest
    assert (done["report"]["numbers"]["total_rows"], done["report"]["numbers"]["average"]) == (rows, 2.5)
    assert not any(name.startswith("parcels/") for name in rowmill.files())


async def test_300_megabytes_cut_three_times_resume_and_come_to_the_right_result(start: Start, tmp_path: Path) -> None:
    rowmill = await start()
    rows, digest = write_table(tmp_path / "big.csv", 300 * MEGABYTE)
    async with Proxy(rowmill.port) as proxy:
        proxy.cuts, server = [50 * MEGABYTE] * 3, f"http://127.0.0.1:{proxy.port}"
        code, out = await run(*TUSPY, "big.csv", "summary", folder=tmp_path, ROWMILL_URL=server)
        assert (code, proxy.cuts) == (0, []), out
    await check(rowmill, out.split()[0], rows, digest)


async def test_an_upload_goes_on_after_kill_9_and_in_another_process_of_its_client(
    start: Start, tmp_path: Path
) -> None:
    rowmill = await start()
    rows, digest = write_table(tmp_path / "table.csv", 40 * MEGABYTE)
    async with Proxy(rowmill.port) as proxy:
        proxy.cuts, server = [30 * MEGABYTE], f"http://127.0.0.1:{proxy.port}"
        first = asyncio.create_task(run(*TUSPY, "table.csv", "summary", folder=tmp_path, ROWMILL_URL=server))
        await rowmill.until(lambda: not proxy.cuts, "cut")
        await rowmill.kill()
        await rowmill.start()
        code, out = await first
        assert code == 0, out
        again = await run(*TUSPY, "table.csv", "summary", folder=tmp_path, ROWMILL_URL=server)
        assert again == (code, out), "it is the same upload, and its job is known"
    await check(rowmill, out.split()[0], rows, digest)


@node_only
async def test_tus_js_client_resumes_what_was_cut(start: Start, packages: Path, tmp_path: Path) -> None:
    rowmill = await start()
    rows, digest = write_table(tmp_path / "table.csv", 60 * MEGABYTE)
    async with Proxy(rowmill.port) as proxy:
        proxy.cuts = [10 * MEGABYTE] * 3
        program = ("node", "upload.mjs", tmp_path / "table.csv", "summary")
        code, out = await run(*program, folder=packages, ROWMILL_URL=f"http://127.0.0.1:{proxy.port}")
        assert (code, proxy.cuts) == (0, []), out
    await check(rowmill, json.loads(out)["id"], rows, digest)

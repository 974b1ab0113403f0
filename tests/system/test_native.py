"""Compiled code can be switched off: then no worker uses it, and what comes of a job is the same to the byte."""

from __future__ import annotations

from plugins import TELLING, install

from consumer import native


async def test_switched_off_no_worker_uses_it_and_results_are_the_same(start, tmp_path, monkeypatch, sales):
    table = sales(2**20)
    install(tmp_path / "plugins", "tells", {"tells": "tells:KIND"}, tells=TELLING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugins"))

    async def made() -> tuple[object, object, float]:
        job = await rowmill.finished((await rowmill.submit(table, kind="sales"))["id"])
        told = await rowmill.finished((await rowmill.submit(b"n\n1\n2\n", kind="tells"))["id"])
        files = {one["name"]: await rowmill.artefact(job["id"], one["name"]) for one in job["artefacts"]}
        return job["report"], files, told["report"]["numbers"]["compiled"]

    rowmill = await start(CHUNK_SIZE="200KiB", CHARTS="no")
    *with_it, compiled = await made()
    assert compiled == native.is_there()
    await rowmill.stop()
    (rowmill.data.parent / "rowmill.toml").write_text("native = false\n")
    await rowmill.start()
    *without, compiled = await made()
    assert not compiled
    assert '"compiled": false' in rowmill.log()
    assert without == with_it

"""The worked examples, through HTTP: byte for byte in the files, to 1e-12 in the numbers, however the file is cut."""

from __future__ import annotations

import pytest

from tests.vectors import VECTORS


@pytest.mark.parametrize("chunk_size", ["1GiB", "100", "1"])
async def test_every_kind_comes_out_as_worked_by_hand(start, chunk_size):
    rowmill = await start(CHUNK_SIZE=chunk_size)
    for vector in VECTORS:
        job = await rowmill.finished((await rowmill.submit(vector.table, kind=vector.kind))["id"])
        files = {one["name"]: await rowmill.artefact(job["id"], one["name"]) for one in job["artefacts"]}
        vector.check(job, files)
        if vector.records:
            vector.check_records(await rowmill.records(vector.kind))

"""Whatever is asked of the API, by its schema or against it: no 500, and every answer is as the schema says."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from service.door import quotas
from tests.service.house import PROFILE, SALES, USERS, House
from tests.service.keyring import ROOT, locked

OURS = Path(__file__).parent.parent / "schemathesis"
DEADLINE = 400.0


async def finish_all(house: House) -> None:
    """So that whoever follows a job comes to an end."""
    while True:
        await house.consumer.finish(await house.consumer.ran.get())


async def announce_ever_again(house: House) -> None:
    """As consumers do: one that was not heard for a minute is taken for dead, and a busy machine needs longer."""
    while True:
        await house.consumer.announce(SALES, PROFILE, USERS)
        await asyncio.sleep(5)


async def test_every_answer_matches_the_schema_and_none_is_500(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "FAILURES", 10**6)  # wrong keys are part of it
    async with locked(tmp_path / "house", key_rate=10**6) as house:
        consumer = [asyncio.create_task(part(house)) for part in (finish_all, announce_ever_again)]
        house.http.headers.update(ROOT)
        await house.submit()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", OURS / "schemathesis.toml", "run"),
            *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "6"),
            *("--generation-deterministic", "--request-timeout", "60"),
            *("--continue-on-failure", "--no-color", "--warnings", "off"),
            *("-H", f"Authorization: {ROOT['Authorization']}", f"{house.url}/openapi.json"),
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(OURS), "SCHEMATHESIS_HOOKS": "house_hooks"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(DEADLINE):
            said, _ = await process.communicate()
        for part in consumer:
            part.cancel()
        assert process.returncode == 0, said.decode()[-20_000:]
        assert b"generated" in said

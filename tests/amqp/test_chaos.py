"""Kills at random while jobs are submitted without pause: each accepted one ends right, with one mail; nothing stays.

CHAOS_SECONDS says for how long, CHAOS_SEED repeats a run's choices (not their timing).
"""

from __future__ import annotations

import asyncio
import email
import os
import random
import secrets
from collections import Counter
from typing import Any

import aiohttp
import pytest

from tests.amqp.fleet import Fleet
from tests.family import living_in
from tests.rabbitmq import Node

SECONDS = float(os.environ.get("CHAOS_SECONDS", "15"))
SEED = os.environ.get("CHAOS_SEED") or secrets.token_hex(4)
CALM = (0.2, 2.0)  # seconds between two kills
ENOUGH = 10  # jobs: on a busy machine no service may be up for long before the last kill


class Chaos:
    def __init__(self, fleet: Fleet, node: Node, tables: dict[str, bytes]) -> None:
        self.fleet, self.node, self.tables = fleet, node, tables
        self.random = random.Random(SEED)
        self.accepted: dict[str, str] = {}  # by job: which table
        self.done: list[str] = []
        self.over = False
        self.end = asyncio.get_running_loop().time() + SECONDS

    async def run(self) -> None:
        submitting = asyncio.create_task(self._submit_on_and_on())
        try:
            while asyncio.get_running_loop().time() < self.end:
                await asyncio.sleep(self.random.uniform(*CALM))
                await self._strike()
            await self._all_up()
            await self.fleet.until(lambda: len(self.accepted) >= ENOUGH, "enough jobs")
            self.over = True
            await submitting  # cut off in the middle, it could leave a job that nobody here knows of
        finally:
            submitting.cancel()
            await asyncio.gather(submitting, return_exceptions=True)

    async def _strike(self) -> None:
        what = self.random.choice([self._kill_service, self._kill_consumer, self._kill_worker, self._kill_broker])
        self.done.append(what.__name__)
        await what()

    async def _kill_service(self) -> None:
        await self.fleet.service.kill()
        await self.fleet.service.start()

    async def _kill_consumer(self) -> None:
        await self.fleet.consumer.kill()
        await self.fleet.consumer.start()

    async def _kill_worker(self) -> None:
        for worker in self.fleet.consumer.workers()[:1]:
            worker.kill()

    async def _kill_broker(self) -> None:
        self.node.kill()
        await asyncio.sleep(self.random.uniform(0, 1))
        self.node.start()

    async def _submit_on_and_on(self) -> None:
        while not self.over:
            name = self.random.choice(list(self.tables))
            if (job_id := await self._submit(name, secrets.token_hex(8))) is not None:
                self.accepted[job_id] = name
            await asyncio.sleep(0.05)

    async def _submit(self, name: str, key: str) -> str | None:
        """As a client with patience does it: again with the same key, until there is an answer."""
        while True:
            try:
                status, body = await self._post(name, key)
            except (aiohttp.ClientError, OSError, AssertionError):
                await asyncio.sleep(0.1)
                continue
            if status in {200, 202}:
                return str(body["id"])
            await asyncio.sleep(0.1)

    async def _post(self, name: str, key: str) -> tuple[int, dict[str, Any]]:
        headers = {"Idempotency-Key": key}
        return await self.fleet.post(self.tables[name], kind="sales", email="a@example.org", headers=headers)

    async def _all_up(self) -> None:
        if not self.node.running:
            self.node.start()
        await self.node.up()
        for side in self.fleet.sides:
            if not side.running:
                await side.start()
        await self.fleet.ready()


@pytest.mark.timeout(SECONDS + 900)
async def test_chaos(launch, node: Node, table: bytes, big_table: bytes):
    print(f"CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS:g}")  # noqa: T201 - for who repeats it
    fleet = await launch(CHUNK_SIZE="256KiB", CHARTS="false", MAX_ATTEMPTS="50")
    chaos = Chaos(fleet, node, {"small": table, "big": big_table})
    await chaos.run()
    print(f"{len(chaos.accepted)} jobs, {Counter(chaos.done)}")  # noqa: T201
    jobs = {job["id"]: job for job in await fleet.all_finished(list(chaos.accepted), within=300)}
    assert Counter(job["state"] for job in jobs.values()) == {"succeeded": len(jobs)}
    for job_id, name in chaos.accepted.items():
        assert jobs[job_id]["report"]["numbers"]["kept"] == 7 * (chaos.tables[name].count(b"\n") // 10)
    await fleet.until(lambda: len(fleet.mails()) >= len(jobs), "a mail for each")
    about = Counter(email.message_from_bytes(path.read_bytes())["X-Rowmill-Job"] for path in fleet.mails())
    assert about == Counter(list(jobs))
    assert living_in(fleet.folder)
    await fleet.stop()
    await fleet.until(lambda: not living_in(fleet.folder), "without a process left")

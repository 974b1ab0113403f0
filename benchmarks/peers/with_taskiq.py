"""taskiq over RabbitMQ: pandas work in a process pool, because a task runs on the loop; results in files."""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from taskiq_aio_pika import AioPikaBroker

from benchmarks.peers.analysis import analyse

broker = AioPikaBroker(os.environ["PEER_BROKER"])


@cache
def pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1)  # each of the two workers has one


@broker.task
async def run(path: str) -> None:
    folder = Path(path).parent
    numbers = await asyncio.get_running_loop().run_in_executor(pool(), analyse, path)
    (folder / "result.tmp").write_text(json.dumps(numbers))
    (folder / "result.tmp").rename(folder / "result.json")


async def open_broker() -> None:
    await broker.startup()


async def send(path: str) -> str:
    await run.kiq(path)
    return Path(path).parent.name


async def result(job: str) -> Any:
    path = Path(os.environ["PEER_FOLDER"], job, "result.json")
    return json.loads(path.read_text()) if path.exists() else None

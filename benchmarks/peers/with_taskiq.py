"""taskiq over RabbitMQ: pandas work in a process pool, because a task runs on the loop."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

from taskiq_aio_pika import AioPikaBroker

from benchmarks.peers.analysis import analyse
from benchmarks.peers.answers import answers, listen, tell

broker = AioPikaBroker(os.environ["PEER_BROKER"])
result = answers.get


@cache
def pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1)  # each of the two workers has one


@broker.task
async def run(path: str) -> None:
    tell(Path(path).parent, await asyncio.get_running_loop().run_in_executor(pool(), analyse, path))


async def open_front() -> None:
    await broker.startup()
    await listen()


async def send(path: str) -> str:
    await run.kiq(path)
    return Path(path).parent.name

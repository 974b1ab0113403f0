"""Dramatiq over RabbitMQ; its result backends want Redis or memcached, so the result is a file, as people do."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from benchmarks.peers.analysis import analyse

broker = RabbitmqBroker(url=os.environ["PEER_BROKER"])
dramatiq.set_broker(broker)


@dramatiq.actor(max_retries=3)
def run(path: str) -> None:
    folder = Path(path).parent
    (folder / "result.tmp").write_text(json.dumps(analyse(path)))
    (folder / "result.tmp").rename(folder / "result.json")


async def send(path: str) -> str:
    await asyncio.to_thread(run.send, path)
    return Path(path).parent.name


async def result(job: str) -> Any:
    path = Path(os.environ["PEER_FOLDER"], job, "result.json")
    return json.loads(path.read_text()) if path.exists() else None

"""Dramatiq over RabbitMQ: two worker processes of one thread each."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from benchmarks.peers.analysis import analyse
from benchmarks.peers.answers import answers, listen, tell

broker = RabbitmqBroker(url=os.environ["PEER_BROKER"])
dramatiq.set_broker(broker)
open_front, result = listen, answers.get


@dramatiq.actor(max_retries=3)
def run(path: str) -> None:
    tell(Path(path).parent, analyse(path))


async def send(path: str) -> str:
    await asyncio.to_thread(run.send, path)
    return Path(path).parent.name

"""Celery 5: prefork, RabbitMQ, results in a database (the usual choice where there is no Redis)."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from celery import Celery
from celery.result import AsyncResult

from benchmarks.peers.analysis import analyse

app = Celery("peer", broker=os.environ["PEER_BROKER"], backend=f"db+sqlite:///{os.environ['PEER_FOLDER']}/results.db")
app.conf.update(worker_prefetch_multiplier=4, task_acks_late=True, worker_hijack_root_logger=False)


@app.task
def run(path: str) -> dict[str, float]:
    return analyse(path)


async def send(path: str) -> str:
    return str((await asyncio.to_thread(run.delay, path)).id)


async def result(job: str) -> Any:
    found: AsyncResult[Any] = AsyncResult(job, app=app)
    return await asyncio.to_thread(lambda: found.result if found.ready() else None)

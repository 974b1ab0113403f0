"""Celery 5: prefork, RabbitMQ, and its `rpc://` backend, which sends each result to a queue of whoever asked for it.

That costs the worker one message a job. A database (`db+sqlite`, here before) costs it commits, and has to be polled.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import Any

from celery import Celery, Task, states

from benchmarks.peers.analysis import analyse
from benchmarks.peers.answers import answers

app = Celery("peer", broker=os.environ["PEER_BROKER"], backend="rpc://")
app.conf.update(worker_prefetch_multiplier=4, task_acks_late=True, worker_hijack_root_logger=False)
result = answers.get
_address: asyncio.Future[str]


@app.task
def run(path: str) -> dict[str, float]:
    return analyse(path)


async def send(path: str, task: Task = run) -> str:
    sent = await asyncio.to_thread(task.apply_async, (path,), reply_to=await _address)
    return str(sent.id)


async def open_front() -> None:
    global _address  # noqa: PLW0603 - there is one front in a process
    loop = asyncio.get_running_loop()
    _address = loop.create_future()
    threading.Thread(target=_hear, args=(loop,), daemon=True).start()


def _hear(loop: asyncio.AbstractEventLoop) -> None:
    """For all that wait there is one thread, with the queue that Celery has for each thread."""
    consumer, address = app.backend.result_consumer, app.thread_oid

    def take(meta: dict[str, Any]) -> None:
        if meta["status"] in states.READY_STATES:
            loop.call_soon_threadsafe(answers.put, meta["task_id"], meta["result"])

    consumer.on_message = take
    consumer.start(address)
    loop.call_soon_threadsafe(_address.set_result, address)
    while True:
        with contextlib.suppress(TimeoutError):
            consumer.drain_events(timeout=1)

"""Celery with our own kernel inside, so that the frameworks alone are compared.

Its workers have what ours have: the same settings of allocators and threads (the environment, consumer/executors'
QUIET), no collection of what was loaded once, and on Linux the policy of a consumer that is a process of its own.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

from celery.signals import worker_init

from benchmarks.peers import with_celery
from consumer.executors import Done
from consumer.pool import handful
from consumer.steps import Task

app, open_front, result = with_celery.app, with_celery.open_front, with_celery.result


@app.task
def mill(path: str) -> dict[str, Any]:
    folder = Path(path).parent
    task = Task(
        job_id="0" * 32,
        files_url=folder.as_uri(),
        source_key="table.csv",
        source_name="table.csv",
        prefix="result/",
        kind="sales",
        params={},
        chunk_size=2**24,
    )
    [ended] = handful.do([task])
    assert isinstance(ended.answer, Done), ended
    return dict(ended.answer.value.finished.report.numbers)


@worker_init.connect
def prepare(**_: object) -> None:
    """Before the workers are forked, as in consumer/executors/forkserver.py: they share what is loaded."""
    if hasattr(os, "SCHED_BATCH"):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    gc.collect()
    gc.freeze()


async def send(path: str) -> str:
    return await with_celery.send(path, mill)

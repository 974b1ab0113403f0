"""Celery with our own kernel inside, so that the frameworks alone are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


async def send(path: str) -> str:
    return await with_celery.send(path, mill)

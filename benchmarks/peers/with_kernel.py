"""Celery with our own kernel inside, so that the frameworks alone are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers import with_celery
from consumer import work
from consumer.steps import Made, Task

app, result = with_celery.app, with_celery.result


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
    plan = work.plan(task)
    milled = work.mill(task, plan.survey, plan.mill.chunks[0])
    chosen = work.select(task, plan.survey, plan.mill.chunks[0], None, milled.partial)
    return work.finish(task, plan, milled.partial, Made((milled.rejected,), (chosen,), {})).report.numbers


async def send(path: str) -> str:
    return str(mill.delay(path).id)

"""Draws charts in a process of its own that is not kept: the renderer holds some 170 MB, which go away with it."""

from __future__ import annotations

import asyncio
import logging

from consumer.executors import Answer, Done, Overdue, Slot, WorkerLost
from consumer.steps import Task
from protocol.job import Artefact, Report

log = logging.getLogger(__name__)
LIMIT = 60.0  # seconds for the charts of one report
IDLE = 10.0  # seconds without work after which the process ends


class Renderer:
    """One at a time. A chart that cannot be drawn costs its picture, not the job."""

    def __init__(self, slot: Slot) -> None:
        self._slot, self._turn, self._drawn = slot, asyncio.Lock(), 0

    async def render(self, task: Task, report: Report) -> tuple[Artefact, ...]:
        """The charts of *report* as SVG and PNG artefacts."""
        if not report.charts:
            return ()
        async with self._turn:
            self._drawn += 1
            answer = await self._ask(task, report)
        if isinstance(answer, Done):
            made: tuple[Artefact, ...] = answer.value
            return made
        log.warning("chart not drawn: %s", answer, extra={"job": task.job_id, "action": "render"})
        return ()

    async def _ask(self, task: Task, report: Report) -> Answer | WorkerLost | Overdue:
        try:
            return await self._slot.run("render", task, report, limit=LIMIT)
        except (WorkerLost, Overdue) as exc:
            return exc

    async def retire(self) -> None:
        """For ever: end the process when it has had nothing to do for a while."""
        seen = 0
        while True:
            await asyncio.sleep(IDLE)
            if seen == self._drawn and not self._turn.locked():
                self._slot.kill()
            seen = self._drawn

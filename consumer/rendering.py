"""Draws charts in a process of its own that is not kept: the renderer holds some 170 MB, which go away with it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from consumer.executors import Answer, Done, Overdue, Slot, WorkerLost
from consumer.steps import Task
from protocol.job import Artefact, Report
from protocol.naps import nap

log = logging.getLogger(__name__)
LIMIT = 60.0  # seconds for the charts of one report
IDLE = 10.0  # seconds without work after which the process ends


class Renderer:
    """One at a time. A chart that cannot be drawn costs its picture, not the job."""

    def __init__(self, slot: Slot) -> None:
        self._slot, self._turn, self._asked = slot, asyncio.Lock(), 0
        self._expected = asyncio.Event()

    def expect(self) -> None:
        """There will soon be charts: the process gets ready for them meanwhile, which takes half a second."""
        self._expected.set()

    async def render(self, task: Task, report: Report) -> tuple[Artefact, ...]:
        """The charts of *report* as SVG and PNG artefacts."""
        if not report.charts:
            return ()
        answer = await self._ask("render", task, report)
        if isinstance(answer, Done):
            made: tuple[Artefact, ...] = answer.value
            return made
        log.warning("chart not drawn: %s", answer, extra={"job": task.job_id, "action": "render"})
        return ()

    async def _ask(self, step: str, *arguments: Any) -> Answer | WorkerLost | Overdue:
        async with self._turn:
            self._asked += 1
            try:
                return await self._slot.run(step, *arguments, limit=LIMIT)
            except (WorkerLost, Overdue) as exc:
                return exc

    async def run(self) -> None:
        """For ever: get ready where charts are expected, and end the process when it has long had nothing to do."""
        seen = 0
        while True:
            await nap(self._expected, IDLE)
            if self._expected.is_set():
                self._expected.clear()
                await self._ask("charts.get_ready")  # of its faults tells who draws
            elif seen == self._asked and not self._turn.locked():
                self._slot.kill()
            seen = self._asked

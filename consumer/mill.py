"""What executions work with: one value for all of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from consumer.batching import Batching
from consumer.errands.office import Office
from consumer.executors import Answer, Slot
from consumer.metrics import Metrics
from consumer.rendering import Renderer
from consumer.sharing import Sharing
from consumer.steps import Task
from consumer.store import ConsumerStore


@dataclass(frozen=True)
class Mill:
    store: ConsumerStore
    office: Office
    sharing: Sharing
    batching: Batching
    renderer: Renderer | None
    files_url: str
    chunk_size: int
    chunk_timeout: float
    records_url: str
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)  # one writes to the records at a time
    metrics: Metrics = field(default_factory=Metrics)
    tails: dict[str, float] = field(default_factory=dict)  # seconds that the last job of a kind took after its passes

    async def run(self, slot: Slot, step: str, task: Task, *arguments: Any) -> Answer:
        """Have *slot* run a step, and count it."""
        with self.metrics.step(task.kind, step):
            return await slot.run(step, task, *arguments, limit=self.chunk_timeout)

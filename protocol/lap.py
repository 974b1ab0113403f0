"""How one job went in one way of running it: what it took, and what came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from protocol.job import Job
from protocol.value import Value


class Lap(Value):
    """With no slots the job was run in one process, the whole table at once.

    `seconds` from the job's start to its end; `peak` is the sum of the bytes that each process has held at most.
    """

    slots: int
    seconds: float
    peak: int
    job: Job

    @property
    def name(self) -> str:
        return name_of(self.slots)


def name_of(slots: int) -> str:
    """What to call a way."""
    return f"the pool, {slots} {'slot' if slots == 1 else 'slots'}" if slots else "one process, whole file"


def differences(laps: Sequence[Lap]) -> list[str]:
    """Where the results are not equal to the first one's, to the last bit of each file and number."""
    first, *others = laps
    return [
        f"{what} of {lap.name} differs from that of {first.name}"
        for lap in others
        for what in _unequal(_result(first.job), _result(lap.job))
    ]


def _result(job: Job) -> dict[str, Any]:
    files = {artefact.name: (artefact.size, artefact.sha256) for artefact in job.artefacts}
    return files | {"the report": job.report}


def _unequal(some: Mapping[str, Any], others: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*some, *others}):
        if some.get(name) != others.get(name):
            yield name

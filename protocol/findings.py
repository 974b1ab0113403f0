"""What an examination finds: which part, whether it is well, and what to do where it is not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from protocol.adapters import BadConfig
from protocol.value import Value

PATIENCE = 60.0  # seconds for all that one part is asked


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"  # it works, and somebody should look at it
    FAULT = "fault"  # it cannot work


class Finding(Value):
    part: str
    verdict: Verdict = Verdict.OK
    detail: str
    advice: str | None = None


def warning(part: str, detail: str, advice: str) -> Finding:
    return Finding(part=part, verdict=Verdict.WARNING, detail=detail, advice=advice)


def fault(part: str, detail: str, advice: str) -> Finding:
    return Finding(part=part, verdict=Verdict.FAULT, detail=detail, advice=advice)


async def examine(parts: Mapping[str, Awaitable[Sequence[Finding]]]) -> list[Finding]:
    """All that is found, in the order of *parts*. A part that cannot even be examined is a fault."""
    found = await asyncio.gather(*(_examine(part, findings) for part, findings in parts.items()))
    return [finding for findings in found for finding in findings]


async def _examine(part: str, findings: Awaitable[Sequence[Finding]]) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(PATIENCE):
            return await findings
    except BadConfig as exc:
        return [fault(part, str(exc), "Correct the setting.")]
    except TimeoutError:
        return [fault(part, f"no end of it within {PATIENCE:.0f} s", "See whether it hangs, and start it again.")]


def find_obstacle(folder: Path) -> str | None:
    """Why nothing can be written into *folder*, which may be not there yet; None where nothing is in the way."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        return f"{there} is no folder"
    return None if os.access(there, os.W_OK | os.X_OK) else f"{there} may not be written to"


def weigh_space(part: str, place: str, free: int | None, floor: int) -> Finding:
    """*free* bytes at *place*, of which *floor* must stay; None where nobody can know."""
    if free is not None and free < floor:
        detail = f"{place}: {free / 2**20:,.0f} MiB are free, and {floor / 2**20:,.0f} must be"
        return fault(part, detail, "Make space on the disk: ROWMILL_RETENTION and `rowmill prune` remove old files.")
    return Finding(part=part, detail=place if free is None else f"{place}, {free / 2**30:,.1f} GiB free")

"""What `rowmill doctor` says: a line for each part, what to do below, and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence

from client import exits, screen
from protocol import findings
from protocol.findings import Finding, Verdict

Parts = Mapping[str, Awaitable[Sequence[Finding]]]


async def report(begin: Callable[[], Parts], *, as_json: bool) -> int:
    found = await findings.examine(begin())
    well = all(finding.verdict is not Verdict.FAULT for finding in found)
    if as_json:
        listed = [finding.model_dump(mode="json") for finding in found]
        sys.stdout.write(json.dumps({"ok": well, "findings": listed}) + "\n")
    else:
        _show(found)
    return exits.Exit.SUCCEEDED if well else exits.Exit.FAILED


def _show(found: Sequence[Finding]) -> None:
    for finding in found:
        screen.say(f"{finding.verdict:<8} {finding.part:<12} {finding.detail}")
        if finding.advice:
            screen.say(f"{'':<22}{finding.advice}")

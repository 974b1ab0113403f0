"""What several system tests ask of a job."""

from __future__ import annotations

import re
from typing import Any


def log_reasons(job: dict[str, Any]) -> list[str]:
    return [entry["reason"] for entry in job["log"]]


def chunks_done_before(job: dict[str, Any], step: str = "mill") -> int:
    """How many chunks the job says it did not have to do again."""
    found = [re.match(r"(\d+) of \d+ chunks were done before \((\w+)\)", reason) for reason in log_reasons(job)]
    return sum(int(match[1]) for match in found if match and match[2] == step)

"""How many files the process may have open: all that the operator lets it, whatever the shell said."""

from __future__ import annotations

import subprocess
import sys

import pytest

SAYS = """
import resource
from service import descriptors
_soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, min({hard}, hard) if hard > 0 else {hard}))
descriptors.raise_limit()
print(descriptors.limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
"""


@pytest.mark.parametrize(("soft", "hard"), [(256, 1000), (1000, 1000), (256, 70_000)])
def test_a_shells_limit_becomes_what_may_be(soft: int, hard: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SAYS.format(soft=soft, hard=hard)], capture_output=True, text=True, check=True
    )
    limit, most = map(int, run.stdout.split())
    assert limit == min(most, 65_536)

"""How much memory a process has held at most."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
MARK = "VmHWM:"


def peak() -> int:
    """Bytes resident of this process at its peak, as the kernel knows them."""
    if STATUS.exists():  # Linux: the other figure begins with that of the process which started this one
        return noted(STATUS)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def noted(status: Path) -> int:
    """The same of the process with that status file, on Linux; ValueError where it has ended."""
    [line] = [line for line in status.read_text().splitlines() if line.startswith(MARK)]
    return int(line.split()[1]) * 1024

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
        [line] = [line for line in STATUS.read_text().splitlines() if line.startswith(MARK)]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

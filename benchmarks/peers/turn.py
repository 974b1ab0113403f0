"""One turn of a peer, in a process of its own: `python -m benchmarks.peers.turn MODULE:FUNCTION TABLE CORES`.

Libraries are loaded before the clock starts, as in a worker that waits for work. The last line printed is JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any


def main(what: str, path: str, cores: int) -> None:
    bind(cores)
    module, _, name = what.partition(":")
    loaded = importlib.import_module(f"benchmarks.peers.{module}")
    prepare: Callable[[str], None] = getattr(loaded, "prepare", lambda _: None)
    prepare(path)
    print(json.dumps({"ready": True}), flush=True)
    began, used = time.perf_counter(), time.process_time()
    found: dict[str, Any] = getattr(loaded, name)(path)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    print(json.dumps({"seconds": seconds, "cpu": cpu, "found": found}), flush=True)


def bind(cores: int) -> None:
    """Use no more cores, whatever a library makes of the machine."""
    os.environ["POLARS_MAX_THREADS"] = str(cores)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

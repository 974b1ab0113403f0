"""A killed test run leaves no process behind, and harms none that it has let go."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil

RUN = """
import subprocess, sys
from tests.leash import Leash
leash = Leash()
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
held, alone, free = [subprocess.Popen(sleep, start_new_session=own) for own in (True, False, True)]
for process in (held, alone, free):
    leash.hold(process.pid)
leash.release(free.pid)
print(held.pid, alone.pid, free.pid, flush=True)
sys.stdin.read()
"""


def test_what_is_held_goes_with_a_killed_run_and_what_was_released_stays() -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", RUN]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdin=pipe, stdout=pipe, text=True) as run:
        assert run.stdout
        held, alone, free = (psutil.Process(int(number)) for number in run.stdout.readline().split())
        try:
            run.send_signal(signal.SIGKILL)
            assert psutil.wait_procs([held, alone], timeout=60)[1] == []
            assert free.is_running()
        finally:
            free.kill()

"""Processes that go when the tests go, also where those are killed and can end nothing themselves."""

from __future__ import annotations

import subprocess
import sys

# It notices by the end of its input, which the system brings about however the other side ended.
WATCHER = """
import contextlib, os, signal, sys
held = set()
for line in sys.stdin:
    word, number = line.split()
    (held.add if word == "hold" else held.discard)(int(number))
for number in held:
    with contextlib.suppress(ProcessLookupError):
        end = os.killpg if os.getpgid(number) == number else os.kill
        end(number, signal.SIGKILL)
"""


class Leash:
    def __init__(self) -> None:
        self._watcher = subprocess.Popen(
            [sys.executable, "-c", WATCHER], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def hold(self, number: int) -> None:
        """Have the process *number*, and its group where it leads one, killed when this process is gone."""
        self._tell("hold", number)

    def release(self, number: int) -> None:
        """It has ended; its number may soon be another's."""
        self._tell("release", number)

    def _tell(self, word: str, number: int) -> None:
        assert self._watcher.stdin
        self._watcher.stdin.write(f"{word} {number}\n")
        self._watcher.stdin.flush()

    def close(self) -> None:
        """What is still held goes now."""
        self._watcher.communicate()

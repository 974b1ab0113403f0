"""The real command as a process, and a real `rowmill up` for it to talk to."""

from __future__ import annotations

import json
import os
import pty
import queue
import re
import select
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parent.parent.parent
DEADLINE = 150.0
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# The first thing a new session does: take the terminal as its own, else Ctrl-C reaches nobody.
IN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


def environment(**settings: str) -> dict[str, str]:
    """Ours, without any setting of the developer's, wide enough that no line is folded."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROWMILL_")}
    own = {f"ROWMILL_{name}": value for name, value in settings.items()}
    return kept | own | {"COLUMNS": "200", "PYTHONPATH": str(ROOT)}


def start(*words: str, cwd: Path, **settings: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rowmill", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=cwd, env=environment(**settings), stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def run(*words: str | Path, cwd: Path, stdin: str = "", within: float = DEADLINE, **settings: str) -> Ended:
    """Run the command to its end."""
    with start(*map(str, words), cwd=cwd, **settings) as process:
        try:
            out, err = process.communicate(stdin, timeout=within)
        finally:
            process.kill()
    return Ended(process.returncode, out, err)


class Server:
    """A running `rowmill up` and the lines of its log."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.files = folder / "data" / "files"
        settings = {"DATA_DIR": str(folder / "data"), "LOG_FORMAT": "json", "WORKERS": "1"} | settings
        self.process = start("up", "--port", settings.pop("PORT", "0"), cwd=folder, **settings)
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.url: str = self.line("ready")["url"]
        self.until(self._ready)

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._lines.put(json.loads(line) if line.startswith("{") else {"message": line})
        self._lines.put({"message": "the end"})

    def line(self, message: str) -> dict[str, Any]:
        """Wait for the next log line that says *message*."""
        seen = []
        while (line := self._lines.get(timeout=DEADLINE))["message"] != message:
            seen.append(line)
            assert line["message"] != "the end", seen
        return line

    def until(self, true: Callable[[], object]) -> None:
        """Ask until *true*, or fail at the deadline."""
        end = time.monotonic() + DEADLINE
        while not true():
            assert time.monotonic() < end
            time.sleep(0.02)

    def _ready(self) -> bool:
        try:
            return bool(ask(f"{self.url}/readyz")["status"] == "ok")
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return False

    def kill(self) -> None:
        """SIGKILL; its workers must not survive it."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        assert psutil.wait_procs(family, timeout=10)[1] == []

    def close(self) -> None:
        with self.process as process:
            process.terminate()
            self._reader.join()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


def ask(url: str, *, method: str = "GET", parse: bool = True) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=DEADLINE) as answer:
        return json.loads(answer.read()) if parse else answer.read()


class Terminal:
    """The other side of a terminal that the command runs in."""

    def __init__(self, process: subprocess.Popen[bytes], handle: int) -> None:
        self._process, self._handle = process, handle

    def read_until(self, text: str) -> str:
        """What was drawn up to *text*, without the escape sequences."""
        seen, end = b"", time.monotonic() + DEADLINE
        while text not in (plain := ESCAPES.sub("", seen.decode(errors="replace"))):
            assert select.select([self._handle], [], [], max(0.0, end - time.monotonic()))[0], plain
            try:
                seen += os.read(self._handle, 65536)
            except OSError:  # Linux says so when the other side is closed
                raise AssertionError(f"it ended\n{plain}") from None
        return plain

    def type(self, text: str) -> None:
        os.write(self._handle, text.encode())

    def wait(self) -> int:
        return self._process.wait(DEADLINE)


@contextmanager
def terminal(*words: str, cwd: Path, **settings: str) -> Iterator[Terminal]:
    """Run the command in a terminal of its own, where Ctrl-C reaches it and all that it started."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", IN_TERMINAL, sys.executable, "-m", "rowmill", *words]
    surroundings = environment(**settings) | {"TERM": "xterm"}
    with subprocess.Popen(
        command, cwd=cwd, env=surroundings, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)

"""A PostgreSQL server of the tests' own: private folder and port, killed and restarted at will, fresh databases in it.

It refuses to run as root; then it runs as the user that its package made, or as nobody.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
# Nothing of it has to survive the machine; but what was committed survives a kill of its processes.
FAST = ("fsync=off", "full_page_writes=off", "unix_socket_directories=", "max_connections=40")
DEADLINE = 60.0
USERS = ("postgres", "nobody")


def _program(name: str) -> str:
    """The newest of the programs of that name: packages keep them out of the system's path."""
    found = [path for pattern in FOLDERS for path in Path("/").glob(f"{pattern[1:]}/{name}")]
    newest = max(found, key=lambda path: [int(part) for part in re.findall(r"\d+", str(path))], default=None)
    program = str(newest) if newest else shutil.which(name)
    assert program, "the tests need a PostgreSQL server: `make test` installs one"
    return program


def _user() -> str | None:
    """As whom to run; None is as ourselves."""
    if os.geteuid() != 0:
        return None
    return next(name for name in USERS if _exists(name))


def _exists(name: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    # Not in pytest's folder, into which another user may not look.
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="rowmill-postgresql-")))
    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def at(self, database: str) -> str:
        return f"postgresql://rowmill@127.0.0.1:{self.port}/{database}"

    def _run_as(self) -> dict[str, Any]:
        user = _user()
        return {"cwd": self.folder} | (
            {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        )

    def make(self) -> None:
        """The folder and an empty cluster in it."""
        if user := _user():
            shutil.chown(self.folder, user)
        options = ["--no-sync", "--auth=trust", "--username=rowmill", "--encoding=UTF8", "--locale=C"]
        command = [_program("initdb"), f"--pgdata={self.data}", *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._run_as())

    def start(self) -> None:
        """Start it, as often as it was killed, and wait until it answers."""
        settings = [word for setting in FAST for word in ("-c", setting)]
        command = [_program("postgres"), "-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port), *settings]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **self._run_as())
        deadline = time.monotonic() + DEADLINE
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the PostgreSQL server does not answer"
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            self.ask("SELECT 1", "postgres")
        except psycopg.OperationalError:
            return False
        return True

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def fresh(self) -> str:
        """The URL of a database that nobody has used; for a test that killed the server, of one that is up again."""
        if not self.running:
            self.start()
        name = f"test{next(self._numbers)}"
        self.ask(f"CREATE DATABASE {name}", "postgres")
        return self.at(name)

    def ask(self, sql: str, database: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.at(database), autocommit=True, connect_timeout=10) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """At once, with all its processes: what was not committed is lost."""
        if self.process is not None and self.running:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()

    def end(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

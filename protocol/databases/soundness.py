"""A SQLite file from outside: whose it is, and whether it is sound."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from protocol.findings import Finding, fault, find_obstacle, weigh_space

FLOOR = 64 * 2**20  # bytes that the disk of a database should have free


class InUse(Exception):
    """Another process has the file."""


def make(path: Path) -> None:
    """An empty file for its owner's eyes alone, where there is none; SQLite gives what it adds the same rights."""
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(0o600)


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Hold the lock that says: this file belongs to this process; or InUse."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InUse from None


def examine(path: Path) -> Finding:
    """Makes nothing where nothing is yet, and disturbs nobody who has the file open."""
    if obstacle := find_obstacle(path.parent):
        return fault("database", obstacle, "Make it writable, or correct ROWMILL_DATABASE_URL or ROWMILL_DATA_DIR.")
    if not path.exists():
        return Finding(part="database", detail=f"{path} will be made by the first start")
    try:
        with owned(path):
            damage = _find_damage(path)
    except InUse:
        return _weigh(path, "in use by a running Rowmill")
    if damage:
        return fault("database", f"{path}: {damage}", "Put back a copy of it, or move it away to begin anew.")
    return _weigh(path, "sound")


def _find_damage(path: Path) -> str | None:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)) as connection:
            [[found]] = connection.execute("PRAGMA quick_check(1)")
            connection.execute("BEGIN IMMEDIATE")  # whether it may be written to
            connection.execute("ROLLBACK")
    except sqlite3.Error as exc:
        return str(exc)
    return None if found == "ok" else str(found)


def _weigh(path: Path, state: str) -> Finding:
    return weigh_space("database", f"{path}: {state}", shutil.disk_usage(path.parent).free, FLOOR)

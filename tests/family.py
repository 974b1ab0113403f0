"""Processes that a test looks at while they come and go."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psutil


def words(process: psutil.Process) -> str:
    """Its command line; nothing once it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie counts as such
        return ""


def children(process: psutil.Process) -> list[psutil.Process]:
    """Its children; none once it has ended."""
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []


def all_ended(family: Iterable[psutil.Process]) -> bool:
    return all(map(ended, family))


def ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def living_in(folder: Path) -> list[psutil.Process]:
    """All processes that keep their data below *folder*, whoever has adopted them."""
    return [process for process in psutil.process_iter() if _lives_in(process, folder)]


def _lives_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return not ended(process) and process.environ().get("ROWMILL_DATA_DIR", "").startswith(f"{folder}/")
    except psutil.Error:  # it has ended, or is somebody else's
        return False

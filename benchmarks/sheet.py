"""What the scripts here share: arguments, the table that is printed, and the JSON with where its figures come from."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("pandas", "pyarrow", "polars", "duckdb", "celery", "dramatiq", "taskiq", "fastapi", "uvicorn", "aiohttp")
ROOT = Path(__file__).parent.parent


def parser(doc: str | None) -> argparse.ArgumentParser:
    """With what each script takes."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    made.add_argument("--json", type=Path, metavar="PATH", help="write the figures there, with machine and versions")
    return made


def tell(asked: argparse.Namespace, rows: Sequence[Sequence[object]], found: Any) -> None:
    """Print the table, whose first row names the columns, and write what was *found* where that was asked for."""
    print("\n".join(_lines([[str(cell) for cell in row] for row in rows], markdown=asked.markdown)))
    if asked.json:
        given = {name: value for name, value in vars(asked).items() if name not in {"json", "markdown"}}
        whole = {"where": where(), "asked": given, "found": found}
        asked.json.write_text(json.dumps(whole, indent=1, default=str) + "\n")


def _lines(table: list[list[str]], *, markdown: bool) -> Iterator[str]:
    if markdown:
        table.insert(1, ["---", *["---:"] * (len(table[0]) - 1)])
        yield from (f"| {' | '.join(row)} |" for row in table)
        return
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def where() -> dict[str, Any]:
    """The machine, the versions, the commit and the time."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _said("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), "rabbitmq": _said("rabbitmqctl", "version")}
        | {name: _version(name) for name in PACKAGES},
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _said(*command: str) -> str:
    """What a program prints, or nothing where it does not work."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()

"""Programs for Node: the examples, in a folder with what their lock file names."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
node_only = pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="there is no Node here")


async def run(*command: str | Path, folder: Path, **variables: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=os.environ | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(300):
        out, _ = await process.communicate()
    return int(process.returncode or 0), out.decode()


def install(folder: Path) -> Path:
    """The examples in *folder*, ready to run."""
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("node_modules"))
    code, out = asyncio.run(run("npm", "ci", "--no-audit", "--no-fund", folder=folder))
    assert code == 0, out
    return folder

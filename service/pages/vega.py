"""The Vega bundle for the page's charts: made once by a short-lived process, then a file like any other.

The package that carries it brings a whole JavaScript engine (170 MB), so this process never imports it.
"""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import version
from pathlib import Path

PACKAGE = "vl-convert-python"
MAKE = """
import gzip, os, pathlib, sys
import vl_convert
target = pathlib.Path(sys.argv[1])
bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").encode()
target.parent.mkdir(parents=True, exist_ok=True)
for path, data in ((target.with_name(target.name + ".gz"), gzip.compress(bundle)), (target, bundle)):
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.replace(path)
"""


class NoBundle(Exception):
    """The bundle cannot be made here; the pages show the drawn charts instead."""


class VegaBundle:
    """The bundle as a file, with a `.gz` beside it, named after the version that made it."""

    def __init__(self) -> None:
        self.name = f"vega-{version(PACKAGE)}.js"
        self._making = asyncio.Lock()

    async def path(self, folder: Path) -> Path:
        """Where in *folder* the bundle lies; it is made on first need. NoBundle says why there is none."""
        path = folder / self.name
        async with self._making:
            if not await asyncio.to_thread(path.exists):
                await _make(path)
        return path


async def _make(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAKE, str(path), stderr=asyncio.subprocess.PIPE
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode:
        raise NoBundle(said.decode(errors="replace").strip().rpartition("\n")[2])

"""Compiles what `consumer/native/` has in C, if there is a compiler: without one everything works, only more slowly.

The library knows nothing of Python's own C interface, so one serves every version of Python.
"""

from __future__ import annotations

import os
import runpy
import shlex
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = runpy.run_path(str(Path(__file__).parent / "consumer" / "native" / "__init__.py"))
FOLDER, LIBRARY = NATIVE["FOLDER"], NATIVE["LIBRARY"]
# No contraction: a product and a sum that are rounded once instead of twice would be another result.
FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-ffp-contract=off", "-fvisibility=hidden")


class CompiledPart(BuildHookInterface[Any]):
    """Puts the library into the source tree, where an editable installation finds it, and from there into the wheel."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        try:
            compile_into(LIBRARY)
        except (OSError, subprocess.CalledProcessError) as exc:
            self.app.display_warning(f"Nothing was compiled, so jobs take longer: {exc}")
            return
        build_data["artifacts"].append(f"/{LIBRARY.relative_to(self.root)}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def compile_into(library: Path, *flags: str) -> None:
    """OSError without a compiler, CalledProcessError where it refuses; what is in use meanwhile stays whole."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    made_of = f'-DSOURCES="{NATIVE["digest"]()}"'
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder) / library.name
        command = [*compiler, *FLAGS, *flags, made_of, "-o", str(made), *map(str, sorted(FOLDER.glob("*.c")))]
        subprocess.run(command, check=True)  # noqa: S603 - what it says is in pip's log (-v)
        made.replace(library)

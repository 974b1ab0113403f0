"""The compiled part, made anew for tests and put in the place of the one that is installed."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import hatch_build
from consumer import native

STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wundef", "-Wvla", "-Werror")
PORTABLE = ("-U__SSE2__",)  # as where a processor has no vectors of 16 bytes


def build(folder: Path, *flags: str) -> Path:
    """Skips the test where there is no compiler; CalledProcessError where there is one, and it refuses."""
    path = folder / "rowmill_native.so"
    try:
        hatch_build.compile_into(path, *flags)
    except OSError as exc:
        pytest.skip(f"no C compiler: {exc}")
    return path


@contextmanager
def used(path: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "LIBRARY", path)
        patch.delenv(native.SWITCH, raising=False)
        native._loaded.cache_clear()
        native.code()
        yield
    native._loaded.cache_clear()


def place_of(name: str) -> Path:
    """Of one of the compiler's own libraries."""
    command = [*shlex.split(os.environ.get("CC", "cc")), f"-print-file-name={name}"]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())

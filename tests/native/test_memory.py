"""No bytes have the compiled part step outside of what it was handed, or do what C leaves undefined."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.native import built

ROOT = Path(__file__).parents[2]
FLAGS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.fixture(scope="module", params=[(), built.PORTABLE], ids=["vectors", "portable"])
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return built.build(tmp_path_factory.mktemp("watched"), *FLAGS, *request.param)
    except subprocess.CalledProcessError:
        pytest.skip("the compiler has no sanitizers")


def run(library: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    preloaded = built.place_of("libasan.so")
    if not preloaded.is_absolute():
        pytest.skip("the sanitizers come without a library to load beforehand")
    command = [sys.executable, "-m", "tests.native.sanitized", library, *arguments]
    environment = os.environ | {"LD_PRELOAD": str(preloaded), "ASAN_OPTIONS": "detect_leaks=0"}
    return subprocess.run([*map(str, command)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_no_table_has_it_step_outside(watched: Path) -> None:
    ran = run(watched, 1, 4_000)
    assert ran.returncode == 0, ran.stderr


def test_a_step_outside_would_be_seen(watched: Path) -> None:
    ran = run(watched, 1, 1, 1)
    assert ran.returncode
    assert "heap-buffer-overflow" in ran.stderr

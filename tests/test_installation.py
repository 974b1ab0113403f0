"""What an installation holds and can do, compiled in part where there is a C compiler, and as well without."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from consumer.native import LIBRARY

ROOT = Path(__file__).parent.parent
PACKAGES = ("protocol", "service", "consumer", "client")
COMPILED = LIBRARY.relative_to(ROOT).as_posix()
compiling = pytest.mark.skipif(
    not shutil.which(shlex.split(os.environ.get("CC", "cc"))[0]), reason="there is no C compiler here"
)


def make_wheel(folder: Path, **variables: str) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(command, env={**os.environ, **variables}, check=True, capture_output=True, text=True)
    [path] = folder.glob("rowmill-*.whl")
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def bare_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a machine without a compiler."""
    return make_wheel(tmp_path_factory.mktemp("bare"), CC="/nonexistent")


class Site:
    """A wheel, installed into a folder where nothing else of Rowmill is."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder / "site"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", self.folder, wheel]
        subprocess.run(command, check=True, capture_output=True, text=True)

    def python(self, *words: str | Path) -> str:
        run = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder.parent,
            env={"PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=True,
        )
        return run.stdout

    def doctor(self) -> dict[str, Any]:
        """What it says of compiled code."""
        findings = json.loads(self.python("-m", "rowmill", "doctor", "--json"))["findings"]
        [found] = [finding for finding in findings if finding["part"] == "native"]
        return dict(found)


def files_of(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def test_a_wheel_holds_every_file_of_the_packages_and_the_sample_and_no_more(wheel: Path, bare_wheel: Path) -> None:
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    sources = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts} - {COMPILED}
    assert files_of(bare_wheel) == files_of(wheel) - {COMPILED} == sources | {"rowmill.py", "client/samples/sales.csv"}


def test_the_wheel_works_outside_of_a_checkout(wheel: Path, tmp_path: Path) -> None:
    code = "import rowmill, client.demo; print(rowmill.__file__, client.demo.sample())"
    command_file, sample = Site(tmp_path, wheel).python("-c", code).split()
    assert Path(command_file).is_relative_to(tmp_path)
    assert Path(sample).is_relative_to(tmp_path)


@compiling
def test_what_was_compiled_is_for_this_machine_alone_and_used_as_long_as_it_fits_its_sources(
    wheel: Path, tmp_path: Path
) -> None:
    assert not wheel.name.endswith("-any.whl")
    assert COMPILED in files_of(wheel)
    site = Site(tmp_path, wheel)
    assert site.doctor()["verdict"] == "ok"
    with (site.folder / "consumer" / "native" / "tokens.c").open("a") as source:
        source.write("/* Another. */\n")
    found = site.doctor()
    assert (found["verdict"], "made of other sources" in found["detail"]) == ("warning", True)


def test_without_a_compiler_it_is_for_any_machine_and_works_and_says_so(bare_wheel: Path, tmp_path: Path) -> None:
    assert bare_wheel.name.endswith("-py3-none-any.whl")
    site = Site(tmp_path, bare_wheel)
    found = site.doctor()
    assert (found["verdict"], "nothing was compiled" in found["detail"]) == ("warning", True)
    assert "compiler" in found["advice"]
    words = ("compare", ROOT / "samples" / "sales.csv", "--kind", "sales", "--json")
    assert json.loads(site.python("-m", "rowmill", *words))["equal"] is True


@compiling
def test_an_installation_that_can_compile_nothing_takes_nothing_from_others(tmp_path: Path, wheel: Path) -> None:
    assert COMPILED in files_of(wheel)
    before = LIBRARY.stat()
    make_wheel(tmp_path, CC="/nonexistent")
    assert (LIBRARY.stat().st_ino, LIBRARY.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

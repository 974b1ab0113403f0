"""docs/kinds.md and `rowmill new-kind`, followed to the letter in a fresh environment and without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "docs" / "kinds.md").read_text()
EXAMPLE = ROOT / "examples" / "rowmill-weather"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE = 560.0  # seconds: pandas is loaded a dozen times
COMMANDS = ("pip", "pytest", "rowmill")


class Fresh:
    """An environment that has what this one has, and what is installed into it."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", symlinks=True)
        [packages] = (folder / "venv").glob("lib/python*/site-packages")
        (packages / "shared.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        scripts = folder / "venv" / "bin"
        for command in COMMANDS:
            path = scripts / command
            path.write_text(f'#!/bin/sh\nexec "{scripts}/python" -m {command} "$@"\n')
            path.chmod(0o755)
        self.home = folder / "home"
        self.home.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROWMILL_", "PYTEST_"))}
        self._environment = kept | {
            "PATH": f"{scripts}{os.pathsep}{kept['PATH']}",
            "PIP_NO_INDEX": "1",
            "ROWMILL_WORKERS": "1",
            "COLUMNS": "120",
        }

    def run(self, script: str) -> str:
        """What a shell says, run in the home folder."""
        ran = subprocess.run(
            ["sh", "-eu", "-c", script],
            cwd=self.home,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ran.returncode == 0, f"{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"
        return ran.stdout


@pytest.fixture
def fresh(tmp_path: Path) -> Fresh:
    return Fresh(tmp_path)


def as_script(guide: str) -> str:
    """The files and commands of a guide, in their order; a block of a console is only looked at."""
    steps = []
    for language, name, text in BLOCK.findall(guide):
        if name:
            steps.append(f"cat >{name} <<'END OF FILE'\n{text}END OF FILE\n")
        elif language == "sh":
            steps.append(text)
    return "".join(steps)


@pytest.mark.timeout(600)
def test_the_guide_leads_from_nothing_to_the_packaged_example(fresh: Fresh) -> None:
    said = fresh.run(as_script(GUIDE))
    assert "5 days at 2 stations." in said
    assert "5 days at 2 stations, 1 of them hot." in said
    assert said.count("The results are equal, to the last bit.") == 2
    assert "4 passed" in said
    assert "1 passed" in said
    made = fresh.home / "rowmill-weather"
    assert (made / "dist" / "rowmill_weather-1.0-py3-none-any.whl").is_file()
    for path in EXAMPLE.iterdir():
        if path.is_file():
            assert (made / path.name).read_text() == path.read_text(), path.name


@pytest.mark.timeout(600)
def test_a_new_kind_is_installed_passes_its_test_and_runs(fresh: Fresh) -> None:
    said = fresh.run(
        "rowmill new-kind tide_heights\n"
        "cd rowmill-tide-heights\n"
        "pip install --quiet --no-deps --no-build-isolation --editable .\n"
        "pytest\n"
        "python -c 'from consumer import origins; print(origins.origins()[\"tide_heights\"].package)'\n"
    )
    assert "3 passed" in said
    assert "rowmill-tide-heights 0.1.0" in said


@pytest.mark.parametrize(
    ("name", "why"),
    [("sales", "a kind that ships"), ("Tide", "small letter"), ("../x", "small letter"), ("tide", "is there already")],
)
def test_a_name_that_will_not_do_is_refused_and_nothing_is_written(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "rowmill-tide").mkdir()
    command = [sysconfig.get_path("scripts") + "/rowmill", "new-kind", name]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, why in ran.stderr) == (2, True), ran.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["rowmill-tide"]

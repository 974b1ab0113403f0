"""What the container files promise, as far as it can be read in them; `make compose-test` tries them out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from protocol.adapters import PREFIX
from protocol.config import Settings, parse_time

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("service", "consumer")
INSIDE = {"DATA_DIR", "DATABASE_URL", "PORT"}  # nobody outside of the container has to know


def test_every_setting_can_be_set_from_outside() -> None:
    named = {name for part in OURS for name in SERVICES[part]["environment"] if name.startswith(PREFIX)}
    assert named == {PREFIX + name.upper() for name in Settings.model_fields if name.upper() not in INSIDE}


def test_the_example_tells_which_settings_are_not_heard() -> None:
    values = [value for part in OURS for value in SERVICES[part]["environment"].items()]
    fixed = {name for name, value in values if value and f"${{{name}:" not in value}
    told = re.findall(r"^# (ROWMILL_[A-Z_ ]+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert [set(line.split()) for line in told] == [fixed | {PREFIX + name for name in INSIDE - {"PORT"}}]


def test_secrets_come_from_outside_only_and_the_example_names_them() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    required = set(re.findall(r"\$\{(\w+):\?\1 is empty: copy \.env\.example to \.env", text))
    given = set(re.findall(r"^(\w+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert required == given == {"ROWMILL_API_KEYS", "RABBITMQ_PASSWORD"}
    values = [(name, value) for part in SERVICES.values() for name, value in part["environment"].items() if value]
    assert [name for name, value in values if re.search("PASS|KEY|SECRET", name) and not value.startswith("${")] == []


@pytest.mark.parametrize("part", SERVICES)
def test_each_part_is_locked_down_and_watched_and_reached_from_this_machine_only(part: str) -> None:
    service = SERVICES[part]
    assert (service["read_only"], service["cap_drop"], service["init"]) == (True, ["ALL"], True)
    assert "user" in service or service["image"] == "rowmill"
    assert "healthcheck" in service or "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])


def test_both_sides_reach_the_same_files_and_records() -> None:
    service, consumer = (SERVICES[part] for part in OURS)
    shared = set(service["volumes"]) & set(consumer["volumes"])
    for name, folder in (("FILES_URL", "files"), ("RECORDS_URL", "records")):
        assert service["environment"][PREFIX + name] == consumer["environment"][PREFIX + name]
        assert f"/{folder}" in service["environment"][PREFIX + name]
        assert f"{folder}:/{folder}" in shared


def test_a_stopping_consumer_is_not_killed_within_its_grace() -> None:
    consumer = SERVICES["consumer"]
    grace, patience = parse_time(consumer["environment"]["ROWMILL_GRACE"]), parse_time(consumer["stop_grace_period"])
    assert grace + 5 <= patience


def test_the_image_gets_all_that_the_wheel_is_made_of() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {*wheel["only-include"], *wheel["force-include"], "hatch_build.py"} <= let_through


def test_what_is_compiled_with_the_whole_of_an_image_runs_in_the_slim_one() -> None:
    first, last = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert last == f"{first}-slim"


def test_the_image_runs_as_nobody_of_the_host() -> None:
    stages = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    assert re.findall(r"^USER (.*)", stages[-1], re.MULTILINE) == ["10001:10001"]

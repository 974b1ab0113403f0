"""What log lines look like, in a process of their own: to configure them changes all loggers of a process."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = """
import logging, sys
from protocol import log as lines
lines.configure(sys.argv[1])
log = logging.getLogger("some.module")
with lines.about(job="of the task", sender=None):
    log.info("job %s", "ended", extra={"attempt": 2, "file": "a\\nb"})
    log.warning("another", extra={"job": "of the line"})
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
"""


def told(form: str) -> list[str]:
    run = subprocess.run([sys.executable, "-c", CODE, form], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stderr.splitlines()


def test_a_line_of_json_tells_what_happened_and_all_that_came_as_extra() -> None:
    ended, another, failed = map(json.loads, told("json"))
    assert abs(datetime.now(UTC) - datetime.fromisoformat(ended.pop("timestamp"))).total_seconds() < 60
    fields = {"job": "of the task", "level": "info", "logger": "some.module", "attempt": 2, "file": "a\nb"}
    assert ended == fields | {"message": "job ended"}
    assert another["job"] == "of the line"
    assert (failed["level"], failed["exception"][0]["exc_type"]) == ("error", "ZeroDivisionError")
    assert "job" not in failed


def test_a_line_for_eyes_is_one_line_and_a_traceback_follows_its_own() -> None:
    ended, another, failed, *trace = told("console")
    assert "Z [info     ] job ended" in ended
    assert ended.endswith("[some.module] attempt=2 file=a\\nb job='of the task'")
    assert "[warning  ] another" in another
    assert "[error    ] failed" in failed
    assert trace[-1] == "ZeroDivisionError: division by zero"

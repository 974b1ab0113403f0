"""Which jobs are asked for again: those that stand still for too long, and only those."""

from __future__ import annotations

from service.reminders import Seen, look, stale

QUIET, WAITING = 20.0, 400.0


def rows(**jobs: tuple[int, str]) -> list[dict[str, object]]:
    return [{"id": name, "version": version, "state": state} for name, (version, state) in jobs.items()]


def test_a_job_stands_still_since_its_version_was_first_seen() -> None:
    seen = look({}, rows(a=(0, "queued"), b=(3, "running")), 100.0)
    seen = look(seen, rows(a=(0, "queued"), b=(4, "running"), c=(1, "running")), 110.0)
    assert seen == {"a": Seen(0, 100.0), "b": Seen(4, 110.0), "c": Seen(1, 110.0)}


def test_a_job_that_ended_is_no_longer_known() -> None:
    assert look({"a": Seen(0, 1.0)}, [], 2.0) == {}


def test_one_that_waits_for_its_next_attempt_may_stand_still_longer() -> None:
    unfinished = rows(a=(0, "queued"), b=(3, "running"), c=(2, "waiting"))
    seen = look({}, unfinished, 100.0)
    assert stale(seen, unfinished, 119.0, QUIET, WAITING) == []
    assert stale(seen, unfinished, 121.0, QUIET, WAITING) == ["a", "b"]
    assert stale(seen, unfinished, 501.0, QUIET, WAITING) == ["a", "b", "c"]

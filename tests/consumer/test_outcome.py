"""What follows from how an attempt ended: decided here, done elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import outcome
from consumer.executors import Overdue, Raised, Refused, WorkerLost
from consumer.outcome import LONGEST_DELAY, TITLES, Broken, Failed, TryAgain
from protocol.job import Fault, Job, Problem

NewJob = Callable[..., Job]
FAULTS = (
    Fault(code="missing_column", detail="No column revenue."),
    Fault(code="quote", detail="Never closed.", line=7),
)
REFUSED = outcome.from_answer(Refused(415, FAULTS), "sales", "looking at the table")
RAISED = outcome.from_answer(Raised("ZeroDivisionError: by hand", "sales.py:12", "Trace…"), "sales", "chunk 3 of 12")

HOPELESS = {"bad_table": REFUSED, "job_timeout": TimeoutError()}
HEALING = {
    "kind_failed": RAISED,
    "worker_lost": WorkerLost("2 times in a row, chunk 3 of 12"),
    "chunk_timeout": Overdue("chunk 3 of 12"),
    "internal": ZeroDivisionError("nobody thought of that"),
}


def code(problem: Problem) -> str:
    return problem.type.removeprefix("/problems/")


@pytest.mark.parametrize(("name", "error"), HOPELESS.items())
def test_what_cannot_heal_fails_at_the_first_attempt(new_job: NewJob, name: str, error: Exception) -> None:
    result = outcome.judge(error, new_job(attempt=1, max_attempts=9), first_delay=2.0)
    assert isinstance(result, Failed)
    assert code(result.problem) == name


@pytest.mark.parametrize(("name", "error"), HEALING.items())
@pytest.mark.parametrize(("attempt", "delay"), [(1, 2.0), (2, 8.0), (3, 32.0)])
def test_what_may_heal_is_tried_again_ever_later(
    new_job: NewJob, name: str, error: Exception, attempt: int, delay: float
) -> None:
    result = outcome.judge(error, new_job(attempt=attempt, max_attempts=4), first_delay=2.0)
    assert result == TryAgain(result.problem, delay)
    assert code(result.problem) == name


@pytest.mark.parametrize(("name", "error"), HEALING.items())
@pytest.mark.parametrize("attempts", [1, 3])
def test_the_last_attempt_fails_the_job(new_job: NewJob, name: str, error: Exception, attempts: int) -> None:
    result = outcome.judge(error, new_job(attempt=attempts, max_attempts=attempts), first_delay=2.0)
    assert isinstance(result, Failed)
    assert code(result.problem) == name


@given(st.integers(1, 100), st.integers(1, 100), st.floats(0.01, 1000))
def test_attempts_are_counted_and_delays_bounded_whatever_is_configured(attempt: int, most: int, first: float) -> None:
    job = Job.model_construct(attempt=attempt, max_attempts=most)
    match outcome.judge(WorkerLost(), job, first_delay=first):
        case TryAgain(_, delay):
            assert attempt < most
            assert 0 < delay <= LONGEST_DELAY
        case Failed():
            assert attempt >= most


def test_refusals_keep_their_status_and_every_fault() -> None:
    assert (REFUSED.hopeless, REFUSED.problem.status, REFUSED.problem.errors) == (True, 415, FAULTS)
    assert REFUSED.problem.detail == "No column revenue. Never closed."


def test_what_raised_says_in_which_kind_step_and_line() -> None:
    assert RAISED.problem.detail == "sales, chunk 3 of 12: ZeroDivisionError: by hand (sales.py:12)"
    assert "Trace" not in RAISED.problem.model_dump_json()


def test_an_overdue_chunk_names_itself_and_the_setting(new_job: NewJob) -> None:
    result = outcome.judge(HEALING["chunk_timeout"], new_job(attempt=1), first_delay=1.0)
    assert "chunk 3 of 12" in result.problem.detail
    assert "CHUNK_TIMEOUT" in result.problem.detail


def test_what_nobody_foresaw_does_not_leak_its_words(new_job: NewJob) -> None:
    result = outcome.judge(ZeroDivisionError("password=hunter2"), new_job(attempt=1), first_delay=1.0)
    assert "hunter2" not in result.problem.model_dump_json()
    assert "ZeroDivisionError" in result.problem.detail


@pytest.mark.parametrize("name", TITLES)
def test_every_problem_has_a_title_and_a_type_that_names_it(name: str) -> None:
    problem = outcome.problem(name, "So it is.")
    assert (problem.type, problem.title, problem.detail) == (f"/problems/{name}", TITLES[name], "So it is.")


def test_a_broken_step_prints_as_what_the_user_is_told() -> None:
    assert str(Broken(outcome.problem("internal", "So it is."), hopeless=True)) == "So it is."

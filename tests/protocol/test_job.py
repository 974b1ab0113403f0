"""The state graph: which moves there are, and what each leaves in the job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from protocol.job import FINAL, LOG_LIMIT, IllegalMove, Job, Source, State
from protocol.kinds import NeededColumn

Q, R, W, S, F, C = (State(name) for name in ("queued", "running", "waiting", "succeeded", "failed", "cancelled"))
# Written out again on purpose: the graph is the contract, so a change of MOVES has to be made twice.
LEGAL = {(Q, R), (Q, C), (R, W), (R, S), (R, F), (R, C), (W, R), (W, C), (F, Q), (C, Q), (R, R)}

NewJob = Callable[..., Job]


def test_there_are_six_states() -> None:
    assert set(State) == {Q, R, W, S, F, C}


@pytest.mark.parametrize(("here", "there"), sorted(LEGAL))
def test_a_legal_move_makes_the_next_version_in_that_state(new_job: NewJob, here: State, there: State) -> None:
    job = new_job(state=here, version=7)
    later = job.move(there, at=job.created_at, reason="so it is")
    assert (later.state, later.version, job.state, job.version) == (there, 8, here, 7)


@pytest.mark.parametrize(("here", "there"), sorted(set(product(State, State)) - LEGAL))
def test_an_illegal_move_is_refused_in_a_sentence(new_job: NewJob, here: State, there: State) -> None:
    job = new_job(state=here)
    with pytest.raises(IllegalMove, match=f"a job that is {here} cannot become {there}"):
        job.move(there, at=job.created_at, reason="never")


def test_final_are_exactly_the_states_that_a_run_ends_in(new_job: NewJob) -> None:
    assert set(FINAL) == {S, F, C}
    assert {state for state in State if new_job(state=state).final} == {S, F, C}


def test_a_move_is_in_the_log_with_version_time_state_attempt_and_reason(new_job: NewJob) -> None:
    job = new_job()
    at = job.created_at + timedelta(seconds=5)
    later = job.move(R, at=at, reason="taken", attempt=1)
    [entry] = later.log
    assert entry.model_dump() == {"version": 1, "at": at, "state": "running", "attempt": 1, "reason": "taken"}


def test_a_move_that_names_no_attempt_logs_the_one_that_it_was_in(new_job: NewJob) -> None:
    job = new_job(state=R, attempt=2)
    assert job.move(F, at=job.created_at, reason="x").log[-1].attempt == 2


def test_a_move_takes_its_changes_along(new_job: NewJob) -> None:
    job = new_job()
    later = job.move(R, at=job.created_at, reason="x", attempt=1, started_at=job.created_at)
    assert (later.attempt, later.started_at) == (1, job.created_at)


def test_a_revision_is_a_version_but_no_move(new_job: NewJob) -> None:
    job = new_job()
    running = job.move(R, at=job.created_at, reason="taken")
    revised = running.revise(attempt=9)
    assert (revised.version, revised.state, revised.log) == (running.version + 1, R, running.log)
    assert running.moved
    assert not revised.moved
    assert not job.moved


@given(st.lists(st.sampled_from([*State, None]), max_size=3 * LOG_LIMIT))
def test_whatever_is_asked_versions_count_up_and_the_log_holds_every_move_up_to_its_bound(asked: list[State]) -> None:
    job = START
    moves = []
    for number, to in enumerate(asked):
        before = job
        try:
            job = job.revise() if to is None else job.move(to, at=job.created_at, reason=str(number))
        except IllegalMove:
            assert job is before
            continue
        assert job.version == before.version + 1
        if to is not None:
            moves.append((job.version, to, str(number)))
    logged = [(entry.version, entry.state, entry.reason) for entry in job.log]
    kept = moves if len(moves) <= LOG_LIMIT else [moves[0], *moves[-LOG_LIMIT + 1 :]]
    assert logged == kept


def test_a_long_log_keeps_how_it_began_and_how_it_stands(new_job: NewJob) -> None:
    job = new_job().move(R, at=START.created_at, reason="0")
    for number in range(1, 3 * LOG_LIMIT):
        job = job.move(R, at=job.created_at, reason=str(number))
    reasons = [int(entry.reason) for entry in job.log]
    assert reasons == [0, *range(2 * LOG_LIMIT + 1, 3 * LOG_LIMIT)]


def test_a_job_is_spelled_once_and_each_of_its_versions_anew(new_job: NewJob) -> None:
    job = new_job()
    assert job.text is job.text
    later = job.revise(kind="later")
    assert Job.model_validate_json(job.text) == job
    assert Job.model_validate_json(later.text) == later
    assert later.revise(kind=job.kind, version=job.version) == job  # what is spelled makes no difference


def test_a_job_cannot_be_changed_in_place(new_job: NewJob) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        new_job().state = R  # type: ignore[misc]


def test_an_older_reader_understands_a_newer_writer(new_job: NewJob) -> None:
    job = new_job()
    newer = job.model_dump_json()[:-1] + ', "invented_later": {"deep": [1]}}'
    assert Job.model_validate_json(newer) == job


def test_all_that_belongs_to_a_job_lies_under_keys_that_hold_its_id(new_job: NewJob) -> None:
    one, other = new_job(), new_job()
    assert one.source_key == f"uploads/{one.id}"
    assert one.artefact_key("summary.csv").startswith(one.result_prefix)
    assert one.result_prefix.endswith(f"{one.id}/")
    assert not other.artefact_key("x").startswith(one.result_prefix)


def test_a_needed_column_is_named_by_its_parameter_or_by_itself() -> None:
    fixed, free = NeededColumn(name="region"), NeededColumn(name="region", param="group_column")
    assert fixed.name_for({"group_column": "land"}) == "region"
    assert free.name_for({"group_column": "land"}) == "land"
    assert free.name_for({}) == "region"


START = Job(
    id="a" * 32,
    kind="sales",
    source=Source(name="a.csv", size=1, sha256="0" * 64),
    created_at="2026-03-01T12:00:00Z",  # type: ignore[arg-type]
)

"""How an attempt ended, and what follows from it. Decides; does nothing."""

from __future__ import annotations

from dataclasses import dataclass

from consumer.executors import NotNow, Overdue, Raised, Refused, WorkerLost
from protocol.job import Artefact, Fault, Job, Problem, Progress, Report

TITLES = {
    "bad_table": "The table cannot be read",
    "params": "The parameters are wrong",
    "kind_failed": "The kind's code failed",
    "unknown_kind": "No consumer knows this kind",
    "records_unavailable": "The records cannot be had now",
    "no_space": "There is no space left",
    "no_worker": "There is no worker process",
    "records_unfit": "The rows do not go into the records",
    "worker_lost": "A worker process died",
    "chunk_timeout": "A chunk took too long",
    "job_timeout": "The job took too long",
    "internal": "Something went wrong in Rowmill",
}
WAITED_FOR = {"records_unavailable": 503, "no_space": 507, "no_worker": 503}  # costs no attempt
LONGEST_DELAY = 300.0


@dataclass(frozen=True)
class Succeeded:
    report: Report
    artefacts: tuple[Artefact, ...]
    progress: Progress


@dataclass(frozen=True)
class Failed:
    problem: Problem


@dataclass(frozen=True)
class TryAgain:
    problem: Problem
    delay: float  # seconds


Outcome = Succeeded | Failed | TryAgain


class Broken(Exception):
    """A step came back without a result; carries what the user is told and whether another attempt may help."""

    def __init__(self, problem: Problem, *, hopeless: bool, trace: str = "") -> None:
        super().__init__(problem.detail)
        self.problem, self.hopeless, self.trace = problem, hopeless, trace


class Missing(Exception):
    """Something that the job needs cannot be had now; `why` is for operators."""

    def __init__(self, code: str, detail: str, why: str) -> None:
        super().__init__(detail)
        self.problem, self.why = problem(code, detail, status=WAITED_FOR[code]), why


def problem(code: str, detail: str, *, status: int = 500, errors: tuple[Fault, ...] = ()) -> Problem:
    return Problem(type=f"/problems/{code}", title=TITLES[code], status=status, detail=detail, errors=errors)


def from_answer(answer: Refused | Raised | NotNow, kind: str, step: str) -> Broken | Missing:
    """What it means that *step* (such as `chunk 3 of 12`) was refused or raised."""
    match answer:
        case Refused(status, faults):
            detail = " ".join(fault.detail for fault in faults)
            code = faults[0].code if faults[0].code in TITLES else "bad_table"
            return Broken(problem(code, detail, status=status, errors=faults), hopeless=True)
        case NotNow(detail, why, code):
            return Missing(code, detail, why)
        case Raised(error, where, trace):
            detail = f"{kind}, {step}: {error}{where and f' ({where})'}"
            return Broken(problem("kind_failed", detail), hopeless=False, trace=trace)


def judge(error: Exception, job: Job, *, first_delay: float) -> Failed | TryAgain:
    """Bad input never heals by itself; everything else gets `max_attempts` tries, ever further apart."""
    broken = _explain(error, job)
    if broken.hopeless or job.attempt >= job.max_attempts:
        return Failed(broken.problem)
    return TryAgain(broken.problem, min(LONGEST_DELAY, first_delay * 4.0 ** (job.attempt - 1)))


def awaited(job: Job) -> str | None:
    """The code of what the job stands still for, until that can be had again."""
    code = job.problem.type.removeprefix("/problems/") if job.problem else ""
    return code if code in WAITED_FOR else None


def _explain(error: Exception, job: Job) -> Broken:
    match error:
        case Broken():
            return error
        case WorkerLost():
            return Broken(problem("worker_lost", f"A worker process died: {error}"), hopeless=False)
        case Overdue():
            return Broken(problem("chunk_timeout", f"{error} took longer than CHUNK_TIMEOUT allows"), hopeless=False)
        case TimeoutError() if job.problem is not None and awaited(job):
            return Broken(job.problem, hopeless=True)
        case TimeoutError():
            return Broken(problem("job_timeout", "The job took longer than JOB_TIMEOUT allows"), hopeless=True)
        case _:
            return Broken(
                problem("internal", f"An unexpected {type(error).__name__}; the log has more"), hopeless=False
            )

"""A job as the service's table has it, and those that were written last: whoever has sent a job asks for it next."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.job import Job

ROOM = 256  # jobs
LONGEST = 64 * 2**10  # characters of a job


@dataclass(frozen=True)
class Stored:
    """Its body is JSON already."""

    id: str
    version: int
    state: str
    body: str
    owner: str | None = None

    @classmethod
    def of(cls, job: Job) -> Stored:
        return cls(job.id, job.version, job.state.value, job.text, job.submitted_by)

    def job(self) -> Job:
        return Job.model_validate_json(self.body)


class Recent:
    """Told of each commit, in order; so what it finds is what the table has."""

    def __init__(self) -> None:
        self._jobs: dict[str, Stored] = {}

    def note(self, stored: Stored) -> None:
        self.drop(stored.id)  # the newest comes last
        if len(stored.body) <= LONGEST:
            self._jobs[stored.id] = stored
        if len(self._jobs) > ROOM:
            self.drop(next(iter(self._jobs)))

    def drop(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)

    def find(self, job_id: str) -> Stored | None:
        return self._jobs.get(job_id)

"""What a run's calls of the pool come to where the machine fails: waiting, and no attempt lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consumer import loading, outcome
from consumer.calls import Calls, Standing
from consumer.executors import Answer, Done, NoWorker, WorkerLost
from consumer.mails.mailbox import Mailbox
from consumer.mill import Mill
from consumer.sharing import Sharing
from consumer.steps import Task
from consumer.store import ConsumerStore
from protocol.databases import Database
from protocol.job import Job


class Hand:
    """A slot that answers as it was told."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)

    async def run(self, step: str, *arguments: Any, limit: float) -> Answer:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def kill(self) -> None:
        raise NotImplementedError


Ask = Callable[..., Any]


@pytest.fixture
async def standing(database: Database, new_job: Callable[..., Job]) -> Standing:
    store = ConsumerStore(database, Mailbox("Mill <mill@example.org>"))
    await store.prepare()
    job = await store.claim(new_job())
    assert job
    return Standing(store, job)


@pytest.fixture
def ask(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setattr(loading, "PAUSES", (0.0,))

    async def call(*answers: Answer | Exception) -> Any:
        hand, job = Hand(*answers), standing.job
        sharing: Any = Sharing([hand])
        mill = Mill(standing._store, None, sharing, None, None, "file:///nowhere", 1000, 60.0, "")
        async with sharing.job(job):
            return await Calls(mill, Task.of(job, "", 1000, ""), standing).call("mill", "chunk 1 of 2")

    return call


async def test_where_no_process_can_be_started_the_job_says_so_and_waits(standing: Standing, ask: Ask) -> None:
    assert await ask(*[NoWorker("[Errno 12] Cannot allocate memory")] * 3, Done("it")) == "it"
    assert [move.reason for move in standing.job.log][1:] == ["No worker process can be started."]
    assert standing.job.problem is None


async def test_while_none_can_be_started_that_is_the_job_s_problem(standing: Standing, ask: Ask) -> None:
    with pytest.raises(IndexError):  # the slot knows no more answers
        await ask(NoWorker("no memory"))
    assert outcome.awaited(standing.job) == "no_worker"


async def test_what_a_process_died_of_twice_is_in_the_traceback(ask: Ask) -> None:
    with pytest.raises(WorkerLost, match=r"2 times in a row, chunk 1 of 2") as caught:
        await ask(WorkerLost("once"), WorkerLost("twice"))
    assert str(caught.value.__cause__) == "twice"

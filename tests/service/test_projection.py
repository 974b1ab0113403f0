"""What the consumer tells is shown, also where it comes all at once or some of it cannot be stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from protocol.job import Job, State
from protocol.messages import JobChanged
from service import projection
from service.stored import ROOM, Recent, Stored
from tests.service.house import House, now, soon


async def _stored(house: House, job: Job) -> int:
    async with house.http.get(f"/v1/jobs/{job.id}") as answer:
        return int((await answer.json())["version"])


async def _begun(house: House) -> Job:
    await house.submit()
    return await house.consumer.next_job()


async def test_of_versions_that_come_at_once_the_newest_stays(house: House) -> None:
    jobs = [await _begun(house) for _ in range(3)]
    ran = [job.move(State.RUNNING, at=now(), reason="taken", attempt=1) for job in jobs]
    last = [job.move(State.SUCCEEDED, at=now(), reason="done", finished_at=now()) for job in ran]
    await asyncio.gather(*map(house.consumer.tell, (*last, *ran)))
    assert [await _stored(house, job) for job in jobs] == [2, 2, 2]


async def test_an_event_that_cannot_be_stored_comes_again_and_fails_none_that_comes_with_it(
    house: House, monkeypatch
) -> None:
    monkeypatch.setattr(projection, "PAUSE", 0.01)
    good, bad = await _begun(house), await _begun(house)
    impossible = bad.model_copy(update={"version": 1, "kind": "\ud800"})  # half a character, which no file can hold
    telling = asyncio.gather(
        house.consumer.transport.publish(JobChanged(job=impossible)), house.consumer.start(good), return_exceptions=True
    )
    refused, told = await soon(telling)
    assert isinstance(refused, Exception)
    assert [await _stored(house, job) for job in (good, bad)] == [told.version, 0] == [1, 0]


def test_of_the_jobs_that_were_written_last_no_more_are_at_hand_than_there_is_room_for(
    new_job: Callable[..., Job],
) -> None:
    recent, jobs = Recent(), [Stored.of(new_job()) for _ in range(ROOM + 1)]
    for job in (*jobs[:-1], jobs[0], jobs[-1]):
        recent.note(job)
    assert recent.find(jobs[1].id) is None  # the one that was written longest ago
    assert [recent.find(job.id) for job in (jobs[0], *jobs[2:])] == [jobs[0], *jobs[2:]]

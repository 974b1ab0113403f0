"""The consumer's store: which messages move a job, and that every move is announced with it or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from consumer.calls import Standing
from consumer.mails.mailbox import Mailbox
from consumer.store import ConsumerStore, Superseded
from protocol import envelopes
from protocol.databases import Database, open_database
from protocol.job import IllegalMove, Job, Notify, Progress, State
from protocol.messages import JobChanged, Message, RunJob

NewJob = Callable[..., Job]
Waits = Callable[..., Awaitable[Any]]
ADDRESSES = ("ann@example.org", "bob@example.org")


@pytest.fixture
async def store(database: Database, clock: Any) -> ConsumerStore:
    store = ConsumerStore(database, Mailbox("Mill <mill@example.org>"), now=clock.now)
    await store.prepare()
    return store


@pytest.fixture
def announced(database: Database) -> Callable[[], Awaitable[list[Message]]]:
    """What waits in the outbox, in the order of writing."""

    async def read() -> list[Message]:
        return [envelopes.decode(row["body"]) for row in await database.read("SELECT body FROM outbox ORDER BY number")]

    return read


async def running(store: ConsumerStore, job: Job) -> Job:
    claimed = await store.claim(job)
    assert claimed
    return claimed


async def ended(store: ConsumerStore, job: Job, to: State = State.FAILED) -> Job:
    return await store.advance(await running(store, job), to, "so it ended")


async def mails(database: Database) -> list[tuple[str, int, str]]:
    rows = await database.read("SELECT recipient, finish, state FROM consumer_mails ORDER BY finish, position")
    return [(row["recipient"], row["finish"], row["state"]) for row in rows]


# Claiming


async def test_a_claim_starts_the_first_attempt(store: ConsumerStore, new_job: NewJob, clock: Any) -> None:
    job = await running(store, new_job())
    assert (job.state, job.version, job.attempt, job.started_at) == (State.RUNNING, 1, 1, clock.now())


async def test_a_message_that_comes_twice_claims_once(store: ConsumerStore, new_job: NewJob) -> None:
    asked = new_job()
    claims = await asyncio.gather(*(store.claim(asked) for _ in range(10)))
    assert len([job for job in claims if job]) == 1
    assert await store.claim(asked) is None


async def test_a_message_that_comes_after_the_job_has_ended_claims_nothing(
    store: ConsumerStore, new_job: NewJob
) -> None:
    for state in (State.SUCCEEDED, State.FAILED):
        asked = new_job()
        await ended(store, asked, state)
        assert await store.claim(asked) is None


async def test_a_cancel_that_overtakes_its_job_leaves_nothing_to_claim(store: ConsumerStore, new_job: NewJob) -> None:
    asked = new_job()
    cancelled = await store.cancel(asked)
    assert cancelled
    assert (cancelled.state, cancelled.version) == (State.CANCELLED, 1)
    assert await store.claim(asked) is None


async def test_the_message_of_an_earlier_attempt_does_not_claim_the_next(store: ConsumerStore, new_job: NewJob) -> None:
    asked = new_job()
    waiting = await store.postpone(await running(store, asked), "later", 0.0)
    assert await store.claim(asked) is None
    again = await running(store, waiting)
    assert (again.state, again.attempt) == (State.RUNNING, 2)
    assert await store.claim(waiting) is None


async def test_the_start_of_a_job_is_that_of_its_first_attempt(
    store: ConsumerStore, new_job: NewJob, clock: Any
) -> None:
    first = await running(store, new_job())
    clock.pass_by(60)
    again = await running(store, await store.postpone(first, "later", 0.0))
    assert again.started_at == first.started_at == clock.now() - timedelta(seconds=60)


# Removing files


async def test_an_ended_job_says_that_its_files_are_gone_and_cannot_run_again(
    store: ConsumerStore, new_job: NewJob, clock: Any, announced: Callable[[], Awaitable[list[Message]]]
) -> None:
    job = await ended(store, new_job())
    clock.pass_by(60)
    pruned = await store.prune(job)
    assert pruned
    assert (pruned.version, pruned.state, pruned.pruned_at) == (job.version + 1, State.FAILED, clock.now())
    assert (await announced())[-1] == JobChanged(job=pruned)
    assert await store.retry(pruned) is None
    clock.pass_by(60)
    again = await store.prune(job)
    assert again
    assert again.pruned_at == pruned.pruned_at


async def test_the_files_of_a_job_that_runs_again_or_is_deleted_are_not_to_be_removed(
    store: ConsumerStore, new_job: NewJob
) -> None:
    job = await ended(store, new_job())
    await store.retry(job)
    assert await store.prune(job) is None
    await store.forget(job.id)
    assert await store.prune(job) is None


# Cancelling


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.WAITING])
async def test_an_unfinished_job_is_cancelled_as_it_stands_though_the_asker_knows_an_older_version(
    store: ConsumerStore, new_job: NewJob, clock: Any, state: State
) -> None:
    asked = new_job()
    if state is not State.QUEUED:
        job = await store.revise(await running(store, asked), progress=Progress(rows_done=5))
        if state is State.WAITING:
            await store.postpone(job, "later", 0.0)
    clock.pass_by(5)
    cancelled = await store.cancel(asked)
    assert cancelled
    assert (cancelled.state, cancelled.finished_at) == (State.CANCELLED, clock.now())
    assert (cancelled.report, cancelled.artefacts, cancelled.problem) == (None, (), None)


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
async def test_a_job_that_has_ended_is_not_cancelled(store: ConsumerStore, new_job: NewJob, state: State) -> None:
    asked = new_job()
    await ended(store, asked, state)
    assert await store.cancel(asked) is None


async def test_a_job_is_cancelled_once(store: ConsumerStore, new_job: NewJob) -> None:
    asked = new_job()
    cancels = await asyncio.gather(*(store.cancel(asked) for _ in range(5)))
    assert len([job for job in cancels if job]) == 1


async def test_a_run_that_was_cancelled_is_superseded_whatever_it_does_next(
    store: ConsumerStore, new_job: NewJob, database: Database
) -> None:
    job = await running(store, new_job(notify=Notify(email=ADDRESSES)))
    await store.cancel(job)
    for late in (
        store.revise(job, progress=Progress()),
        store.advance(job, State.SUCCEEDED, "done"),
        store.advance(job, State.RUNNING, "a note"),
        store.postpone(job, "later", 0.0),
        store.resume(job, "again"),
    ):
        with pytest.raises(Superseded):
            await late
    assert await mails(database) == []


async def test_a_change_whose_caller_was_cancelled_does_not_lose_the_job(store: ConsumerStore, new_job: NewJob) -> None:
    standing = Standing(store, await running(store, new_job()))
    asked = asyncio.create_task(standing.revise(progress=Progress(rows_done=1)))
    await asyncio.sleep(0)  # asked for, and not stored yet
    asked.cancel()
    await asyncio.wait([asked])
    assert asked.cancelled()
    failed = await store.advance(standing.job, State.FAILED, "judged")
    assert failed.progress.rows_done == 1


# Retrying


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
async def test_a_retry_begins_again_and_asks_for_the_run(
    store: ConsumerStore, new_job: NewJob, announced: Any, state: State
) -> None:
    asked = new_job()
    last = await ended(store, asked) if state is State.FAILED else await store.cancel(await running(store, asked))
    assert last
    queued = await store.retry(last)
    assert queued
    assert (queued.state, queued.version, queued.attempt) == (State.QUEUED, last.version + 1, 0)
    assert (queued.problem, queued.report, queued.finished_at, queued.progress) == (None, None, None, Progress())
    assert (await announced())[-2:] == [JobChanged(job=queued), RunJob(job=queued)]
    again = await running(store, queued)
    assert (again.attempt, again.version) == (1, queued.version + 1)


async def test_a_retry_that_comes_twice_or_late_does_nothing(store: ConsumerStore, new_job: NewJob) -> None:
    last = await ended(store, new_job())
    assert await store.retry(last)
    assert await store.retry(last) is None
    assert await store.retry(new_job(id=last.id)) is None


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.SUCCEEDED])
async def test_only_what_failed_or_was_cancelled_is_retried(
    store: ConsumerStore, new_job: NewJob, state: State
) -> None:
    job = new_job()
    if state is State.RUNNING:
        job = await running(store, job)
    if state is State.SUCCEEDED:
        job = await ended(store, job, state)
    assert await store.retry(job) is None


async def test_after_a_retry_the_old_run_is_superseded(store: ConsumerStore, new_job: NewJob) -> None:
    old = await running(store, new_job())
    cancelled = await store.cancel(old)
    assert cancelled
    queued = await store.retry(cancelled)
    assert queued
    await running(store, queued)
    with pytest.raises(Superseded):
        await store.revise(old)


# Versions and announcements


async def test_every_change_is_announced_with_the_whole_job_in_its_order(
    store: ConsumerStore, new_job: NewJob, announced: Any
) -> None:
    job = await running(store, new_job())
    history = [job]
    for change in (
        lambda job: store.revise(job, progress=Progress(rows_done=1)),
        lambda job: store.advance(job, State.RUNNING, "a note"),
        lambda job: store.resume(job, "taken up"),
        lambda job: store.advance(job, State.SUCCEEDED, "done"),
    ):
        history.append(await change(history[-1]))
    assert await announced() == [JobChanged(job=job) for job in history]
    assert [job.version for job in history] == [1, 2, 3, 4, 5]


async def test_a_change_that_did_not_happen_is_not_announced(
    store: ConsumerStore, new_job: NewJob, announced: Any
) -> None:
    job = await running(store, new_job())
    later = await store.revise(job)
    before = await announced()
    with pytest.raises(Superseded):
        await store.revise(job, progress=Progress(rows_done=9))
    with pytest.raises(IllegalMove):
        await store.advance(later, State.QUEUED, "no such move")
    assert await announced() == before


async def test_who_asks_with_an_old_version_is_told_how_it_stands(
    store: ConsumerStore, new_job: NewJob, announced: Any
) -> None:
    asked = new_job()
    job = await running(store, asked)
    assert await store.claim(asked) is None
    assert await announced() == [JobChanged(job=job)] * 2


async def test_of_two_changes_to_one_version_one_wins(store: ConsumerStore, new_job: NewJob) -> None:
    job = await running(store, new_job())
    asked = [store.revise(job), store.cancel(job), store.advance(job, State.SUCCEEDED, "done"), store.revise(job)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["Job", "Job", "Superseded", "Superseded"]


async def test_a_job_that_waits_asks_for_its_next_attempt_when_that_is_due(
    store: ConsumerStore, new_job: NewJob, database: Database
) -> None:
    before = time.time()
    waiting = await store.postpone(await running(store, new_job()), "later", 100.0)
    rows = await database.read("SELECT due, body FROM outbox WHERE stream = 'jobs'")
    assert [envelopes.decode(row["body"]) for row in rows] == [RunJob(job=waiting)]
    assert before + 100.0 <= rows[0]["due"] <= time.time() + 100.0


async def test_the_end_of_a_run_has_its_time(store: ConsumerStore, new_job: NewJob, clock: Any) -> None:
    job = await running(store, new_job())
    clock.pass_by(9)
    assert (await store.advance(job, State.RUNNING, "a note")).finished_at is None
    other = await running(store, new_job())
    assert (await store.advance(other, State.SUCCEEDED, "done")).finished_at == clock.now()


# Mails


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
async def test_an_end_writes_its_mails_in_the_same_transaction(
    store: ConsumerStore, new_job: NewJob, database: Database, announced: Any, state: State
) -> None:
    job = await ended(store, new_job(notify=Notify(email=ADDRESSES)), state)
    assert await mails(database) == [(address, job.version, "pending") for address in ADDRESSES]
    assert [(mail.to, mail.state) for mail in job.mail] == [(address, "pending") for address in ADDRESSES]
    assert (await announced())[-1] == JobChanged(job=job)


async def test_an_end_that_is_superseded_writes_no_mail(
    store: ConsumerStore, new_job: NewJob, database: Database
) -> None:
    job = await running(store, new_job(notify=Notify(email=ADDRESSES)))
    await store.revise(job)
    with pytest.raises(Superseded):
        await store.advance(job, State.SUCCEEDED, "done")
    assert await mails(database) == []


async def test_a_cancel_and_an_attempt_that_failed_write_no_mail(
    store: ConsumerStore, new_job: NewJob, database: Database
) -> None:
    job = await running(store, new_job(notify=Notify(email=ADDRESSES)))
    await store.cancel(await store.postpone(job, "later", 0.0))
    assert await mails(database) == []


async def test_webhooks_are_told_of_an_end_and_of_no_other_move(store: ConsumerStore, new_job: NewJob) -> None:
    job = await running(store, new_job(notify=Notify(webhook=("https://example.org/hook",))))
    waiting = await store.postpone(await store.resume(job, "taken up again"), "it failed", 0.0)
    assert waiting.webhooks == ()
    last = await store.advance(await running(store, waiting), State.SUCCEEDED, "done")
    assert [hook.state for hook in last.webhooks] == ["pending"]


async def test_a_cancel_takes_back_what_waits_about_an_earlier_end(
    store: ConsumerStore, new_job: NewJob, database: Database
) -> None:
    queued = await store.retry(await ended(store, new_job(notify=Notify(email=ADDRESSES))))
    assert queued
    cancelled = await store.cancel(queued)
    assert cancelled
    assert cancelled.mail == ()
    assert await mails(database) == []


async def settle(database: Database, store: ConsumerStore, job: Job) -> None:
    """What the mailer does when a mail's fate is known."""

    def unit(tx: Any) -> None:
        tx.execute("UPDATE consumer_mails SET state = 'sent' WHERE job = :job", job=job.id)
        store.told(tx, job.id)

    await database.write(unit)


async def test_the_fate_of_a_mail_shows_in_its_job_which_stays_as_it_ended(
    store: ConsumerStore, new_job: NewJob, database: Database, announced: Any
) -> None:
    job = await ended(store, new_job(notify=Notify(email=ADDRESSES[:1])))
    await settle(database, store, job)
    [message] = (await announced())[-1:]
    assert (message.job.version, message.job.state) == (job.version + 1, State.FAILED)
    assert [(mail.to, mail.state) for mail in message.job.mail] == [(ADDRESSES[0], "sent")]


async def test_the_fate_of_a_mail_does_not_keep_a_retry_from_its_job(
    store: ConsumerStore, new_job: NewJob, database: Database
) -> None:
    job = await ended(store, new_job(notify=Notify(email=ADDRESSES[:1])))
    await settle(database, store, job)
    assert await store.retry(job)  # asked for before the asker has heard of the mail


@pytest.mark.parametrize("moment", ["queued", "running"])
async def test_the_fate_of_an_earlier_end_s_mail_does_not_supersede_the_next_run(
    store: ConsumerStore, new_job: NewJob, database: Database, moment: str
) -> None:
    last = await ended(store, new_job(notify=Notify(email=ADDRESSES[:1])))
    job = await store.retry(last)
    assert job
    assert job.mail == ()
    if moment == "running":
        job = await running(store, job)
    await settle(database, store, last)
    if moment == "queued":
        job = await running(store, job)
    assert (await store.advance(job, State.SUCCEEDED, "done")).state is State.SUCCEEDED


async def test_the_fate_of_a_deleted_job_s_mail_is_nobody_s_business(
    store: ConsumerStore, new_job: NewJob, database: Database, announced: Any
) -> None:
    job = await ended(store, new_job(notify=Notify(email=ADDRESSES)))
    await store.forget(job.id)
    before = await announced()
    await settle(database, store, job)
    assert await announced() == before


# Forgetting


async def test_nothing_of_a_deleted_job_is_kept(store: ConsumerStore, new_job: NewJob, database: Database) -> None:
    job = await ended(store, new_job(notify=Notify(email=ADDRESSES), params={"a": "secret"}))
    other = await ended(store, new_job(notify=Notify(email=ADDRESSES), params={"a": "secret"}))
    for one in (job, other):
        await store.checkpoint(one.id, "mill", 0, b"secret")
    await store.forget(job.id)
    assert await store.checkpoints(job.id, "mill") == {}
    assert {recipient for recipient, finish, _ in await mails(database)} == set(ADDRESSES)
    assert len(await mails(database)) == len(ADDRESSES)
    rows = await database.read("SELECT id FROM consumer_jobs WHERE body LIKE '%secret%'")
    assert [row["id"] for row in rows] == [other.id]
    assert await store.counts() == {"failed": 1}


async def test_no_late_message_brings_a_deleted_job_back(store: ConsumerStore, new_job: NewJob, announced: Any) -> None:
    asked, never_seen = new_job(), new_job()
    last = await ended(store, asked)
    for job in (last, never_seen):
        await store.cancel(job)
        await store.forget(job.id)
    before = await announced()
    for late in (asked, last, never_seen):
        assert await store.claim(late) is None
        assert await store.retry(late) is None
        assert await store.cancel(late) is None
        with pytest.raises(Superseded):
            await store.revise(late)
    assert await announced() == before
    assert await store.orphans() == []


# Checkpoints, orphans, counts


async def test_checkpoints_are_kept_by_job_step_and_number_and_the_first_stays(
    store: ConsumerStore, new_job: NewJob
) -> None:
    for job_id, step, number, body in (
        ("a", "mill", 0, b"a0"),
        ("a", "mill", 12, b"\0\xff"),
        ("a", "plan", 0, b"p"),
        ("b", "mill", 0, b"b0"),
        ("a", "mill", 0, b"again"),
    ):
        await store.checkpoint(job_id, step, number, body)
    assert await store.checkpoints("a", "mill") == {0: b"a0", 12: b"\0\xff"}
    assert await store.checkpoints("a", "select") == {}
    await store.drop_checkpoints("a")
    assert await store.checkpoints("a", "mill") == await store.checkpoints("a", "plan") == {}
    assert await store.checkpoints("b", "mill") == {0: b"b0"}


async def test_after_a_restart_the_jobs_that_were_running_are_taken_up(database_url: str, new_job: NewJob) -> None:
    async with open_database(database_url) as database:
        store = ConsumerStore(database, Mailbox("mill@example.org"))
        await store.prepare()
        job = await store.revise(await running(store, new_job()), progress=Progress(rows_done=5))
        await ended(store, new_job())
        await store.postpone(await running(store, new_job()), "later", 0.0)
        await store.checkpoint(job.id, "mill", 0, b"done")
    async with open_database(database_url) as database:
        store = ConsumerStore(database, Mailbox("mill@example.org"))
        await store.prepare()
        assert await store.orphans() == [job]
        resumed = await store.resume(job, "taken up again after a restart")
        assert (resumed.version, resumed.attempt, resumed.state) == (job.version + 1, 1, State.RUNNING)
        assert resumed.log[-1].reason == "taken up again after a restart"
        assert await store.checkpoints(job.id, "mill") == {0: b"done"}


async def test_jobs_are_counted_by_state(store: ConsumerStore, new_job: NewJob) -> None:
    assert await store.counts() == {}
    for state in (State.SUCCEEDED, State.FAILED, State.FAILED):
        await ended(store, new_job(), state)
    await running(store, new_job())
    assert await store.counts() == {"succeeded": 1, "failed": 2, "running": 1}


async def test_ended_jobs_with_checkpoints_are_found_so_that_they_can_be_tidied(database, new_job) -> None:
    store = ConsumerStore(database, Mailbox("Rowmill <rowmill@localhost>"))
    await store.prepare()
    ends = {"a" * 32: State.SUCCEEDED, "b" * 32: State.FAILED, "c" * 32: None}
    for job_id, end in ends.items():
        job = await store.claim(new_job(id=job_id))
        assert job is not None
        await store.checkpoint(job_id, "mill", 0, b"x")
        if end is not None:
            await store.advance(job, end, "ended")
    assert [job.id for job in await store.untidied()] == ["a" * 32]
    await store.drop_checkpoints("a" * 32)
    assert await store.untidied() == []

"""What becomes of jobs that are asked for by message when we fail, restart, run out of space, or are asked again."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from consumer.http import fetching
from consumer.http.fetching import Unfetchable
from consumer.mails.mailbox import Mailbox
from consumer.metrics import Metrics
from consumer.store import ConsumerStore
from consumer.submissions import reception, retrieval
from consumer.submissions.acceptance import Rules
from consumer.submissions.reception import Submissions
from consumer.submissions.store import SubmissionStore
from protocol import envelopes
from protocol.config import SPACE_FLOOR
from protocol.databases import Database
from protocol.files import Files
from protocol.job import Job
from protocol.kinds import KindInfo
from protocol.messages import JOBS, JobChanged, Reply, RunJob, SubmitJob, Unusable
from protocol.transports import NotSent, Transport

KINDS = (KindInfo(name="sales", title="Sales"),)
SOURCE = "https://data.example.org/"
TABLE = b"a,b\n1,2\n"


class Desk:
    """Submissions as they run in a consumer, on real parts; what they answer waits in the outbox."""

    def __init__(self, database: Database, files: Files, transport: Transport) -> None:
        self.database, self.files, self.transport = database, files, transport
        self.metrics = Metrics()
        self.runs, self.taken = False, list[Job]()  # whether there is room for jobs, and those that were got at once
        self.store = ConsumerStore(database, Mailbox("Rowmill <rowmill@mill.example>"))
        self.submission_store = SubmissionStore(database, self.store)
        self.submissions = Submissions(
            self.submission_store, files, Rules((SOURCE,), max_upload=2**20, max_attempts=3), self.metrics
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Desk]:
        await self.store.prepare()
        await self.submissions.prepare(KINDS)
        running = [asyncio.create_task(self._take()), asyncio.create_task(self.submissions.retrieve())]
        try:
            yield self
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _take(self) -> None:
        async for delivery in self.transport.subscribe(JOBS, prefetch=4):
            asked = self.submissions.identify(delivery.message)
            if job := await self.submissions.take(delivery, asked, run=self.runs):
                self.taken.append(job)

    async def send(self, body: bytes = TABLE, **given: Any) -> None:
        """As a broker delivers it: again and again, until it is acknowledged."""
        message = SubmitJob(body=body, **({"content_type": "text/csv", "headers": {"kind": "sales"}} | given))
        while True:
            with suppress(NotSent):
                return await self.transport.publish(message)

    async def name(self, url: str, **given: Any) -> None:
        body = b'{"kind": "sales", "source": {"url": "%s"}}' % url.encode()
        await self.send(body, content_type="application/json", reply_to="me", **given)

    async def sent(self, kind: type[Any]) -> list[Any]:
        rows = await self.database.read("SELECT body FROM outbox ORDER BY number")
        decoded = [envelopes.decode(row["body"]) for row in rows]
        return [message for message in decoded if isinstance(message, kind)]

    async def replies(self) -> list[tuple[str, str]]:
        """To whom, and what: accepted, or the problem."""
        return [
            (reply.to, reply.what if isinstance(reply.data, Job) else reply.data.type.rpartition("/")[2])
            for reply in await self.sent(Reply)
        ]

    async def uploads(self) -> list[str]:
        return await self.files.keys("uploads/")


@pytest.fixture
async def desk(database: Database, files: Files, transport: Transport, monkeypatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(reception, "PAUSES", (0.0,))
    async with Desk(database, files, transport).open() as desk:
        yield desk


@pytest.mark.parametrize(
    "given",
    [
        {"headers": {"kind": "sales", "webhook": "https://a.org/x,y https://b.org/"}},
        {"headers": {"kind": "sales", "webhook": ["https://a.org/x,y", "https://b.org/"]}},
        {
            "content_type": "application/json",
            "body": b'{"kind": "sales", "webhook": ["https://a.org/x,y", "https://b.org/"], "source": {"text": "%s"}}'
            % TABLE.replace(b"\n", b"\\n"),
        },
    ],
)
async def test_a_message_may_ask_for_webhooks(desk: Desk, given: dict[str, Any]) -> None:
    await desk.send(**given)
    [run] = await desk.sent(RunJob)
    assert run.job.notify.webhook == ("https://a.org/x,y", "https://b.org/")


async def test_a_webhook_that_may_not_be_called_is_refused_with_its_message(desk: Desk) -> None:
    await desk.send(headers={"kind": "sales", "webhook": "http://10.0.0.1/"}, reply_to="me")
    assert await desk.replies() == [("me", "invalid")]


async def test_nobody_has_answers_sent_to_a_queue_of_ours(desk: Desk) -> None:
    await desk.send(reply_to="rowmill.jobs.v1")
    assert (await desk.sent(RunJob), await desk.replies()) == ([], [])


@pytest.mark.parametrize(
    ("body", "pointer"), [(b'{"kind": "sales"}', "/source"), (b'{"file": "x", "source": {"text": "a,b"}}', "/file")]
)
async def test_a_refusal_speaks_of_the_fields_that_a_message_has(desk: Desk, body: bytes, pointer: str) -> None:
    await desk.send(body, content_type="application/json", reply_to="me")
    [reply] = await desk.sent(Reply)
    [fault] = [fault for fault in reply.data.errors if fault.code in {"no_file", "unknown_field"}]
    assert fault.pointer == pointer
    assert "there are file" not in fault.detail


async def test_who_asks_again_is_answered_where_they_are_now(desk: Desk) -> None:
    await desk.send(message_id="one", reply_to="before", correlation_id="1")
    await desk.send(message_id="one", reply_to="now", correlation_id="2")
    assert [(reply.to, reply.correlation_id) for reply in await desk.sent(Reply)] == [("before", "1"), ("now", "2")]
    assert len(await desk.sent(RunJob)) == 1


async def test_a_compressed_table_is_stored_as_it_is_and_a_bomb_not_at_all(desk: Desk) -> None:
    await desk.send(gzip.compress(TABLE), reply_to="me")
    [run] = await desk.sent(RunJob)
    assert (run.job.source.size, run.job.source.compression) == (len(TABLE), "gzip")
    stored = await desk.uploads()
    await desk.send(gzip.compress(TABLE + b"1,2\n" * 10_000_000), reply_to="me")
    await desk.send(gzip.compress(TABLE)[:-1], reply_to="me")
    assert await desk.replies() == [("me", "accepted"), ("me", "too_large"), ("me", "invalid")]
    assert await desk.uploads() == stored


async def test_a_message_declares_how_its_table_is_to_be_read(desk: Desk) -> None:
    headers = {"kind": "sales", "reading": '{"quote": "none"}'}
    await desk.send(b'a,b\n"1,2\n', headers=headers, reply_to="me")
    body = b'{"kind": "sales", "source": {"text": "1,2"}, "reading": {"header": false, "quote": "x"}}'
    await desk.send(body, content_type="application/json", reply_to="me")
    assert await desk.replies() == [("me", "accepted"), ("me", "invalid")]
    assert [run.job.reading.quote for run in await desk.sent(RunJob)] == ["none"]


async def test_who_has_room_gets_the_job_at_once_and_nobody_else_is_asked_to_run_it(desk: Desk) -> None:
    desk.runs = True
    for _ in range(2):
        await desk.send(reply_to="me", message_id="the same")
    [job] = desk.taken
    assert (job.state, job.version, job.attempt) == ("running", 1, 1)
    assert await desk.sent(RunJob) == []
    assert [(told.job.version, told.job.state) for told in await desk.sent(JobChanged)] == [
        (0, "queued"),
        (1, "running"),
    ]
    assert await desk.replies() == [("me", "accepted"), ("me", "accepted")]
    assert [orphan.id for orphan in await desk.store.orphans()] == [job.id]  # with whom the next life begins


async def test_a_job_of_low_priority_waits_for_its_turn_whoever_has_room(desk: Desk) -> None:
    desk.runs = True
    await desk.send(headers={"kind": "sales", "priority": "low"})
    [run] = await desk.sent(RunJob)
    assert (desk.taken, run.job.state, run.job.priority) == ([], "queued", "low")


async def test_who_asks_for_something_else_by_the_same_name_redirects_no_answers(desk: Desk) -> None:
    await desk.send(message_id="one", reply_to="me")
    await desk.send(b"a,b\n", message_id="one", reply_to="other")
    await desk.send(message_id="one")
    assert await desk.replies() == [("me", "accepted"), ("other", "key_reused"), ("me", "accepted")]


async def test_a_deleted_job_is_not_made_again_and_who_asks_is_told(desk: Desk) -> None:
    await desk.send(message_id="one", reply_to="me")
    [run] = await desk.sent(RunJob)
    await desk.store.forget(run.job.id)
    await desk.send(message_id="one", reply_to="me")
    assert await desk.replies() == [("me", "accepted"), ("me", "deleted")]
    assert len(await desk.sent(RunJob)) == 1


async def test_for_want_of_space_nobody_is_refused(desk: Desk, monkeypatch, eventually, within) -> None:
    looks: list[int] = []

    async def free_space() -> int:
        looks.append(1)
        return SPACE_FLOOR - 1 if len(looks) < 3 * reception.MOST_FAILURES else SPACE_FLOOR

    monkeypatch.setattr(desk.files, "free_space", free_space)
    await within(desk.send(reply_to="me"))
    assert await desk.replies() == [("me", "accepted")]


async def test_what_fails_each_time_is_answered_and_no_longer_tried(desk: Desk, monkeypatch, within) -> None:
    async def put(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(desk.files, "put", put)
    await within(desk.send(reply_to="me"))
    assert await desk.replies() == [("me", "internal")]
    assert await desk.uploads() == []


async def test_a_refusal_that_cannot_be_stored_is_tried_again(desk: Desk, monkeypatch, within) -> None:
    refuse = desk.submission_store.refuse
    tries: list[int] = []

    async def fail_twice(*arguments: Any) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("broken")
        await refuse(*arguments)

    monkeypatch.setattr(desk.submission_store, "refuse", fail_twice)
    await within(desk.send(b"", reply_to="me"))
    assert await desk.replies() == [("me", "invalid")]


async def test_the_table_that_a_dead_process_was_storing_goes_and_those_of_jobs_stay(
    desk: Desk, database: Database, files: Files, transport: Transport
) -> None:
    await desk.send()
    [kept] = await desk.uploads()
    await desk.submission_store.begin("0" * 32)
    await files.put(f"uploads/{'0' * 32}", b"half a tab")
    await Desk(database, files, transport).submissions.prepare(KINDS)
    assert await desk.uploads() == [kept]
    assert await desk.submission_store.begun() == []


async def test_a_table_that_cannot_be_removed_at_the_start_waits_for_the_next_one(
    desk: Desk, database: Database, files: Files, transport: Transport, monkeypatch
) -> None:
    async def fail(_: str) -> None:
        raise OSError("the file store is down")

    await desk.submission_store.begin("0" * 32)
    again = Desk(database, files, transport)
    with monkeypatch.context() as down:
        down.setattr(files, "remove", fail)
        await again.submissions.prepare(KINDS)
    assert await desk.submission_store.begun() == ["0" * 32]
    await again.submissions.prepare(KINDS)
    assert await desk.submission_store.begun() == []


async def test_what_is_refused_leaves_no_table(desk: Desk) -> None:
    await desk.send(b"PK\x03\x04" + b"\0" * 100, reply_to="me")
    assert (await desk.replies(), await desk.uploads()) == ([("me", "not_a_table")], [])
    assert await desk.submission_store.begun() == []


class Sources:
    """Sources that answer when they are told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = asyncio.Event()
        self.failures = 0

    @asynccontextmanager
    async def fetch(self, url: str, _sources: object) -> AsyncIterator[AsyncIterator[bytes]]:
        self.asked.append(url)
        await self.answer.wait()
        if self.failures:
            self.failures -= 1
            raise Unfetchable("The source answered 503.", again=True)

        async def blocks() -> AsyncIterator[bytes]:
            yield TABLE

        yield blocks()


@pytest.fixture
def sources(monkeypatch) -> Sources:
    sources = Sources()
    monkeypatch.setattr(fetching, "fetch", sources.fetch)
    monkeypatch.setattr(retrieval, "AGAIN", (0.0, 0.0, 0.0))
    return sources


Eventually = Callable[..., Any]


async def test_sources_that_do_not_answer_hold_up_nobody(desk: Desk, sources: Sources, eventually: Eventually) -> None:
    for number in range(3 * retrieval.AT_ONCE):
        await desk.name(f"{SOURCE}{number}")
    await eventually(lambda: len(sources.asked) == retrieval.AT_ONCE)
    await desk.send()
    assert len(await desk.sent(RunJob)) == 1
    assert len(sources.asked) == retrieval.AT_ONCE
    sources.answer.set()
    await eventually(lambda: _has(desk, 1 + 3 * retrieval.AT_ONCE))
    assert sorted(sources.asked) == sorted(f"{SOURCE}{number}" for number in range(3 * retrieval.AT_ONCE))


async def _has(desk: Desk, runs: int) -> bool:
    return len(await desk.sent(RunJob)) == runs


async def test_a_table_that_was_not_fetched_before_the_end_is_fetched_after_the_next_start(
    sources: Sources, eventually: Eventually, database: Database, files: Files, transport: Transport
) -> None:
    async with Desk(database, files, transport).open() as desk:
        await desk.name(f"{SOURCE}a.csv", message_id="one")
        await eventually(lambda: sources.asked)
    sources.answer.set()
    async with Desk(database, files, transport).open() as later:
        await eventually(lambda: _has(later, 1))
        assert await later.replies() == [("me", "accepted")]


async def test_a_source_in_trouble_is_asked_again_and_then_given_up(
    desk: Desk, sources: Sources, eventually: Eventually
) -> None:
    sources.answer.set()
    sources.failures = 2
    await desk.name(f"{SOURCE}a.csv")
    await eventually(lambda: _has(desk, 1))
    sources.failures = 100
    await desk.name(f"{SOURCE}b.csv")

    async def given_up() -> bool:
        return len(await desk.sent(Unusable)) == 1

    await eventually(given_up)
    assert await desk.replies() == [("me", "accepted"), ("me", "source_refused")]
    assert (await desk.uploads()) == [f"uploads/{(await desk.sent(RunJob))[0].job.id}"]


async def test_who_asks_again_while_the_table_is_fetched_is_answered_where_they_are_then(
    desk: Desk, sources: Sources, eventually: Eventually
) -> None:
    sources.failures = 100
    await desk.name(f"{SOURCE}a.csv", message_id="one")
    await eventually(lambda: sources.asked)
    body = b'{"kind": "sales", "source": {"url": "%sa.csv"}}' % SOURCE.encode()
    await desk.send(body, content_type="application/json", message_id="one", reply_to="now")
    sources.answer.set()
    await eventually(desk.replies)
    assert await desk.replies() == [("now", "source_refused")]


async def test_submissions_are_counted(desk: Desk) -> None:
    await desk.send()
    await desk.send(b"")
    counted = desk.metrics.submissions
    assert {what: counted.labels(what)._value.get() for what in ("accepted", "refused")} == {
        "accepted": 1,
        "refused": 1,
    }

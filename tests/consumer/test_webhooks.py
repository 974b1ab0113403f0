"""Webhooks from the transaction that ends a job to a real server, which answers well, badly, late or elsewhere."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError
from standardwebhooks import Webhook as Standard
from standardwebhooks import WebhookVerificationError

from consumer.http import browsing
from consumer.webhooks import box
from consumer.webhooks.box import Box, Fate
from consumer.webhooks.calling import DELAYS, LONGEST_DELAY, Answered, Caller, Forbidden, Unreached, judge
from protocol import webhooks
from protocol.config import Settings
from protocol.databases import Database, NoSpace, Transaction, open_database
from protocol.job import Job, Notify, Source, State
from protocol.notices import Webhook
from protocol.signing import webhook_keys

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DEADLINE = 60.0
KEY = b"k" * 32
SECRET = webhooks.spell_secret(KEY)
SOON = (0.0,) * 3
ids = itertools.count(1)


def ended(*urls: str, state: State = State.SUCCEEDED) -> Job:
    job = Job(
        id=f"{next(ids):032x}",
        kind="sales",
        source=Source(name="sales.csv", size=1, sha256=""),
        notify=Notify(webhook=urls),
        created_at=NOW,
    )
    return end(job, state)


def end(job: Job, state: State) -> Job:
    return job.move(State.RUNNING, at=NOW, reason="").move(state, at=NOW, reason="", finished_at=NOW)


@dataclass
class Receiver:
    """What it says next, after which it says 204; what it was sent, path by path."""

    says: dict[str, list[Any]] = field(default_factory=dict)  # a status, "hang" or "drop"
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.path, dict(request.headers), await request.read()))
        self.arrived.set()
        said = self.says.get(request.path, [])
        answer = said.pop(0) if said else 204
        if answer == "hang":
            await self.release.wait()
        if answer == "drop":
            assert request.transport
            request.transport.abort()
        if isinstance(answer, tuple):
            return web.Response(status=answer[0], headers=answer[1])
        return web.Response(status=answer if isinstance(answer, int) else 204)

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.seen]

    async def until_called(self, times: int) -> None:
        async with asyncio.timeout(DEADLINE):
            while len(self.seen) < times:
                self.arrived.clear()
                await self.arrived.wait()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = web.Server(receiver.take)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        receiver.release.set()
        listening.close()
        await server.shutdown(5)


@dataclass
class World:
    """A real database, and what the jobs show of their webhooks."""

    database: Database
    box: Box
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self, tx: Transaction, _job: str) -> None:
        tx.on_commit(self.moved.set)

    async def finish(self, job: Job) -> tuple[Webhook, ...]:
        return await self.database.write(lambda tx: self.box.enqueue(tx, job))

    async def states(self, job: Job) -> tuple[Webhook, ...]:
        return await self.database.write(lambda tx: box.states(tx, job.id))

    async def until(self, job: Job, *expected: str, attempts: int = 0) -> tuple[Webhook, ...]:
        async with asyncio.timeout(DEADLINE):
            while True:
                self.moved.clear()
                hooks = await self.states(job)
                enough = all(hook.attempts >= attempts for hook in hooks)
                if tuple(hook.state for hook in hooks) == expected and enough:
                    return hooks
                await self.moved.wait()

    @asynccontextmanager
    async def calling(self, *trusted: str, delays: Sequence[float] = SOON) -> AsyncIterator[None]:
        given: dict[str, Any] = {"changed": self.changed, "trusted": trusted, "delays": delays}
        task = asyncio.create_task(Caller(self.database, self.box, [KEY], **given).run())
        try:
            yield
            assert not task.done(), "it must outlive everything that happened to it"
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_database(f"sqlite:///{tmp_path}/hooks.db") as database:
        await database.migrate("webhooks", box.MIGRATIONS)
        yield World(database, Box())


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED])
async def test_a_jobs_end_arrives_signed_by_the_standard(world: World, receiver: Receiver, state: State) -> None:
    job = ended(f"{receiver.url}/hook?token=a%2Fb", state=state)
    assert [hook.state for hook in await world.finish(job)] == ["pending"]
    async with world.calling(receiver.url):
        [hook] = await world.until(job, "delivered")
    assert (hook.url, hook.attempts, hook.last_status) == (job.notify.webhook[0], 1, 204)
    [(_, headers, body)] = receiver.seen
    event = Standard(SECRET).verify(body, headers)
    assert (event["type"], event["subject"]) == (f"rowmill.job.{state}.v1", job.id)
    assert Job.model_validate(event["data"]) == job
    with pytest.raises(WebhookVerificationError):
        Standard(webhooks.spell_secret(b"x" * 32)).verify(body, headers)
    assert SECRET not in body.decode()
    assert headers["Content-Type"] == "application/json"


async def test_a_full_disk_neither_stops_the_calls_nor_repeats_one(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """The database whose disk is full for the first two writes; reads go through."""

        left = 2
        read = staticmethod(world.database.read)

        async def write(self, unit: Any) -> Any:
            self.left -= 1
            if self.left >= 0:
                raise NoSpace("database or disk is full")
            return await world.database.write(unit)

    monkeypatch.setattr("protocol.databases.PAUSE", 0.01)
    job = ended(f"{receiver.url}/hook")
    await world.finish(job)
    async with replace(world, database=Full()).calling(receiver.url):
        [hook] = await world.until(job, "delivered")
    assert (hook.attempts, receiver.paths()) == (1, ["/hook"])


async def test_what_failed_comes_again_with_the_same_id_and_body_until_it_is_taken(
    world: World, receiver: Receiver
) -> None:
    receiver.says["/hook"] = [500, "drop", 404]
    job = ended(f"{receiver.url}/hook")
    await world.finish(job)
    async with world.calling(receiver.url):
        [hook] = await world.until(job, "delivered")
    assert hook.attempts == 4
    assert len({(headers["webhook-id"], body) for _, headers, body in receiver.seen}) == 1
    for _, headers, body in receiver.seen:
        Standard(SECRET).verify(body, headers)


async def test_what_is_never_taken_is_given_up_and_says_why(world: World, receiver: Receiver) -> None:
    receiver.says["/hook"] = [503] * 9
    job = ended(f"{receiver.url}/hook")
    await world.finish(job)
    async with world.calling(receiver.url):
        [hook] = await world.until(job, "failed")
    assert (hook.attempts, hook.last_status) == (4, 503)
    assert hook.detail == "answered 503 (given up after 4 attempts)"


async def test_a_redirect_is_not_followed(world: World, receiver: Receiver) -> None:
    receiver.says["/hook"] = [(302, {"Location": f"{receiver.url}/elsewhere"})] * 9
    job = ended(f"{receiver.url}/hook")
    await world.finish(job)
    async with world.calling(receiver.url):
        await world.until(job, "failed")
    assert set(receiver.paths()) == {"/hook"}


async def test_an_address_that_is_gone_is_called_no_more_and_others_are(world: World, receiver: Receiver) -> None:
    receiver.says["/gone"] = [410]
    first, later = ended(f"{receiver.url}/gone"), ended(f"{receiver.url}/gone", f"{receiver.url}/hook")
    await world.finish(first)
    async with world.calling(receiver.url):
        [hook] = await world.until(first, "disabled")
        assert (hook.last_status, hook.detail) == (410, "the address answered 410: it wants no more")
        await world.finish(later)
        await world.until(later, "disabled", "delivered")
    assert receiver.paths() == ["/gone", "/hook"]


async def test_calls_that_wait_for_a_gone_address_end_too(world: World, receiver: Receiver) -> None:
    receiver.says["/hook"] = [500, 410]
    jobs = [ended(f"{receiver.url}/hook") for _ in range(2)]
    await world.finish(jobs[0])
    async with world.calling(receiver.url, delays=(3600.0,)):
        await world.until(jobs[0], "pending", attempts=1)
        await world.finish(jobs[1])
        await world.until(jobs[1], "disabled")
        await world.until(jobs[0], "disabled")


async def test_a_call_does_not_wait_for_a_clock_that_was_set_back(world: World, receiver: Receiver, clock: Any) -> None:
    world.box.clock, job = clock, ended(f"{receiver.url}/hook")
    clock.pass_by(2 * LONGEST_DELAY)
    await world.finish(job)
    clock.pass_by(-2 * LONGEST_DELAY)
    async with world.calling(receiver.url):
        await world.until(job, "delivered")


async def test_one_that_hangs_holds_up_no_other(world: World, receiver: Receiver) -> None:
    receiver.says["/slow"] = ["hang"] * 20
    slow = [ended(f"{receiver.url}/slow") for _ in range(20)]
    quick = ended(f"{receiver.url}/hook")
    for job in (*slow, quick):
        await world.finish(job)
    async with world.calling(receiver.url):
        await world.until(quick, "delivered")
    assert receiver.paths().count("/slow") <= 2


async def test_one_that_hangs_is_tried_again(world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "CALL", 0.5)
    receiver.says["/hook"] = ["hang"]
    job = ended(f"{receiver.url}/hook")
    await world.finish(job)
    async with world.calling(receiver.url, delays=(0.0,) * 100):
        [hook] = await world.until(job, "delivered")
    assert hook.attempts >= 2


async def test_what_was_cut_off_is_called_again_after_the_next_start(world: World, receiver: Receiver) -> None:
    receiver.says["/hook"] = ["hang"]
    job = ended(f"{receiver.url}/hook")
    await world.finish(job)
    async with world.calling(receiver.url):
        await receiver.until_called(1)
    async with world.calling(receiver.url):
        await world.until(job, "delivered")
    assert len({headers["webhook-id"] for _, headers, _ in receiver.seen}) == 1


@pytest.mark.parametrize(
    "place",
    ["https://127.0.0.1", "https://[::1]", "https://localhost", "https://0x7f.1", "https://10.0.0.1", "http://1.1.1.1"],
)
async def test_no_private_address_is_called_and_none_without_tls(world: World, receiver: Receiver, place: str) -> None:
    port = receiver.url.rpartition(":")[2]
    job = ended(f"{place}:{port}/hook")
    await world.finish(job)
    async with world.calling("https://example.org:443"):
        [hook] = await world.until(job, "failed")
    assert "ROWMILL_WEBHOOK_HOSTS" in str(hook.detail)
    assert (hook.attempts, receiver.seen) == (1, [])


async def test_a_trusted_host_is_trusted_on_its_port_alone(world: World, receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]
    job = ended(f"http://localhost:{port}/hook", "https://localhost:1/hook")
    await world.finish(job)
    async with world.calling(f"http://localhost:{port}"):
        await world.until(job, "delivered", "failed")


@pytest.mark.parametrize("place", ["http://127.0.0.1", "https://localhost"])
async def test_of_the_host_of_a_trusted_address_nothing_else_is_called(
    world: World, receiver: Receiver, place: str
) -> None:
    port = receiver.url.rpartition(":")[2]
    job = ended(f"{receiver.url}/hook", f"{place}:{port}/hook?all", f"{place}:{port}/other")
    await world.finish(job)
    async with world.calling(f"{receiver.url}/hook", f"{place}:{port}/"):
        await world.until(job, "delivered", "failed", "failed", attempts=1)
    assert receiver.paths() == ["/hook"]


async def test_the_operators_address_is_called_for_every_job_and_not_told_to_users(
    world: World, receiver: Receiver
) -> None:
    world.box = Box([f"{receiver.url}/all?token=secret"])
    job = ended(f"{receiver.url}/mine")
    await world.finish(job)
    async with world.calling(receiver.url):
        hooks = await world.until(job, "delivered", "delivered")
    assert [hook.url for hook in hooks] == [f"{receiver.url}/mine", f"{receiver.url}/…"]
    assert sorted(receiver.paths()) == ["/all", "/mine"]


async def test_a_deleted_jobs_webhooks_are_called_no_more(world: World, receiver: Receiver) -> None:
    jobs = [ended(f"{receiver.url}/deleted"), ended(f"{receiver.url}/hook")]
    for job in jobs:
        await world.finish(job)
    await world.database.write(lambda tx: box.forget(tx, jobs[0].id))
    async with world.calling(receiver.url):
        await world.until(jobs[1], "delivered")
    assert receiver.paths() == ["/hook"]


async def test_the_same_end_told_twice_is_one_call_and_a_later_end_another(world: World, receiver: Receiver) -> None:
    job = ended(f"{receiver.url}/hook", state=State.FAILED)
    assert await world.finish(job) == await world.finish(job)
    again = end(job.move(State.QUEUED, at=NOW, reason=""), State.SUCCEEDED)
    async with world.calling(receiver.url):
        await world.until(job, "delivered")
        await world.finish(again)
        await world.until(again, "delivered")
    assert [json.loads(body)["type"] for _, _, body in receiver.seen] == [
        "rowmill.job.failed.v1",
        "rowmill.job.succeeded.v1",
    ]
    assert len({headers["webhook-id"] for _, headers, _ in receiver.seen}) == 2


def test_what_an_answer_means() -> None:
    assert judge(Answered(200), 1, DELAYS).state is Fate.DELIVERED
    assert judge(Answered(410), 1, DELAYS).state is Fate.DISABLED
    assert judge(Forbidden("no"), 1, DELAYS).state is Fate.FAILED
    for outcome in (Answered(301), Answered(400), Answered(429), Answered(500), Unreached("gone")):
        assert [judge(outcome, n + 1, DELAYS).wait for n in range(len(DELAYS))] == list(DELAYS)
        assert judge(outcome, len(DELAYS) + 1, DELAYS).state is Fate.FAILED
    assert judge(Answered(429, 60.0), 1, DELAYS).wait == 60.0
    assert judge(Answered(503, 1e9), 1, DELAYS).wait == 86400.0


def test_both_secrets_sign_while_one_takes_the_others_place() -> None:
    headers = webhooks.sign([b"n" * 32, KEY], "msg_1", int(datetime.now(UTC).timestamp()), b"{}")
    for key in (b"n" * 32, KEY):
        assert Standard(webhooks.spell_secret(key)).verify(b"{}", headers) == {}


def test_the_secret_is_given_or_derived_and_a_wrong_one_names_itself(tmp_path: Path) -> None:
    given = Settings(data_dir=tmp_path, webhook_secret=SECRET, _env_file=None)
    assert webhook_keys(given) == [KEY]
    derived = Settings(data_dir=tmp_path, secret="s" * 40, _env_file=None)
    assert webhook_keys(derived) == webhook_keys(derived)
    assert len(webhook_keys(derived)[0]) == 32
    for wrong in ("whsec_", "whsec_c2hvcnQ=", SECRET.removeprefix("whsec_"), "whsec_%%%"):
        with pytest.raises(ValidationError, match="whsec_ and 24 to 64 bytes"):
            Settings(data_dir=tmp_path, webhook_secret=wrong, _env_file=None)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "https://",
        "https://user:word@example.org/",
        "https://example.org/\r\nX: y",
        "https://example.org/ b",
        "https://example.org/#part",
        "https://exämple.org/",
        "https://example.org:99999/",
        "https://example.org\\@evil.example/",
        "https://[::1/",
        "//example.org/",
        "https://example.org/" + "a" * 2000,
    ],
)
def test_an_address_that_can_be_misread_is_none(url: str) -> None:
    assert webhooks.origin_of(url) is None

"""Mails from the transaction that ends a job to a real mail server, which answers well, badly or not at all."""

from __future__ import annotations

import asyncio
import email
import email.policy
import itertools
import logging
import stat
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd import smtp as aiosmtpd
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from consumer.mailers import Deferred, Refused, Sender, Sent, Unclear, open_sender
from consumer.mailers.smtp import Server, Smtp, connect
from consumer.mails import letters, mailbox
from consumer.mails.mailbox import Due, Fate, Mailbox, Verdict
from consumer.mails.mailer import DELAYS, Mailer, judge
from protocol.adapters import BadConfig
from protocol.databases import Database, NoSpace, Transaction, open_database
from protocol.files import Files, open_files
from protocol.job import Artefact, Job, Mail, Notify, Progress, Report, Source, State

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DEADLINE = 10.0
SENDER = "Rowmill <rowmill@mill.example>"
TABLE = b"region,revenue\n.East,1\n..\n.\nWest,\xc3\xa9\n"
SOON = (0.0,) * 5
OK = "250 OK"
ids = itertools.count(1)


def ended(*recipients: str, state: State = State.SUCCEEDED, table: int = 0) -> Job:
    job = Job(
        id=f"{next(ids):032x}",
        kind="sales",
        source=Source(name="sales.csv", size=1, sha256=""),
        notify=Notify(email=recipients),
        created_at=NOW,
        report=Report(headline="All rows milled", final=True),
        progress=Progress(rows_done=2),
    )
    url = f"/v1/jobs/{job.id}/artefacts/summary.csv"
    tables = (Artefact(name="summary.csv", media_type="text/csv", size=table, sha256="", url=url),) if table else ()
    return end(job.model_copy(update={"artefacts": tables}), state)


def end(job: Job, state: State) -> Job:
    return job.move(State.RUNNING, at=NOW, reason="").move(state, at=NOW, reason="", finished_at=NOW)


@dataclass
class Post:
    """A mail server with a mind of its own: what it says next, after which it says OK; what it has taken."""

    port: int = 0
    rcpt: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)  # also: drop, hang
    refused: frozenset[str] = frozenset()
    seen: list[str] = field(default_factory=list)  # who was written to, each time a mail's text arrived
    taken: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    attempts: list[float] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    on_data: Callable[[], Any] | None = None
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_RCPT(
        self, session: aiosmtpd.SMTP, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.attempts.append(time.monotonic())
        answer = self.rcpt.pop(0) if self.rcpt else OK
        if answer == "drop":
            session.transport.abort()
            return OK
        if address in self.refused:
            return "550 5.1.1 no such user"
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, session: aiosmtpd.SMTP, _session: Any, envelope: Envelope) -> str:
        self.seen.append(envelope.rcpt_tos[0])
        self.arrived.set()
        if self.on_data:
            await self.on_data()
        answer = self.data.pop(0) if self.data else OK
        match answer:
            case "drop":
                session.transport.abort()
            case "hang":
                await self.release.wait()
                answer = OK
        if answer == OK:
            self.envelopes.append(envelope)
            self.taken.append(read(bytes(envelope.content or b"")))
        return answer


def read(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


@asynccontextmanager
async def serving(server: Post, **options: Any) -> AsyncIterator[Post]:
    def session() -> aiosmtpd.SMTP:
        return aiosmtpd.SMTP(server, hostname="mx.example", **{"enable_SMTPUTF8": False} | options)

    listening = await asyncio.get_running_loop().create_server(session, "127.0.0.1", server.port)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.release.set()
        listening.close()


@pytest.fixture
async def server() -> AsyncIterator[Post]:
    async with serving(Post()) as running:
        yield running


def smtp(server: Post, *, timeout: float = 5.0, patience: float = 5.0, **options: Any) -> Smtp:
    return Smtp(Server("127.0.0.1", server.port, **options), timeout=timeout, patience=patience)


@dataclass
class World:
    """A real database and file store, and what the jobs have shown of their mails so far."""

    database: Database
    files: Files
    box: Mailbox
    jobs: dict[str, Job] = field(default_factory=dict)
    shown: list[tuple[Mail, ...]] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self, tx: Transaction, job_id: str) -> None:
        states = mailbox.states(tx, self.jobs[job_id])
        tx.on_commit(lambda: self.shown.append(states))
        tx.on_commit(self.moved.set)

    async def finish(self, job: Job) -> tuple[Mail, ...]:
        self.jobs[job.id] = job
        return await self.database.write(lambda tx: self.box.enqueue(tx, job))

    async def states(self, job: Job) -> tuple[Mail, ...]:
        return await self.database.write(lambda tx: mailbox.states(tx, job))

    async def rows(self) -> list[dict[str, Any]]:
        return await self.database.read("SELECT * FROM consumer_mails ORDER BY job, finish, position")

    async def until(self, job: Job, *expected: str) -> tuple[Mail, ...]:
        """Wait until the job's mails are in these states."""
        async with asyncio.timeout(DEADLINE):
            while True:
                self.moved.clear()
                mails = await self.states(job)
                if tuple(mail.state for mail in mails) == expected:
                    return mails
                await self.moved.wait()

    def mailer(self, sender: Sender, **options: Any) -> Mailer:
        given: dict[str, Any] = {"delays": SOON, "grace": 5.0} | options
        return Mailer(self.database, self.files, sender, self.box, changed=self.changed, **given)

    @asynccontextmanager
    async def mailing(self, sender: Sender, **options: Any) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.mailer(sender, **options).run())
        try:
            yield task
            assert not task.done() or task.cancelled(), "the mailer must outlive everything that happened to it"
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_database(f"sqlite:///{tmp_path}/mail.db") as database, open_files(f"file://{tmp_path}/f") as files:
        await database.migrate("mail", mailbox.MIGRATIONS)
        yield World(database, files, Mailbox(SENDER))


def history(world: World) -> list[str]:
    return [mails[0].state for mails in world.shown]


# --- what a job's end puts into the mailbox ---------------------------------------------------------------------


async def test_each_distinct_recipient_gets_one_mail_in_the_order_given(world: World) -> None:
    mails = await world.finish(ended("b@x.org", "a@x.org", " B@X.org", "a@x.org"))
    assert [(mail.to, mail.state) for mail in mails] == [("b@x.org", "pending"), ("a@x.org", "pending")]


async def test_a_job_without_recipients_has_no_mail(world: World) -> None:
    assert await world.finish(ended()) == ()
    assert await world.rows() == []


async def test_nobody_is_written_to_about_a_cancelled_job(world: World) -> None:
    assert await world.finish(ended("a@x.org", state=State.CANCELLED)) == ()
    assert await world.rows() == []


async def test_the_same_end_told_twice_is_one_mail(world: World) -> None:
    job = ended("a@x.org")
    first = await world.finish(job)
    assert await world.finish(job) == first
    assert await world.finish(job.revise(mail=first)) == first
    assert len(await world.rows()) == 1


async def test_a_job_that_is_retried_and_ends_again_is_told_again(world: World, server: Post) -> None:
    job = ended("a@x.org", state=State.FAILED)
    async with world.mailing(smtp(server)):
        await world.finish(job)
        await world.until(job, "sent")
        again = end(job.move(State.QUEUED, at=NOW, reason=""), State.SUCCEEDED)
        assert [mail.state for mail in await world.finish(again)] == ["pending"]
        await world.until(again, "sent")
    assert [mail["Subject"] for mail in server.taken] == ["Failed: sales.csv", "Succeeded: sales.csv"]
    assert server.taken[0]["Message-ID"] != server.taken[1]["Message-ID"]


async def test_a_waiting_mail_about_an_earlier_end_is_old_news(world: World, server: Post) -> None:
    job = ended("a@x.org", state=State.FAILED)
    await world.finish(job)
    again = end(job.move(State.QUEUED, at=NOW, reason=""), State.SUCCEEDED)
    await world.finish(again)
    async with world.mailing(smtp(server)):
        await world.until(again, "sent")
    assert [mail["Subject"] for mail in server.taken] == ["Succeeded: sales.csv"]


async def test_a_mail_in_hand_is_not_given_out_again(world: World) -> None:
    await world.finish(ended("a@x.org", "b@x.org"))
    first = await world.box.due(world.database, set(), 4, 1.0)
    second = await world.box.due(world.database, {first}, 4, 1.0)
    assert (first.recipient, second.recipient) == ("a@x.org", "b@x.org")


async def test_an_attempt_that_is_out_of_date_cannot_begin(world: World) -> None:
    await world.finish(ended("a@x.org"))
    stale = await world.box.due(world.database, set(), 4, 1.0)
    assert await world.database.write(lambda tx: world.box.begin(tx, stale))
    later = Verdict(Fate.PENDING, "450 later")
    assert await world.database.write(lambda tx: world.box.settle(tx, stale, later))
    assert not await world.database.write(lambda tx: world.box.begin(tx, stale))


async def test_an_end_that_is_rolled_back_sends_nothing(world: World, server: Post) -> None:
    lost, kept = ended("a@x.org"), ended("b@x.org")

    def unit(tx: Transaction) -> None:
        world.box.enqueue(tx, lost)
        raise LookupError

    async with world.mailing(smtp(server)):
        with pytest.raises(LookupError):
            await world.database.write(unit)
        await world.finish(kept)
        await world.until(kept, "sent")
    assert server.seen == ["b@x.org"]


async def test_the_mail_of_a_deleted_job_is_not_sent(world: World, server: Post) -> None:
    deleted, kept = ended("a@x.org"), ended("b@x.org")
    await world.finish(deleted)
    await world.finish(kept)
    await world.database.write(lambda tx: mailbox.forget(tx, deleted.id))
    async with world.mailing(smtp(server)):
        await world.until(kept, "sent")
    assert server.seen == ["b@x.org"]


@pytest.mark.parametrize("sender", ["", "rowmill", "a@x, b@y", "a@x\nBcc: b@y", "Ann <a@x>, Bob <b@y>"])
def test_a_sender_that_is_no_address_is_named_as_the_wrong_setting(sender: str) -> None:
    with pytest.raises(BadConfig, match="ROWMILL_MAIL_FROM"):
        Mailbox(sender)


# --- a server that takes mail -----------------------------------------------------------------------------------


async def test_a_mail_reaches_the_server_whole_and_the_job_shows_each_step(world: World, server: Post) -> None:
    job = ended("ann@x.org", table=len(TABLE))
    await world.files.put(job.artefact_key("summary.csv"), TABLE)
    async with world.mailing(smtp(server)):
        await world.finish(job)
        [mail] = await world.until(job, "sent")
    assert history(world) == ["sending", "sent"]
    assert mail.detail == OK
    [message] = server.taken
    assert server.envelopes[0].mail_from == "rowmill@mill.example"
    assert server.envelopes[0].rcpt_tos == ["ann@x.org"]
    assert message["Message-ID"] == letters.identify(job, "ann@x.org", SENDER)
    [table] = message.iter_attachments()
    assert table.get_payload(decode=True) == TABLE


async def test_sending_is_on_disk_before_the_server_sees_the_mail(world: World, server: Post) -> None:
    states: list[str] = []

    async def look() -> None:
        states.extend(row["state"] for row in await world.rows())

    server.on_data = look
    job = ended("a@x.org")
    async with world.mailing(smtp(server)):
        await world.finish(job)
        await world.until(job, "sent")
    assert states == ["sending"]


async def test_mail_that_was_waiting_before_the_mailer_started_is_sent(world: World, server: Post) -> None:
    jobs = [ended("a@x.org", "b@x.org") for _ in range(5)]
    for job in jobs:
        await world.finish(job)
    async with world.mailing(smtp(server)):
        for job in jobs:
            await world.until(job, "sent", "sent")
    assert sorted(server.seen) == ["a@x.org"] * 5 + ["b@x.org"] * 5


async def test_a_table_that_is_gone_is_named_instead_of_enclosed(world: World, server: Post) -> None:
    job = ended("a@x.org", table=99)
    async with world.mailing(smtp(server)):
        await world.finish(job)
        await world.until(job, "sent")
    assert list(server.taken[0].iter_attachments()) == []
    text = server.taken[0].get_body(("plain",))
    assert text is not None
    assert "summary.csv (99 bytes)" in text.get_content()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_the_name_and_password_of_the_url_are_shown_to_the_server(world: World) -> None:
    given: list[LoginPassword] = []

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: Any, data: LoginPassword) -> AuthResult:
        given.append(data)
        return AuthResult(success=data.password == b"p@ss/word", handled=False)

    options = {"authenticator": check, "auth_require_tls": False, "auth_required": True}
    async with serving(Post(), **options) as server:
        job = ended("a@x.org")
        async with world.mailing(connect(f"smtp://ann:p%40ss%2Fword@127.0.0.1:{server.port}")):
            await world.finish(job)
            await world.until(job, "sent")
        assert given[0].login == b"ann"
        wrong = await connect(f"smtp://ann:secret@127.0.0.1:{server.port}").send(message_to("a@x.org"))
    assert isinstance(wrong, Deferred)
    assert "535" in wrong.reason
    assert "secret" not in wrong.reason


def message_to(to: str) -> EmailMessage:
    return letters.compose(ended(to), to=to, mail_from=SENDER, public_url="")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key, crt = tmp_path / "key.pem", tmp_path / "crt.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", crt],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, crt


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_mail_travels_in_tls_to_a_server_whose_certificate_is_trusted_and_to_no_other(
    scheme: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ssl  # noqa: PLC0415 - beside its one use

    key, crt = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(crt, key)
    server = Post()
    wrapped = {"ssl": context} if scheme == "smtps" else {}
    options = {} if wrapped else {"tls_context": context, "require_starttls": True}
    listening = await asyncio.get_running_loop().create_server(
        lambda: aiosmtpd.SMTP(server, hostname="mx.example", **options), "localhost", 0, **wrapped
    )
    port = listening.sockets[0].getsockname()[1]
    sender = connect(f"{scheme}://localhost:{port}" + ("" if wrapped else "?starttls=always"))
    try:
        assert isinstance(await sender.send(message_to("a@x.org")), Deferred)
        assert server.seen == []
        monkeypatch.setenv("SSL_CERT_FILE", str(crt))
        assert isinstance(await sender.send(message_to("a@x.org")), Sent)
        assert server.seen == ["a@x.org"]
    finally:
        listening.close()


async def test_starttls_always_sends_nothing_in_the_clear(server: Post) -> None:
    outcome = await connect(f"smtp://127.0.0.1:{server.port}?starttls=always").send(message_to("a@x.org"))
    assert isinstance(outcome, Deferred)
    assert server.attempts == []


async def test_an_address_beyond_ascii_goes_only_to_a_server_that_speaks_utf8(server: Post) -> None:
    refused = await smtp(server).send(message_to("é@x.org"))
    assert isinstance(refused, Refused)
    async with serving(Post(), enable_SMTPUTF8=True) as modern:
        assert isinstance(await smtp(modern).send(message_to("é@x.org")), Sent)
    assert modern.seen == ["é@x.org"]
    assert "\r\nTo: é@x.org\r\n".encode() in bytes(modern.envelopes[0].content or b"")


# --- a server that says no --------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["rcpt", "data"])
async def test_a_clear_not_now_is_tried_again_until_it_is_taken(world: World, server: Post, where: str) -> None:
    getattr(server, where).extend(["450 4.2.0 greylisted", "451 4.3.0 try later"])
    job = ended("a@x.org")
    async with world.mailing(smtp(server)):
        await world.finish(job)
        await world.until(job, "sent")
    assert len(server.taken) == 1
    assert history(world) == ["sending", "pending", "sending", "pending", "sending", "sent"]
    assert world.shown[1][0].detail == "450 4.2.0 greylisted"
    assert [row["attempts"] for row in await world.rows()] == [3]


async def test_a_second_attempt_waits_for_its_time(world: World, server: Post) -> None:
    server.rcpt = ["450 later"]
    job = ended("a@x.org")
    async with world.mailing(smtp(server), delays=(0.3,)):
        await world.finish(job)
        await world.until(job, "sent")
    assert server.attempts[1] - server.attempts[0] >= 0.3


async def test_a_mail_does_not_wait_for_a_clock_that_was_set_back(world: World, server: Post, clock: Any) -> None:
    world.box.clock, job = clock, ended("a@x.org")
    clock.pass_by(3 * 3600)
    await world.finish(job)
    clock.pass_by(-3 * 3600)
    async with world.mailing(smtp(server), delays=(600.0, 7200.0)):
        await world.until(job, "sent")


async def test_after_the_last_delay_a_mail_has_failed(world: World, server: Post) -> None:
    server.rcpt = ["450 later"] * 9
    job = ended("a@x.org")
    async with world.mailing(smtp(server)):
        await world.finish(job)
        [mail] = await world.until(job, "failed")
    assert mail.detail == "450 later (given up after 6 attempts)"
    assert len(server.attempts) == 6


async def test_a_refused_recipient_has_failed_with_the_reason_and_the_others_get_theirs(
    world: World, server: Post
) -> None:
    server.refused = frozenset({"nobody@x.org"})
    job = ended("nobody@x.org", "a@x.org")
    async with world.mailing(smtp(server)):
        await world.finish(job)
        mails = await world.until(job, "failed", "sent")
    assert mails[0].detail == "550 5.1.1 no such user"
    assert server.seen == ["a@x.org"]


async def test_a_refused_text_has_failed_and_is_not_sent_again(world: World, server: Post) -> None:
    server.data = ["554 5.7.1 looks like spam"]
    refused, after = ended("a@x.org"), ended("b@x.org")
    async with world.mailing(smtp(server)):
        await world.finish(refused)
        [mail] = await world.until(refused, "failed")
        await world.finish(after)
        await world.until(after, "sent")
    assert mail.detail == "554 5.7.1 looks like spam"
    assert server.seen == ["a@x.org", "b@x.org"]


async def test_an_address_that_is_none_fails_alone(world: World, server: Post) -> None:
    job = ended("a@x, b@y", "a@x.org")
    async with world.mailing(smtp(server)):
        await world.finish(job)
        mails = await world.until(job, "failed", "sent")
    assert "not exactly one mail address" in str(mails[0].detail)
    assert server.seen == ["a@x.org"]


# --- a server that says nothing clear ---------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["drop", "hang"])
async def test_no_clear_answer_after_the_text_is_unknown_and_never_sent_again(
    world: World, server: Post, answer: str
) -> None:
    server.data = [answer]
    unclear, after = ended("a@x.org"), ended("b@x.org")
    async with world.mailing(smtp(server, patience=0.3)):
        await world.finish(unclear)
        [mail] = await world.until(unclear, "unknown")
        await world.finish(after)
        await world.until(after, "sent")
    async with world.mailing(smtp(server)):  # nor by the next process
        await world.finish(third := ended("c@x.org"))
        await world.until(third, "sent")
    assert "no clear answer" in str(mail.detail)
    assert server.seen == ["a@x.org", "b@x.org", "c@x.org"]


async def test_a_connection_lost_before_the_text_is_tried_again(world: World, server: Post) -> None:
    server.rcpt = ["drop"]
    job = ended("a@x.org")
    async with world.mailing(smtp(server)):
        await world.finish(job)
        await world.until(job, "sent")
    assert server.seen == ["a@x.org"]
    assert history(world) == ["sending", "pending", "sending", "sent"]


async def test_a_server_that_is_down_gets_the_mail_once_it_is_up(world: World, unused_tcp_port: int) -> None:
    server = Post(port=unused_tcp_port)
    job = ended("a@x.org")
    async with world.mailing(smtp(server), delays=(0.05,) * 100):
        await world.finish(job)
        async with asyncio.timeout(DEADLINE):
            while "pending" not in history(world):
                world.moved.clear()
                await world.moved.wait()
        async with serving(server):
            await world.until(job, "sent")
    assert server.seen == ["a@x.org"]
    assert "no connection to the mail server" in str(next(m[0] for m in world.shown if m[0].detail).detail)


async def test_a_host_without_a_name_server_entry_is_tried_again() -> None:
    outcome = await connect("smtp://no-such-host.invalid:25").send(message_to("a@x.org"))
    assert isinstance(outcome, Deferred)


async def test_a_server_that_never_greets_does_not_hold_a_mail_for_ever() -> None:
    gone = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with asyncio.timeout(DEADLINE):
        outcome = await Smtp(Server("127.0.0.1", port), timeout=0.2).send(message_to("a@x.org"))
    gone.set()
    listening.close()
    assert isinstance(outcome, Deferred)


async def test_four_hanging_mails_do_not_hold_back_what_is_due_after_them(world: World, server: Post) -> None:
    server.data = ["hang"] * 3
    stuck, after = ended("a@x.org", "b@x.org", "c@x.org"), ended("d@x.org")
    async with world.mailing(smtp(server), grace=0.0):
        await world.finish(stuck)
        await world.until(stuck, "sending", "sending", "sending")
        await world.finish(after)
        await world.until(after, "sent")


# --- a process that ends in between -----------------------------------------------------------------------------


async def cut_off(world: World, job: Job) -> None:
    """What a process leaves that is killed while it hands a mail over."""
    await world.finish(job)
    [row] = await world.database.read(mailbox.PENDING, limit=9)
    assert await world.database.write(lambda tx: world.box.begin(tx, Due(**row)))


async def test_a_mail_cut_off_while_a_server_took_it_is_unknown_and_not_sent_again(world: World, server: Post) -> None:
    job, after = ended("a@x.org"), ended("b@x.org")
    await cut_off(world, job)
    async with world.mailing(smtp(server)):
        [mail] = await world.until(job, "unknown")
        await world.finish(after)
        await world.until(after, "sent")
    assert "while the mail was being handed over" in str(mail.detail)
    assert history(world)[0] == "unknown"
    assert server.seen == ["b@x.org"]


async def test_a_mail_cut_off_while_its_file_was_written_is_written_again_under_the_same_name(
    world: World, tmp_path: Path
) -> None:
    job = ended("a@x.org")
    folder = open_sender(f"file://{tmp_path}/outbox")
    await folder.send(letters.compose(job, to="a@x.org", mail_from=SENDER, public_url=""))
    [before] = (tmp_path / "outbox").iterdir()
    assert stat.S_IMODE(before.parent.stat().st_mode) == stat.S_IRWXU
    content = before.read_bytes()
    await cut_off(world, job)
    async with world.mailing(folder):
        await world.until(job, "sent")
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == [before.name]
    assert before.read_bytes() == content


async def test_a_mailer_told_to_stop_lets_a_mail_under_way_end_clearly(world: World, server: Post) -> None:
    server.data = ["hang"]
    job = ended("a@x.org")
    async with world.mailing(smtp(server)) as task:
        await world.finish(job)
        async with asyncio.timeout(DEADLINE):
            await server.arrived.wait()
        task.cancel()
        server.release.set()
        async with asyncio.timeout(DEADLINE):
            await asyncio.wait({task})
    assert [mail.state for mail in await world.states(job)] == ["sent"]


async def test_a_mailer_told_to_stop_waits_no_longer_than_its_grace(world: World, server: Post) -> None:
    server.data = ["hang"]
    job = ended("a@x.org")
    async with world.mailing(smtp(server, patience=60.0), grace=0.1) as task:
        await world.finish(job)
        async with asyncio.timeout(DEADLINE):
            await server.arrived.wait()
            task.cancel()
            await asyncio.wait({task})
    assert [mail.state for mail in await world.states(job)] == ["sending"]


async def test_a_sender_that_breaks_neither_sends_twice_nor_stops_the_mailer(world: World, server: Post) -> None:
    class Breaking(Smtp):
        async def send(self, message: EmailMessage) -> Any:
            outcome = await super().send(message)
            if message["To"] == "a@x.org":
                raise ZeroDivisionError
            return outcome

    broken, after = ended("a@x.org"), ended("b@x.org")
    async with world.mailing(Breaking(Server("127.0.0.1", server.port))):
        await world.finish(broken)
        await world.until(broken, "unknown")
        await world.finish(after)
        await world.until(after, "sent")
    assert server.seen == ["a@x.org", "b@x.org"]


async def test_a_full_disk_stops_no_mailer_and_makes_no_mail_unknown(
    world: World, server: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """The database whose disk is full every other time; reads go through."""

        database, asked = world.database, 0
        read = staticmethod(world.database.read)

        async def write(self, unit: Any) -> Any:
            self.asked += 1
            if self.asked % 2:
                raise NoSpace("database or disk is full")
            return await self.database.write(unit)

    monkeypatch.setattr("protocol.databases.PAUSE", 0.01)
    job, full = ended("a@x.org"), replace(world, database=Full())
    async with full.mailing(smtp(server)):
        await world.finish(job)
        await world.until(job, "sent")
    assert server.seen == ["a@x.org"]
    assert history(world) == ["sending", "sent"]


async def test_a_mail_that_cannot_be_written_is_given_up_in_the_end_and_the_others_are_sent(
    world: World, server: Post
) -> None:
    broken, fine = ended("a@x.org"), ended("b@x.org")
    await world.finish(broken)
    await world.database.write(lambda tx: tx.execute("UPDATE consumer_mails SET snapshot = '{'"))
    await world.finish(fine)
    async with world.mailing(smtp(server)):
        await world.until(fine, "sent")
        [mail] = await world.until(broken, "failed")
    assert mail.detail == "the mail could not be written: ValidationError (given up after 6 attempts)"
    assert server.seen == ["b@x.org"]


# --- files instead of a server ----------------------------------------------------------------------------------


async def test_without_a_server_each_mail_is_a_file_and_the_log_says_where(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = ended("a@x.org", "b@x.org", table=len(TABLE))
    await world.files.put(job.artefact_key("summary.csv"), TABLE)
    caplog.set_level(logging.INFO)
    async with world.mailing(open_sender(f"file://{tmp_path}/out%20box")):
        await world.finish(job)
        mails = await world.until(job, "sent", "sent")
    files = sorted((tmp_path / "out box").iterdir())
    assert [path.suffix for path in files] == [".eml", ".eml"]
    assert all(job.id in path.name for path in files)
    assert sorted(read(path.read_bytes())["To"] for path in files) == ["a@x.org", "b@x.org"]
    assert sorted(str(mail.detail) for mail in mails) == [f"written to {path.name}" for path in files]
    for path in files:
        assert [part.get_payload(decode=True) for part in read(path.read_bytes()).iter_attachments()] == [TABLE]
        assert caplog.text.count(f"mail written to {path}") == 1


async def test_a_folder_that_cannot_be_written_is_tried_again_later(world: World, tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("in the way")
    job = ended("a@x.org")
    async with world.mailing(open_sender(f"file://{tmp_path}/outbox"), delays=(0.05,) * 100):
        await world.finish(job)
        async with asyncio.timeout(DEADLINE):
            while "pending" not in history(world):
                world.moved.clear()
                await world.moved.wait()
        (tmp_path / "outbox").unlink()
        await world.until(job, "sent")


# --- what is decided without anybody ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "attempts", "verdict"),
    [
        (Sent("250 OK"), 1, Verdict(Fate.SENT, "250 OK")),
        (Refused("550 no"), 1, Verdict(Fate.FAILED, "550 no")),
        (Unclear("lost"), 1, Verdict(Fate.UNKNOWN, "lost")),
        (Deferred("450 later"), 1, Verdict(Fate.PENDING, "450 later", 30.0)),
        (Deferred("450 later"), 2, Verdict(Fate.PENDING, "450 later", 120.0)),
        (Deferred("450 later"), 5, Verdict(Fate.PENDING, "450 later", 7200.0)),
        (Deferred("450 later"), 6, Verdict(Fate.FAILED, "450 later (given up after 6 attempts)")),
    ],
)
def test_only_a_clear_not_now_is_tried_again_and_at_most_six_times(
    outcome: Any, attempts: int, verdict: Verdict
) -> None:
    assert judge(outcome, attempts, DELAYS) == verdict


@pytest.mark.parametrize(
    "url",
    [
        "smtp://", "smtp://u:hunter2@", "smtp://u:hunter2@h:99999", "smtp://u:hunter2@h?starttls=maybe",
        "pigeon://u:hunter2@h",
    ],
)  # fmt: skip
def test_a_wrong_mail_url_is_a_bad_setting_that_shows_no_password(url: str) -> None:
    with pytest.raises(BadConfig) as caught:
        open_sender(url)
    assert "hunter2" not in str(caught.value)


def test_a_server_s_password_is_never_printed() -> None:
    assert "hunter2" not in repr(Server("h", 25, "u", "hunter2"))

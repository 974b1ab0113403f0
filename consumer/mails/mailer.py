"""The mailer: sends the mails that jobs' ends have put into the mailbox, each at most once without being asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from functools import partial
from typing import assert_never

from consumer import mailers
from consumer.mailers import Deferred, Outcome, Refused, Sender, Sent, Unclear
from consumer.mails import letters, mailbox
from consumer.mails.mailbox import Due, Fate, Mailbox, Verdict
from consumer.running import outlast
from protocol import log as lines
from protocol.config import Settings
from protocol.databases import Database, Transaction, insist
from protocol.files import FileMissing, Files
from protocol.findings import Finding
from protocol.job import Artefact, Job
from protocol.signing import LIFE_OF_LINKS, LINK, Signer

log = logging.getLogger(__name__)

DELAYS = (30.0, 120.0, 600.0, 1800.0, 7200.0)  # seconds before the second to the sixth attempt
LANES = 4  # mails under way at a time


def judge(outcome: Outcome, attempts: int, delays: Sequence[float]) -> Verdict:
    """What an outcome means after so many attempts."""
    match outcome:
        case Sent(detail):
            return Verdict(Fate.SENT, detail)
        case Refused(reason):
            return Verdict(Fate.FAILED, reason)
        case Unclear(reason):
            return Verdict(Fate.UNKNOWN, reason)
        case Deferred(reason) if attempts <= len(delays):
            return Verdict(Fate.PENDING, reason, delays[attempts - 1])
        case Deferred(reason):
            return Verdict(Fate.FAILED, f"{reason} (given up after {attempts} attempts)")
        case _:
            assert_never(outcome)


def check(settings: Settings) -> None:
    """BadConfig where these settings let no mail be written or sent; nobody is asked."""
    Mailbox(settings.mail_from)
    mailers.open_sender(settings.mail_url)


async def examine(settings: Settings) -> Sequence[Finding]:
    """Whether mail can be written and handed over. None is sent."""
    check(settings)
    return await mailers.examine(settings.mail_url)


class Mailer:
    """`changed` is called inside the unit that changes a mail, so that its job shows it from the same moment."""

    def __init__(
        self,
        database: Database,
        files: Files,
        sender: Sender,
        box: Mailbox,
        *,
        changed: Callable[[Transaction, str], None],
        public_url: str = "",
        signer: Signer | None = None,
        delays: Sequence[float] = DELAYS,
        grace: float = 5.0,
    ) -> None:
        self._database, self._files, self._sender, self._box = database, files, sender, box
        self._changed, self._public_url, self._delays, self._grace = changed, public_url, delays, grace
        self._signer = signer
        self._lanes, self._taken = asyncio.Semaphore(LANES), set[Due]()

    async def run(self) -> None:
        """Send for ever. When cancelled, mails that are being handed over get *grace* seconds to end clearly."""
        await insist(self._database.write, self._take_up)
        async with asyncio.TaskGroup() as group:
            while True:
                await self._lanes.acquire()
                mail = await self._box.due(self._database, self._taken, LANES, max(self._delays))
                self._taken.add(mail)
                with lines.about(job=mail.job):
                    group.create_task(self._deliver(mail)).add_done_callback(partial(self._release, mail))

    def _take_up(self, tx: Transaction) -> None:
        for job in self._box.take_up(tx, repeat=self._sender.repeatable):
            self._changed(tx, job)

    def _release(self, mail: Due, _task: asyncio.Task[None]) -> None:
        self._taken.discard(mail)
        self._lanes.release()
        self._box.news.set()  # it may be due again

    async def _deliver(self, mail: Due) -> None:
        try:
            message = await self._write(mail)
        except letters.BadAddress as exc:
            await self._settle(mail, Refused(str(exc)))
        except Exception as exc:
            log.exception("mail not written", extra=_about(mail))
            await self._settle(mail, Deferred(f"the mail could not be written: {type(exc).__name__}"))
        else:
            if message is not None and await self._begin(mail):
                await outlast(self._hand_over(mail, message), self._grace)

    async def _write(self, mail: Due) -> EmailMessage | None:
        """The message; None when its job has been deleted meanwhile."""
        snapshot = await mailbox.snapshot(self._database, mail)
        if snapshot is None:
            return None
        job = await asyncio.to_thread(Job.model_validate_json, snapshot)
        chart = letters.choose_chart(job)
        tables = [(one, await self._content(job, one)) for one in letters.choose_tables(job)]
        compose = partial(
            letters.compose,
            to=mail.recipient,
            mail_from=self._box.mail_from,
            public_url=self._public_url,
            token=self._token(job),
            chart_png=await self._content(job, chart) if chart else None,
            attachments=[(one.name, one.media_type, content) for one, content in tables if content is not None],
        )
        return await asyncio.to_thread(compose, job)  # a mebibyte in base64 would hold the loop

    def _token(self, job: Job) -> str:
        """What lets a mail's reader see the job; for as long after its end, whenever the mail is written."""
        until = int((job.finished_at or job.created_at).timestamp()) + LIFE_OF_LINKS
        return self._signer.token(LINK, job.id, until) if self._signer else ""

    async def _content(self, job: Job, artefact: Artefact) -> bytes | None:
        """None if it is gone: the mail is worth sending without it."""
        try:
            return b"".join([piece async for piece in self._files.get(job.artefact_key(artefact.name))])
        except FileMissing:
            return None

    async def _begin(self, mail: Due) -> bool:
        def unit(tx: Transaction) -> bool:
            begun = self._box.begin(tx, mail)
            if begun:
                self._changed(tx, mail.job)
            return begun

        return await insist(self._database.write, unit)

    async def _hand_over(self, mail: Due, message: EmailMessage) -> None:
        try:
            outcome = await self._sender.send(message)
        except Exception as exc:
            log.exception("mail sender failed", extra=_about(mail))
            outcome = Unclear(f"the sender failed: {type(exc).__name__}")
        await self._settle(mail, outcome)

    async def _settle(self, mail: Due, outcome: Outcome) -> None:
        verdict = judge(outcome, mail.attempts + 1, self._delays)
        await insist(self._database.write, partial(self._record, mail, verdict))
        level = logging.INFO if verdict.state is Fate.SENT else logging.WARNING
        log.log(level, "mail %s: %s", verdict.state, verdict.detail, extra=_about(mail))

    def _record(self, mail: Due, verdict: Verdict, tx: Transaction) -> None:
        if self._box.settle(tx, mail, verdict):
            self._changed(tx, mail.job)


def _about(mail: Due) -> dict[str, str | int]:
    return {"job": mail.job, "mail": mail.message_id, "attempt": mail.attempts + 1}

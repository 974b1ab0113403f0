"""Makes a job of a table that another service sent or named: stores it, looks at it, judges it, all or nothing."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from consumer.metrics import Metrics
from consumer.submissions.requests import Refusal, Request, refuse
from consumer.submissions.store import SubmissionStore
from consumer.submitted import Asked
from protocol import submission, tracing
from protocol.config import SPACE_FLOOR
from protocol.databases import NoSpace
from protocol.files import Files
from protocol.intake import BadTable, Inspector, Layout, ReadOptions
from protocol.intake.layout import MEDIA_TYPES, Format
from protocol.intake.unpacking import Unpacker, plain_name
from protocol.job import Fault, Job, LogEntry, Notify, Priority, Progress, Source, State, upload_key
from protocol.kinds import KindInfo
from protocol.recipients import MOST_EMAILS
from protocol.standins import check_source
from protocol.submission import Submission

log = logging.getLogger(__name__)
BLOCK = 2**18
TABBED = "text/tab-separated-values"


@dataclass(frozen=True)
class Rules:
    """What is allowed here."""

    sources: tuple[str, ...]
    max_upload: int  # bytes
    max_attempts: int
    emails: int = MOST_EMAILS
    disk_floor: int = SPACE_FLOOR  # bytes
    hosts: tuple[str, ...] = ()  # that webhooks may reach without TLS


@dataclass(frozen=True)
class Looked:
    """A table that was looked at while it streamed by; no verdict where parameters stand in for one."""

    size: int
    sha256: str
    verdict: Layout | BadTable | None
    compression: str | None = None
    received: int | None = None


NO_TABLE = Looked(0, hashlib.sha256().hexdigest(), None)


class Acceptance:
    def __init__(self, store: SubmissionStore, files: Files, rules: Rules, metrics: Metrics) -> None:
        self._store, self._files, self._rules, self._metrics = store, files, rules, metrics
        self._kinds: dict[str, KindInfo] = {}

    def offer(self, kinds: Iterable[KindInfo]) -> None:
        """Which kinds may be asked for."""
        self._kinds = {kind.name: kind for kind in kinds}

    async def sweep(self) -> None:
        """Remove the tables that a dead process was storing: their messages come again, perhaps under another id."""
        for job_id in await self._store.begun():
            try:
                await self._discard(job_id)
            except Exception:
                log.exception("table not removed; the next start tries", extra={"job": job_id, "action": "sweep"})

    async def accept(
        self, asked: Asked, request: Request, blocks: AsyncIterator[bytes] | None, *, take: bool = False
    ) -> Job | None:
        """Store the table, if there is one, and the job, or raise Refusal and keep nothing. It was begun before.

        Who would *take* the job at once gets it, unless what is more urgent may wait.
        """
        rules = self._rules
        try:
            wanted = submission.judge(request.fields, request.name, self._kinds, rules.emails, rules.hosts)
            await self._check_space()
            inspector = Inspector(_options(wanted), name=wanted.name)
            looked = await self._store_table(asked.job, blocks, inspector) if blocks else NO_TABLE
            _check(wanted, looked.verdict)
        except BaseException:
            await self._discard(asked.job)
            raise
        job = self._job(asked, wanted, looked)
        taken = await self._store.accept(job, asked, take=take and job.priority is not Priority.LOW)
        self._metrics.submissions.labels("accepted").inc()
        log.info("accepted", extra={"job": job.id, "kind": job.kind, "bytes": job.source.size, "action": "accept"})
        return taken

    async def _check_space(self) -> None:
        if await self.short_of_space():
            raise NoSpace("too little space is left for another table")

    async def short_of_space(self) -> bool:
        free = await self._files.free_space()
        return free is not None and free < self._rules.disk_floor

    async def _discard(self, job_id: str) -> None:
        await self._files.remove(upload_key(job_id))
        await self._store.end(job_id)

    async def _store_table(self, job_id: str, blocks: AsyncIterator[bytes], inspector: Inspector) -> Looked:
        passing = _Passing(inspector, self._rules.max_upload)
        try:
            await self._files.put(upload_key(job_id), passing.look(blocks))
        except Exception as exc:  # noqa: BLE001 - every store has errors of its own
            failure = passing.failure or exc  # the file store may wrap it beyond recognition
            raise _refuse_table(failure, failure.faults) if isinstance(failure, BadTable) else failure from None
        return passing.result()

    def _job(self, asked: Asked, wanted: Submission, looked: Looked) -> Job:
        now = datetime.now(UTC)
        return Job(
            id=asked.job,
            kind=wanted.kind.name if wanted.kind else "",
            params=dict(wanted.params),
            reading=wanted.reading,
            source=_source(wanted.name, looked),
            priority=wanted.priority,
            progress=Progress(bytes_total=looked.size),
            notify=Notify(email=wanted.emails, webhook=wanted.webhooks),
            max_attempts=self._rules.max_attempts,
            submitted_by=f"amqp:{asked.message.sender}" if asked.message.sender else None,  # no name of an API key
            created_at=now,
            traceparent=tracing.read(asked.message.headers.get("traceparent")),
            log=(LogEntry(version=0, at=now, state=State.QUEUED, attempt=0, reason="submitted by message"),),
        )


class _Passing:
    """A table on its way into the store: counted, hashed and looked at."""

    def __init__(self, inspector: Inspector, most: int) -> None:
        self._inspector, self._most = inspector, most
        self._size, self._digest, self._unpacker = 0, hashlib.sha256(), Unpacker()
        self._bad: BadTable | None = None
        self.failure: Exception | None = None

    async def look(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in self._unpacker.unpack(self._arrive(blocks)):
                self._take(piece)
                yield piece
        except Exception as exc:
            self.failure = exc
            raise

    async def _arrive(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for block in blocks:
            self._digest.update(block)
            yield block

    def _take(self, block: bytes) -> None:
        self._size += len(block)
        if self._size > self._most:
            raise Refusal("too_large", f"A table may have {self._most:,} bytes here.")
        if self._bad is None:
            try:
                self._inspector.feed(block)
            except BadTable as bad:
                self._bad = bad

    def result(self) -> Looked:
        try:
            verdict: Layout | BadTable = self._bad or self._inspector.finish()
        except BadTable as bad:
            verdict = bad
        packed = self._unpacker.compression
        come = self._unpacker.received if packed else None
        return Looked(self._size, self._digest.hexdigest(), verdict, packed, come)


async def in_blocks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), BLOCK):
        yield data[start : start + BLOCK]
        await asyncio.sleep(0)


def _source(name: str, looked: Looked) -> Source:
    form = looked.verdict.format if isinstance(looked.verdict, Layout) else Format.CSV
    tabbed = plain_name(name).lower().endswith((".tsv", ".tab"))
    return Source(
        name=name,
        size=looked.size,
        sha256=looked.sha256,
        media_type=TABBED if tabbed and form is Format.CSV else MEDIA_TYPES[form],
        compression=looked.compression,
        received=looked.received,
    )


def _options(wanted: Submission) -> ReadOptions:
    try:
        return ReadOptions.of(wanted.params, wanted.kind, wanted.reading)
    except ValueError:
        return ReadOptions.of({}, wanted.kind, wanted.reading)  # what is wrong with them is told with everything else


def _check(wanted: Submission, verdict: Layout | BadTable | None) -> None:
    """One refusal with everything: the fields, then the header, then the rows."""
    layout = verdict.layout if isinstance(verdict, BadTable) else verdict
    columns = wanted.missing(layout)
    rest = verdict.faults if isinstance(verdict, BadTable) else ()
    source = check_source(wanted.kind, wanted.params, sent=verdict is not None, field="source")
    if faults := (*wanted.faults, *source, *columns, *rest):
        raise _refuse_table(verdict, faults) if isinstance(verdict, BadTable) else refuse(faults)


def _refuse_table(bad: BadTable, faults: tuple[Fault, ...]) -> Refusal:
    return refuse(faults, {413: "too_large", 415: "not_a_table"}.get(bad.status, "invalid"))

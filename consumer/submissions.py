"""Jobs that other services ask for by message: judged by the rules of HTTP, stored, answered, or refused and set aside.

A table that came along is dealt with while its message is unacknowledged; for one that must be fetched the message is
stored first, since that may take long.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from weakref import WeakValueDictionary

from consumer import fetching, requests
from consumer.fetching import Unfetchable
from consumer.requests import Inline, Refusal, Remote, Request, refuse
from consumer.submission_store import SubmissionStore
from consumer.submitted import Asked
from protocol import submission, tracing
from protocol.files import Files
from protocol.intake import BadTable, Inspector, Layout, ReadOptions, check_columns
from protocol.job import Job, LogEntry, Notify, Progress, Source, State
from protocol.kinds import KindInfo
from protocol.messages import SubmitJob
from protocol.submission import Submission
from protocol.transports import Delivery

log = logging.getLogger(__name__)
BLOCK = 2**18
MOST_FAILURES = 10  # of our own, before a message is set aside
TABBED = "text/tab-separated-values"
AGAIN = (2.0, 10.0, 60.0)  # seconds before a source is tried again


@dataclass(frozen=True)
class Rules:
    """What is allowed here."""

    sources: tuple[str, ...]
    max_upload: int  # bytes
    max_attempts: int
    emails: int = 20


@dataclass(frozen=True)
class Looked:
    """A table that was looked at while it streamed by."""

    size: int
    sha256: str
    verdict: Layout | BadTable


class Submissions:
    def __init__(self, store: SubmissionStore, files: Files, rules: Rules) -> None:
        self._store, self._files, self._rules = store, files, rules
        self._kinds: dict[str, KindInfo] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._failed: dict[str, int] = {}  # how often, by fingerprint

    def offer(self, kinds: Iterable[KindInfo]) -> None:
        """Which kinds may be asked for."""
        self._kinds = {kind.name: kind for kind in kinds}

    async def take(self, delivery: Delivery[SubmitJob]) -> Asked | None:
        """Deal with one message, or raise what makes it come again. What is returned is still to be fetched."""
        message = delivery.message
        asked = Asked(requests.job_id(message, uuid.uuid4().hex), requests.fingerprint(message), message)
        try:
            async with self._locks.setdefault(asked.job, asyncio.Lock()):  # the same may come twice at once
                later = await self._begin(asked)
        except Refusal as no:
            await self._store.refuse(message, no.problem)
            await delivery.bury(no.problem.detail)
            log.info("submission refused: %s", no.problem.detail, extra={"message_id": message.message_id})
            return None
        await delivery.ack()
        return asked if later else None

    async def give_back(self, delivery: Delivery[SubmitJob], why: Exception) -> None:
        """It comes again; but what fails each time is set aside, so that it is not tried for ever."""
        mark = requests.fingerprint(delivery.message)
        self._failed[mark] = self._failed.pop(mark, 0) + 1
        if self._failed[mark] < MOST_FAILURES:
            await delivery.requeue()
        else:
            del self._failed[mark]
            await delivery.bury(f"Rowmill failed at it {MOST_FAILURES} times: {type(why).__name__}: {why}")

    async def _begin(self, asked: Asked) -> bool:
        """Whether there is more to do than can be done while a message waits."""
        request = requests.read(asked.message)
        if (asked.message.reply_to or "").startswith("rowmill."):
            raise Refusal("malformed", "reply_to names a queue of Rowmill's own.")
        if (earlier := await self._store.known(asked)) is not None:
            if earlier != asked.fingerprint:
                raise Refusal("key_reused", "This message_id was used for something else.")
            return False
        match request.source:
            case Inline(data):
                await self._accept(asked, request, _blocks(data))
                return False
            case Remote(url):
                self._allow(url)
                return await self._store.keep(asked)

    def _allow(self, url: str) -> None:
        try:
            fetching.allow(url, self._rules.sources)
        except Unfetchable as exc:
            raise Refusal("source_refused", str(exc)) from None

    async def pending(self) -> list[Asked]:
        """What an earlier life had stored and not yet fetched."""
        return await self._store.pending()

    async def fetch(self, asked: Asked) -> None:
        """Get the table of a message that was stored, however often that takes; then it is a job or is refused."""
        try:
            request = requests.read(asked.message)
            await self._persist(asked, request)
        except Refusal as no:
            await self._store.refuse(asked.message, no.problem, fetched=asked)
            log.info("submission refused: %s", no.problem.detail, extra={"job": asked.job})

    async def _persist(self, asked: Asked, request: Request) -> None:
        """Try as often as may help."""
        url = request.source.url if isinstance(request.source, Remote) else ""
        for pause in (*AGAIN, None):
            try:
                await self._accept(asked, request, fetching.fetch(url, self._rules.sources))
            except Unfetchable as exc:
                if not exc.again or pause is None:
                    raise Refusal("source_refused", str(exc)) from None
                log.info("source not had, tried again: %s", exc, extra={"job": asked.job})
                await asyncio.sleep(pause)
            else:
                return

    async def _accept(self, asked: Asked, request: Request, blocks: AsyncIterator[bytes]) -> None:
        """Store the table and the job, or raise Refusal and keep nothing."""
        wanted = submission.judge(request.fields, request.name, self._kinds, self._rules.emails)
        options = _options(wanted)
        key = f"uploads/{asked.job}"
        try:
            looked = await self._store_table(key, blocks, Inspector(options, name=wanted.name))
            _check(wanted, looked.verdict)
            job = self._job(asked, wanted, looked)
        except BaseException:
            await self._files.remove(key)
            raise
        await self._store.accept(job, asked)
        log.info("accepted", extra={"job": job.id, "kind": job.kind, "bytes": job.source.size, "action": "accept"})

    async def _store_table(self, key: str, blocks: AsyncIterator[bytes], inspector: Inspector) -> Looked:
        passing = _Passing(inspector, self._rules.max_upload)
        try:
            await self._files.put(key, passing.look(blocks))
        except Exception:
            if passing.failure:  # the file store may wrap it beyond recognition
                raise passing.failure from None
            raise
        return passing.result()

    def _job(self, asked: Asked, wanted: Submission, looked: Looked) -> Job:
        now = datetime.now(UTC)
        media_type = TABBED if wanted.name.lower().endswith((".tsv", ".tab")) else "text/csv"
        return Job(
            id=asked.job,
            kind=wanted.kind.name if wanted.kind else "",
            params=dict(wanted.params),
            source=Source(name=wanted.name, size=looked.size, sha256=looked.sha256, media_type=media_type),
            priority=wanted.priority,
            progress=Progress(bytes_total=looked.size),
            notify=Notify(email=wanted.emails),
            max_attempts=self._rules.max_attempts,
            submitted_by=asked.message.sender,
            created_at=now,
            traceparent=tracing.read(asked.message.headers.get("traceparent")),
            log=(LogEntry(version=0, at=now, state=State.QUEUED, attempt=0, reason="submitted by message"),),
        )


class _Passing:
    """A table on its way into the store: counted, hashed and looked at."""

    def __init__(self, inspector: Inspector, most: int) -> None:
        self._inspector, self._most = inspector, most
        self._size, self._digest = 0, hashlib.sha256()
        self._bad: BadTable | None = None
        self.failure: Exception | None = None

    async def look(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for block in blocks:
                self._take(block)
                yield block
        except Exception as exc:
            self.failure = exc
            raise

    def _take(self, block: bytes) -> None:
        self._size += len(block)
        if self._size > self._most:
            raise Refusal("too_large", f"A table may have {self._most:,} bytes here.")
        self._digest.update(block)
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
        return Looked(self._size, self._digest.hexdigest(), verdict)


async def _blocks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), BLOCK):
        yield data[start : start + BLOCK]
        await asyncio.sleep(0)


def _options(wanted: Submission) -> ReadOptions:
    try:
        return ReadOptions.of(wanted.params)
    except ValueError:
        return ReadOptions()  # what is wrong with them is told with everything else


def _check(wanted: Submission, verdict: Layout | BadTable) -> None:
    """One refusal with everything: the fields, then the header, then the rows."""
    layout = verdict.layout if isinstance(verdict, BadTable) else verdict
    columns = check_columns(layout, wanted.kind.columns, wanted.params) if layout and wanted.kind else ()
    rest = verdict.faults if isinstance(verdict, BadTable) else ()
    if faults := (*wanted.faults, *columns, *rest):
        status = verdict.status if isinstance(verdict, BadTable) else 0
        raise refuse(faults, {413: "too_large", 415: "not_a_table"}.get(status, "invalid"))

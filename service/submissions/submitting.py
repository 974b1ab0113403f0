"""From a request to a stored job, or to one answer with everything that is wrong, and nothing kept: POST /v1/jobs."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar

from aiohttp import web

from protocol import log as lines
from protocol import submission, tracing
from protocol.config import trusted
from protocol.intake import BadTable, Layout, ReadOptions
from protocol.job import FINAL, Fault, Job, LogEntry, Notify, Progress, Source, State, upload_key
from protocol.standins import check_source
from protocol.submission import Fields, Submission
from service.door.caller import CALLER
from service.expectations import invite
from service.jobs import waiting
from service.jobs.api import answer_job, pick
from service.problems import Refused, refuse_faults
from service.store import Key, QueueFull
from service.stored import Stored
from service.submissions import idempotency, reception, uploads
from service.submissions.reception import Received
from service.submissions.storing import Place, Uploading
from service.submissions.uploads import Upload
from service.wiring import SERVICE, Service

log = logging.getLogger(__name__)
FORM_OVERHEAD = 2**20  # what a form may add to its file
NOTHING = hashlib.sha256().hexdigest()


class Repeated(Exception):
    """This was asked before, and made job *job_id*."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id


@dataclass(frozen=True)
class Making:
    """What becomes of a request's file: how it is read, and the job that is made of what was received."""

    known: ClassVar[Sequence[str]] = submission.FIELDS

    service: Service
    job_id: str

    @property
    def file_key(self) -> str:
        return upload_key(self.job_id)

    async def store(self, blocks: AsyncIterator[bytes], name: str, options: ReadOptions | None) -> Upload:
        return await _store(self.service, self.file_key, blocks, name, options)

    def judge(self, fields: Fields, name: str) -> Submission:
        return judge(self.service, fields, name)

    async def make(self, received: Received) -> Job:
        """The job that was asked for, or a refusal that names every fault."""
        name = received.upload.name if received.upload else received.fields.one("kind") or submission.DEFAULT_NAME
        wanted = self.judge(received.fields, name)
        if received.upload is None and wanted.kind and wanted.kind.stands_in:
            check(wanted, None)
            return new_job(self.service, self.job_id, wanted, None)
        options = reception.options_of(wanted.params, wanted.kind, wanted.reading)
        upload = await self.look_again(file_of(received), wanted, options)
        check(wanted, upload.verdict)
        return new_job(self.service, self.job_id, wanted, upload)

    async def look_again(self, upload: Upload, wanted: Submission, options: ReadOptions) -> Upload:
        """How to read the table may be said after the table: then it is looked at again, as it was stored."""
        if options == upload.options and wanted.name == upload.name:
            return upload
        verdict = await uploads.inspect(self.service.files, self.file_key, wanted.name, options)
        return replace(upload, name=wanted.name, options=options, verdict=verdict)


async def submit(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    await admit(service, request)
    return await take(request, Making(service, uuid.uuid4().hex))


async def take(request: web.Request, making: Making) -> web.Response:
    """Receive a file and have a job made of it; the answer to whoever sent it."""
    service = making.service
    check_address(request, making)
    wait = waiting.wished(request, service.limits.wait)
    with service.quotas.upload(request[CALLER].name), idempotency.held(service, request) as key:
        async with service.slots.one():
            await invite(request)
            with lines.about(job=making.job_id):
                stored = await _accept(request, making, key)
    if wait:
        look = partial(pick, service, request, stored.id)
        stored = await waiting.until_final(service, stored.id, wait, look)
    done = wait is not None and stored.state in FINAL
    return answer_job(stored, request, status=200 if done else 202, location=True, waited=wait)


async def admit(service: Service, request: web.Request) -> None:
    """Refuse what is known to fail before a byte of it is read."""
    if not service.offers.kinds():
        raise Refused("starting", "No consumer has said yet which kinds there are.", headers={"Retry-After": "2"})
    overhead = FORM_OVERHEAD if reception.media_type(request) == reception.FORM else 0
    owner = request[CALLER].name
    if owner and await service.store.count_queued(owner) >= service.quotas.queued:
        raise service.quotas.full()
    uploads.check_size((request.content_length or 0) - overhead, service.settings.max_upload)
    await uploads.check_space(service.files, request.content_length or 0, service.limits.space_floor)


def check_address(request: web.Request, making: Making) -> None:
    """A field that there is not, or twice, is told before the table comes, and with it what else is known by then."""
    fields = reception.in_address(request, making.service.offers.kinds())
    if strays := submission.find_strays(fields, making.known):
        more = reception.media_type(request) == reception.FORM  # fields may come
        raise refuse_faults(strays if more else making.judge(fields, submission.DEFAULT_NAME).faults)


async def _accept(request: web.Request, making: Making, key: str | None) -> Stored:
    """The new job, or the one that the same request made before."""
    service = making.service
    try:
        async with uploads.guarded(service.store, service.files, making.job_id, making.file_key):
            received = await reception.receive(request, making.store, service.limits, service.offers.kinds())
            trace = tracing.read(request.headers.get("traceparent"))
            return await settle(making, received, owner=request[CALLER].name, trace=trace, key=key)
    except Repeated as repeated:
        return await pick(service, request, repeated.job_id)


async def settle(
    making: Making, received: Received, *, owner: str | None, trace: str | None, key: str | None = None
) -> Stored:
    """Make the job of what was received, and keep it."""
    job = await making.make(received)
    job = job.model_copy(update={"traceparent": trace, "submitted_by": owner})
    return await _keep(making.service, job, Key(key, idempotency.fingerprint(job)) if key else None)


async def _store(
    service: Service, key: str, blocks: AsyncIterator[bytes], name: str, options: ReadOptions | None
) -> Upload:
    place = Place(service.files, key, service.settings.max_upload, service.limits.space_floor)
    try:
        upload = await Uploading(place, name, options).store(blocks)
    except BadTable as bad:
        raise refuse_table(bad, bad.faults) from None
    service.metrics.uploaded.inc(upload.size)
    return upload


def file_of(received: Received) -> Upload:
    if received.upload is None:
        raise Refused("no_file", "Send the table as the form's field file, or as the request's body.")
    return received.upload


def judge(service: Service, fields: Fields, name: str) -> Submission:
    """What was asked for, by the rules of this service."""
    kinds, hosts = service.offers.kinds(), trusted(service.settings)
    return submission.judge(fields, name, kinds, service.limits.emails, hosts)


def check(wanted: Submission, verdict: Layout | BadTable | None) -> None:
    """One refusal with everything: the fields, then the header, then the rows. No verdict: no table was sent."""
    layout = verdict.layout if isinstance(verdict, BadTable) else verdict
    columns = wanted.missing(layout)
    rest = verdict.faults if isinstance(verdict, BadTable) else ()
    source = check_source(wanted.kind, wanted.params, sent=verdict is not None)
    faults = (*wanted.faults, *source, *columns, *rest)
    if isinstance(verdict, BadTable):
        raise refuse_table(verdict, faults)
    if faults:
        raise refuse_faults(faults)


def refuse_table(bad: BadTable, faults: tuple[Fault, ...]) -> Refused:
    return refuse_faults(faults, {413: "too_large", 415: "not_a_table"}.get(bad.status, "invalid"))


def new_job(service: Service, job_id: str, wanted: Submission, upload: Upload | None) -> Job:
    now = datetime.fromtimestamp(service.clock(), UTC)
    source = upload.source if upload else Source(name=wanted.name, size=0, sha256=NOTHING, media_type=uploads.PLAIN)
    return Job(
        id=job_id,
        kind=wanted.kind.name if wanted.kind else "",
        params=dict(wanted.params),
        reading=wanted.reading,
        source=source,
        priority=wanted.priority,
        progress=Progress(bytes_total=source.size),
        notify=Notify(email=wanted.emails, webhook=wanted.webhooks),
        max_attempts=service.settings.max_attempts,
        created_at=now,
        log=(LogEntry(version=0, at=now, state=State.QUEUED, attempt=0, reason="submitted"),),
    )


async def _keep(service: Service, job: Job, key: Key | None) -> Stored:
    if key and (found := await service.store.find_key(key.name)):
        job_id, earlier = found
        if earlier != key:
            raise Refused("key_reused", "This Idempotency-Key was used for something else.")
        raise Repeated(job_id)
    try:
        stored = await service.store.create(job, key, room=service.quotas.queued if job.submitted_by else None)
    except QueueFull:
        raise service.quotas.full() from None
    service.hub.publish(job)
    log.info("accepted", extra={"action": "accept", "job": job.id, "kind": job.kind, "bytes": job.source.size})
    return stored

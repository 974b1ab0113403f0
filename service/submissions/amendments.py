"""POST /v1/jobs/{id}/repairs and /additions: a new job that goes on from the result of a finished one.

The new job gets copies of all that it needs of the earlier one, before it exists, so that this may be deleted then.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from protocol import kept, submission
from protocol.config import trusted
from protocol.declared import OF_MORE_ROWS
from protocol.files import FileMissing, blocks, open_blocking
from protocol.intake import BadTable, Layout, ReadOptions, repaired
from protocol.intake.layout import Format
from protocol.job import Fault, Job, State
from protocol.kept import REJECTED_CSV, BasedOn, Head, How
from protocol.kinds import KindInfo
from protocol.submission import Fields, Submission
from service.jobs.api import find
from service.problems import Refused, refuse_faults
from service.submissions import reception, submitting
from service.submissions.reception import Received
from service.submissions.submitting import Making
from service.submissions.uploads import Upload
from service.wiring import SERVICE, Service

HEAD = 2**20  # bytes in which the head of a kept state surely ends: a header row has 256 KiB at most
WHOLE = "Submit the whole table instead."
NO_CSV = "Send the repaired rows as CSV, as rejected.csv came."
DONE = {How.REPAIR: "repairs", How.APPEND: "appends to"}


async def repair(request: web.Request) -> web.Response:
    """Rows of rejected.csv, put right, take the place of those that were rejected."""
    return await _amend(request, How.REPAIR)


async def append(request: web.Request) -> web.Response:
    """More rows follow those of the job's table."""
    return await _amend(request, How.APPEND)


async def _amend(request: web.Request, how: How) -> web.Response:
    service = request.app[SERVICE]
    parent = (await find(service, request)).job()
    await submitting.admit(service, request)
    kind, head = await _head(service, parent, how)
    return await submitting.take(request, Amending(service, uuid.uuid4().hex, parent, kind, how, head))


async def _head(service: Service, parent: Job, how: How) -> tuple[KindInfo, Head]:
    """The kind and what is to be known of the state that *parent* kept, or the reason why nobody can go on from it."""
    if parent.state is not State.SUCCEEDED:
        raise Refused("not_mergeable", f"A job that is {parent.state} has no result to merge rows into.")
    if parent.pruned_at:
        day = parent.pruned_at.date().isoformat()
        raise Refused("not_mergeable", f"The files of this job were removed on {day}, when their time was up. {WHOLE}")
    if how is How.REPAIR and not parent.progress.rows_rejected:
        raise Refused("not_mergeable", "No row of this job was left out: there is nothing to repair.")
    kind = service.offers.kinds().get(parent.kind)
    if kind is None or not kind.merges:
        raise Refused("not_mergeable", f"Rows cannot be merged into a result of the kind {parent.kind}. {WHOLE}")
    head = await _read_head(service, parent)
    _compare(head, kind, how)
    return kind, head


async def _read_head(service: Service, parent: Job) -> Head:
    data = b""
    try:
        async for piece in service.files.get(kept.key(parent.result_prefix), 0, HEAD):
            data += piece
        return kept.read(data)[0]
    except FileMissing:
        raise _gone() from None
    except kept.Unreadable as exc:
        raise Refused("not_mergeable", f"What the job kept to go on from cannot be used: {exc}. {WHOLE}") from None


def _gone() -> Refused:
    return Refused("not_mergeable", f"What the job kept to go on from is gone. {WHOLE}")


def _compare(head: Head, kind: KindInfo, how: How) -> None:
    if head.build != kind.build:
        raise Refused("not_mergeable", f"The code of the kind {kind.name} has changed since. {WHOLE}")
    if how is How.REPAIR and (own := [name for name in head.header if name in kept.REJECTED]):
        detail = f"The table has a column {own[0]} of its own, so its rejected rows cannot be told apart. {WHOLE}"
        raise Refused("not_mergeable", detail)


@dataclass(frozen=True)
class Amending(Making):
    known = submission.FIELDS_OF_AMENDMENTS

    parent: Job
    kind: KindInfo
    how: How
    head: Head

    async def store(self, blocks: AsyncIterator[bytes], name: str, options: ReadOptions | None) -> Upload:
        return await super().store(blocks, name, options and self._reading(options))

    def judge(self, fields: Fields, name: str) -> Submission:
        hosts, most = trusted(self.service.settings), self.service.limits.emails
        return submission.judge_amendment(fields, name, most, self.how, hosts)

    async def make(self, received: Received) -> Job:
        upload = submitting.file_of(received)
        wanted = self.judge(received.fields, upload.name)
        options = self._reading(reception.options_of(wanted.params, submission.AMENDMENT, wanted.reading))
        upload = await self.look_again(upload, wanted, options)
        await self._check(wanted, upload)
        await self._copy()
        return self._job(wanted, upload)

    def _reading(self, options: ReadOptions) -> ReadOptions:
        """Rows to append are written as the job's table is, unless it is said otherwise; rejected.csv is ours."""
        if self.how is How.REPAIR:
            return ReadOptions(encoding=options.encoding, delimiter=options.delimiter)
        before = ReadOptions.of(self.parent.params, self.kind, self.parent.reading)
        declared = {name: value for name in OF_MORE_ROWS if (value := getattr(options, name)) is not None}
        return before.model_copy(update=declared)

    async def _check(self, wanted: Submission, upload: Upload) -> None:
        """One refusal with everything: the fields, then the header, then the rows."""
        verdict = upload.verdict
        layout = verdict.layout if isinstance(verdict, BadTable) else verdict
        columns = self._misfits(layout) if layout else ()
        if isinstance(verdict, BadTable):
            raise submitting.refuse_table(verdict, (*wanted.faults, *columns, *verdict.faults))
        rows = () if columns or self.how is How.APPEND else await self._wrong_rows(upload, verdict)
        if faults := (*wanted.faults, *columns, *rows):
            raise refuse_faults(faults)

    def _misfits(self, layout: Layout) -> tuple[Fault, ...]:
        if layout.format is not Format.CSV:
            return () if self.how is How.APPEND else (Fault(code="no_csv", detail=NO_CSV),)
        check = repaired.check_header if self.how is How.REPAIR else repaired.check_appended
        return check(layout.header, self.head.header, layout)

    async def _wrong_rows(self, upload: Upload, layout: Layout) -> tuple[Fault, ...]:
        """In a thread: there may be many rows to look at."""

        def look() -> tuple[Fault, ...]:
            files = open_blocking(self.service.files.url)
            rejected = repaired.written(blocks(files, self.parent.artefact_key(REJECTED_CSV)))
            found = repaired.rows(blocks(files, self.file_key), layout, upload.options.encoding)
            return repaired.check_rows(found, layout, (line for line, _ in rejected))

        try:
            return await asyncio.to_thread(look)
        except FileMissing:
            raise _gone() from None

    async def _copy(self) -> None:
        basis = kept.basis(self.job_id)
        sources = {
            kept.STATE: kept.key(self.parent.result_prefix),
            REJECTED_CSV: self.parent.artefact_key(REJECTED_CSV),
        } | {str(number): key for number, key in enumerate(self.head.files)}
        try:
            for name, key in sources.items():
                await self.service.files.copy(key, f"{basis}{name}")
        except FileMissing:
            raise _gone() from None

    def _job(self, wanted: Submission, upload: Upload) -> Job:
        job = submitting.new_job(self.service, self.job_id, wanted, upload)
        based_on = BasedOn(
            job=self.parent.id,
            how=self.how,
            name=self.parent.table_name,
            encoding=upload.options.encoding,
            delimiter=upload.options.delimiter,
            header=upload.options.header,
            quote=upload.options.quote,
        )
        [begun] = job.log
        log = (begun.model_copy(update={"reason": f"{DONE[self.how]} job {self.parent.id}"}),)
        same = {"kind": self.parent.kind, "params": self.parent.params, "reading": self.parent.reading}
        return job.model_copy(update=same | {"based_on": based_on, "log": log})

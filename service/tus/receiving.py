"""What becomes of a request's bytes: parts that stay, and with the last of them the job, as of any other upload."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from protocol import tracing
from protocol.files import FileMissing
from protocol.intake import BadTable, Layout
from protocol.submission import DEFAULT_NAME
from service.door.caller import CALLER
from service.expectations import invite
from service.problems import Refused
from service.submissions import reception, submitting, uploads
from service.submissions.examining import Examination
from service.submissions.patience import Patience
from service.submissions.reception import Known, Received
from service.submissions.submitting import Making
from service.submissions.uploads import Upload
from service.tus.headers import Checksum
from service.tus.parcels import Parcel
from service.tus.parts import Body
from service.wiring import Service

log = logging.getLogger(__name__)
HOPELESS = frozenset({"invalid", "not_a_table", "too_large"})


async def receive(service: Service, request: web.Request, parcel: Parcel, checksum: Checksum | None) -> int:
    """The upload's offset after all that the request brought; at its end there is a job."""
    with service.quotas.upload(request[CALLER].name), service.holds.hold(parcel.id, request.content):
        async with service.slots.one():
            await invite(request)
            fields = fields_of(service, parcel)
            seen = service.holds.examination(parcel, fields.options(), name_of(fields))
            blocks = reception.read_body(request, Patience(service.limits, request.content))
            body = Body(blocks, parcel.length - parcel.received, seen, checksum)
            try:
                received = await _store(service, parcel, body, checksum)
                if received == parcel.length:
                    await _complete(service, parcel, seen, tracing.read(request.headers.get("traceparent")))
            except BadTable as bad:
                await discard(service, parcel)
                raise submitting.refuse_table(bad, bad.faults) from None
            except FileMissing:
                await discard(service, parcel)
                raise Refused("no_such_upload", "What came of this upload is gone; begin it anew.") from None
            return received


def fields_of(service: Service, parcel: Parcel) -> Known:
    fields = Known(kinds=service.offers.kinds())
    for name, values in parcel.fields.items():
        for value in values:
            fields.add(name, value)
    return fields


def name_of(fields: Known) -> str:
    return reception.check_name(fields.one("filename") or DEFAULT_NAME)


async def _store(service: Service, parcel: Parcel, body: Body, checksum: Checksum | None) -> int:
    """Store what comes, part after part. Each counts at once, but with a checksum all or none."""
    at = parcel.received
    if not parcel.length:
        await _put(service, parcel, 0, body)
    while await body.more():
        at = await _put(service, parcel, at, body)
        if not checksum and at < parcel.length:
            await service.parcels.receive(parcel, at)
    if body.examination:
        service.holds.keep(parcel.id, body.examination)
    if body.broken:
        raise body.broken
    if checksum:
        checksum.check()
        if at < parcel.length:
            await service.parcels.receive(parcel, at)
    return at


async def _put(service: Service, parcel: Parcel, start: int, body: Body) -> int:
    await uploads.check_space(service.files, parcel.length - start, service.limits.space_floor)
    try:
        return await service.files.grow(parcel.prefix, start, body.part())
    except Exception as exc:  # noqa: BLE001 - every store has errors of its own
        raise await uploads.explain(service.files, exc) from None


async def _complete(service: Service, parcel: Parcel, seen: Examination | None, trace: str | None) -> None:
    """Make the job, exactly as of a table that came in one request. Whatever can never be one goes."""
    making, fields = Making(service, parcel.id), fields_of(service, parcel)
    try:
        async with uploads.guarded(service.store, service.files, parcel.id, making.file_key):
            upload = await _make_whole(making, parcel, fields, seen)
            await submitting.settle(making, Received(fields, upload), owner=parcel.owner, trace=trace)
    except Refused as refused:
        if refused.code in HOPELESS:
            await discard(service, parcel)
        raise
    await clear(service, parcel)


async def _make_whole(making: Making, parcel: Parcel, fields: Known, seen: Examination | None) -> Upload:
    """All that came as one file. What was not *seen* from its first byte on is looked at as if it came now."""
    if seen and (verdict := seen.verdict()) and not seen.packed:
        return await _make_seen(making, parcel, seen, verdict)
    return await making.store(making.service.files.grown(parcel.prefix), name_of(fields), fields.options())


async def _make_seen(making: Making, parcel: Parcel, seen: Examination, verdict: Layout | BadTable) -> Upload:
    files = making.service.files
    try:
        await files.settle(parcel.prefix, making.file_key)
    except Exception as exc:  # noqa: BLE001 - every store has errors of its own
        raise await uploads.explain(files, exc) from None
    making.service.metrics.uploaded.inc(seen.size)
    return Upload(seen.name, seen.size, seen.sha256, seen.options, verdict)


async def clear(service: Service, parcel: Parcel) -> None:
    """The job has the whole; the upload stays known, so that its client learns of the job."""
    service.holds.forget(parcel.id)
    await service.files.remove(parcel.prefix)
    await service.parcels.note_cleared(parcel)


async def discard(service: Service, parcel: Parcel) -> None:
    service.holds.forget(parcel.id)
    await service.files.remove(parcel.prefix)
    await service.parcels.forget(parcel)


async def tidy(service: Service) -> None:
    """Remove uploads whose time is up, and what a dead process left of finished ones, for ever."""
    while True:
        for parcel in await service.parcels.uncleared():
            if parcel.id not in service.holds:
                await clear(service, parcel)
        for parcel in await service.parcels.old():
            if parcel.id not in service.holds:
                await discard(service, parcel)
                log.info("an upload's time was up", extra={"action": "expire", "job": parcel.id})
        await asyncio.sleep(service.limits.prune)

"""The calls at /v1/uploads, as the protocol has them."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

from aiohttp import web

from protocol import submission
from protocol.intake import BadTable, Inspector, ReadOptions
from protocol.job import ID
from protocol.value import Value
from service.door.caller import CALLER
from service.problems import Refused, refuse_faults
from service.submissions import submitting, uploads
from service.submissions.reception import Known
from service.tus import headers, holds, receiving
from service.tus.parcels import Parcel
from service.wiring import SERVICE, Service

ROOM = 10_000  # unfinished uploads at a time
LIVELY = 3600.0  # seconds: one of which nothing came for so long takes no one's room
NEVER = {"Cache-Control": "no-store"}


class UploadState(Value):
    """How far an upload is; `job` is what was made of it."""

    id: str
    offset: int
    length: int
    expires_at: datetime
    job: str | None


async def options(request: web.Request) -> web.Response:
    told = {
        "Tus-Version": headers.VERSION,
        "Tus-Extension": headers.EXTENSIONS,
        "Tus-Max-Size": str(request.app[SERVICE].settings.max_upload),
        "Tus-Checksum-Algorithm": ",".join(headers.ALGORITHMS),
    }
    return web.Response(status=204, headers=told)


async def create(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    headers.check_version(request.headers)
    length = headers.read_number(request.headers, "Upload-Length")
    checksum = headers.read_checksum(request.headers)
    brings = request.can_read_body
    if brings:
        _check_body(request, length)
    await _admit(service, request, length)
    parcel = await _open(service, request, length)
    received = await receiving.receive(service, request, parcel, checksum) if brings or not length else 0
    told = {"Location": f"/v1/uploads/{parcel.id}"}
    return web.Response(status=201, headers=told | _position(service, parcel, received))


async def _admit(service: Service, request: web.Request, length: int) -> None:
    await submitting.admit(service, request)
    uploads.check_size(length, service.settings.max_upload)
    await uploads.check_space(service.files, length, service.limits.space_floor)
    await _check_room(service, request[CALLER].name)


async def _check_room(service: Service, owner: str | None) -> None:
    most = service.settings.key_uploads
    if owner and await service.parcels.count(owner, within=LIVELY) >= most:
        detail = f"A key may have {most} uploads under way here; end one, or wait an hour for those that stand still."
        raise Refused("too_many_uploads", detail, headers={"Retry-After": "60"})
    if await service.parcels.count(None, within=service.limits.unfinished) >= ROOM:
        raise Refused("busy", "There are too many unfinished uploads.", headers={"Retry-After": "600"})


async def _open(service: Service, request: web.Request, length: int) -> Parcel:
    """An upload that can become a job, as far as anybody can know before its bytes."""
    fields, metadata = Known(kinds=service.offers.kinds()), request.headers.get("Upload-Metadata", "")
    for name, value in request.query.items():
        fields.add(name, value)
    headers.read_metadata(metadata, fields)
    wanted = submitting.judge(service, fields, submission.DEFAULT_NAME)
    if wanted.faults:
        raise refuse_faults(wanted.faults)
    _check_kind_of_file(wanted.name)
    owner, now = request[CALLER].name, service.clock()
    parcel = Parcel(uuid.uuid4().hex, owner, length, 0, dict(fields.values), metadata, now)
    await service.parcels.open(parcel)
    return parcel


def _check_kind_of_file(name: str) -> None:
    try:
        Inspector(ReadOptions(), name=name).feed(b"")
    except BadTable as bad:
        raise submitting.refuse_table(bad, bad.faults) from None


async def find(service: Service, request: web.Request) -> Parcel:
    """The upload that is asked for; one of somebody else is as good as none."""
    parcel_id = request.match_info["id"]
    parcel = await service.parcels.find(parcel_id) if ID.fullmatch(parcel_id) else None
    if parcel is None or not request[CALLER].sees(parcel.owner, parcel_id):
        raise Refused("no_such_upload", "There is no upload with this id; it may have ended, or its time was up.")
    return parcel


async def resume(request: web.Request) -> web.Response:
    """PATCH: the bytes from the offset on."""
    service = request.app[SERVICE]
    headers.check_version(request.headers)
    offset = headers.read_number(request.headers, "Upload-Offset")
    checksum = headers.read_checksum(request.headers)
    parcel = await find(service, request)
    if parcel.id in service.holds:
        raise holds.locked()
    # A browser repeats a request by itself when its link breaks: its bytes are too many only from the offset on.
    if offset != parcel.offset:
        raise Refused("wrong_offset", f"The upload stands at {parcel.offset} bytes, not at {offset}.")
    _check_body(request, parcel.length - parcel.offset)
    received = offset if parcel.done else await receiving.receive(service, request, parcel, checksum)
    return web.Response(status=204, headers=_position(service, parcel, received))


async def resume_by_post(request: web.Request) -> web.Response:
    """For clients on whose way somebody lets no PATCH through."""
    handler = {"PATCH": resume, "DELETE": terminate}.get(request.headers.get("X-HTTP-Method-Override", ""))
    if handler is None:
        raise Refused("bad_parameter", "POST needs X-HTTP-Method-Override here: PATCH or DELETE.")
    return await handler(request)


def _check_body(request: web.Request, room: int) -> None:
    if request.content_type != headers.MEDIA_TYPE or "Content-Encoding" in request.headers:
        raise Refused("wrong_media_type", f"Bytes of an upload come as {headers.MEDIA_TYPE}, and not compressed.")
    if (request.content_length or 0) > room:
        raise Refused("malformed", "There are more bytes than the upload was to have.")


async def head(request: web.Request) -> web.Response:
    """Where to go on. Whoever asks has no request under way any more, whatever the service believes."""
    service = request.app[SERVICE]
    headers.check_version(request.headers)
    parcel = await find(service, request)
    await service.holds.free(parcel.id, service.limits.read)
    parcel = await find(service, request)
    told = {"Upload-Length": str(parcel.length)} | ({"Upload-Metadata": parcel.metadata} if parcel.metadata else {})
    return web.Response(status=200, headers=told | NEVER | _position(service, parcel, parcel.offset))


async def show(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    parcel = await find(service, request)
    until = datetime.fromtimestamp(service.parcels.expiry(parcel), UTC)
    job = parcel.id if parcel.done else None
    state = UploadState(id=parcel.id, offset=parcel.offset, length=parcel.length, expires_at=until, job=job)
    text = json.dumps(state.model_dump(mode="json"), allow_nan=False)
    told = _position(service, parcel, parcel.offset) | NEVER
    return web.Response(body=text.encode(), content_type="application/json", headers=told)


async def terminate(request: web.Request) -> web.Response:
    """The upload goes; the job that was made of it stays."""
    service = request.app[SERVICE]
    headers.check_version(request.headers)
    parcel = await find(service, request)
    await service.holds.free(parcel.id, service.limits.read)
    with service.holds.hold(parcel.id, request.content):
        await receiving.discard(service, parcel)
    return web.Response(status=204)


def _position(service: Service, parcel: Parcel, offset: int) -> dict[str, str]:
    """Where the upload stands, and the job at its end."""
    told = {"Upload-Offset": str(offset), **headers.expires(service.parcels.expiry(parcel))}
    return told | ({"Rowmill-Job": f"/v1/jobs/{parcel.id}"} if offset == parcel.length else {})


ROUTES = (
    web.options("/v1/uploads", options),
    web.post("/v1/uploads", create),
    web.head("/v1/uploads/{id}", head),
    web.get("/v1/uploads/{id}", show, allow_head=False),
    web.patch("/v1/uploads/{id}", resume),
    web.post("/v1/uploads/{id}", resume_by_post),
    web.delete("/v1/uploads/{id}", terminate),
)

"""The calls about jobs that exist. Legality is judged by the view of here; the consumer has the last word."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from protocol import kept
from protocol.job import FINAL, ID, MOVES, Job, State
from protocol.messages import CancelJob, RetryJob
from service.door.caller import CALLER
from service.jobs import listing, waiting
from service.problems import Refused
from service.store import VersionMoved
from service.stored import Stored
from service.wiring import SERVICE, Service

log = logging.getLogger(__name__)


def answer_json(text: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=text.encode(), content_type="application/json", headers=headers)


def answer_job(
    stored: Stored, request: web.Request, *, status: int = 200, location: bool = False, waited: int | None = None
) -> web.Response:
    """The job with its version as ETag; 304 where the client asked and knows it."""
    tag = f'"{stored.version}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if stored.state not in FINAL:
        headers["Retry-After"] = "1"
    if waited is not None:
        headers["Preference-Applied"] = f"wait={waited}"
    if location:
        headers["Location"] = f"/v1/jobs/{stored.id}"
    if request.method in {"GET", "HEAD"} and matches(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    return answer_json(stored.body, status=status, headers=headers)


def matches(header: str | None, tag: str) -> bool:
    """Whether an If-Match or If-None-Match header names this tag (weak comparison)."""
    tags = [] if header is None else [given.strip().removeprefix("W/") for given in header.split(",")]
    return "*" in tags or tag in tags


async def find(service: Service, request: web.Request) -> Stored:
    """The job that is asked for."""
    return await pick(service, request, request.match_info["id"])


async def pick(service: Service, request: web.Request, job_id: str) -> Stored:
    """A job; one that the caller may not see is as good as none."""
    stored = await service.store.get(job_id) if ID.fullmatch(job_id) else None
    if stored is None or not request[CALLER].sees(stored.owner, job_id):
        raise Refused("no_such_job", "There is no job with this id; it may have been deleted.")
    return stored


async def show(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    look = partial(find, service, request)
    wait = waiting.wished(request, service.limits.wait)
    stored = await waiting.until_final(service, request.match_info["id"], wait, look) if wait else await look()
    return answer_job(stored, request, waited=wait)


async def show_log(request: web.Request) -> web.Response:
    stored = await find(request.app[SERVICE], request)
    log_json: Any = json.loads(stored.body)["log"]
    return answer_json(json.dumps({"log": log_json}, allow_nan=False), headers={"Cache-Control": "no-cache"})


async def list_jobs(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    query = replace(listing.parse(request.query, service.clock()), owner=request[CALLER].only)
    rows = await service.store.newest(listing.with_one_more(query))
    text, headers = listing.page(rows, query, request.query)
    return answer_json(text, headers=headers)


async def list_kinds(request: web.Request) -> web.Response:
    kinds = ",".join(kind.model_dump_json() for kind in request.app[SERVICE].offers.kinds().values())
    return answer_json(f'{{"kinds":[{kinds}]}}', headers={"Cache-Control": "no-cache"})


async def cancel(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    stored = await _known(service, request)
    job = _allow(stored, State.CANCELLED, "cancelled")
    await service.store.ask(CancelJob(job=job))
    log.info("cancel asked for", extra={"action": "cancel", "job": job.id})
    return answer_job(stored, request, status=202, location=True)


async def retry(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    stored = await _known(service, request)
    job = _allow(stored, State.QUEUED, "tried again")
    log.info("retry asked for", extra={"action": "retry", "job": job.id})
    moved = await waiting.until_under_way(service, stored, partial(service.store.ask, RetryJob(job=job)))
    return answer_job(moved, request, status=202, location=True)


async def _known(service: Service, request: web.Request) -> Stored:
    """The job that is to be changed, unless that shall be done only to another version of it."""
    stored = await find(service, request)
    known = request.headers.get("If-Match")
    if known is not None and not matches(known, f'"{stored.version}"'):
        raise Refused("moved_on", f"The job is at version {stored.version} by now.")
    return stored


def _allow(stored: Stored, to: State, what: str) -> Job:
    job = stored.job()
    if to not in MOVES[job.state]:
        raise Refused("illegal_move", f"A job that is {job.state} cannot be {what}.")
    if to is State.QUEUED and job.pruned_at:
        raise Refused("illegal_move", "The table was removed when its time was up; submit it again.")
    return job


async def delete(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    while not await remove(service, await _ended(service, request)):  # a mail's fate came in between: look again
        pass
    return web.Response(status=204)


async def _ended(service: Service, request: web.Request) -> Job:
    job = (await _known(service, request)).job()
    if not job.final:
        raise Refused("illegal_move", f"A job that is {job.state} cannot be deleted; cancel it first.")
    return job


async def remove(service: Service, job: Job) -> bool:
    """Forget a final job and remove its files, unless it has moved since."""
    try:
        await service.store.delete(job)
    except VersionMoved:
        return False
    service.hub.forget(job)
    await service.files.remove(job.source_key)
    await service.files.remove(job.result_prefix)
    if job.based_on:
        await service.files.remove(kept.basis(job.id))
    log.info("deleted", extra={"action": "delete", "job": job.id})
    return True

"""The same request twice is one job: the keys of requests under way, and what was asked with a key."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from protocol.job import Job
from protocol.reading import Reading
from service.door.caller import CALLER
from service.problems import Refused
from service.wiring import Service

KEY = re.compile(r"[\x21-\x7e]{1,255}")


@contextmanager
def held(service: Service, request: web.Request) -> Iterator[str | None]:
    """The request's idempotency key, which no other request may use meanwhile."""
    name = request.headers.get("Idempotency-Key")
    if name is None:
        yield None
        return
    if not KEY.fullmatch(name):
        raise Refused("bad_parameter", "Idempotency-Key must be 1 to 255 visible ASCII characters.")
    if request[CALLER].name:
        name = f"{request[CALLER].name}\n{name}"  # everybody's are their own
    if name in service.keys_held:
        raise Refused("in_progress", "A request with this Idempotency-Key is under way.", headers={"Retry-After": "1"})
    service.keys_held.add(name)
    try:
        yield name
    finally:
        service.keys_held.discard(name)


def fingerprint(job: Job) -> str:
    """What was asked: two requests with the same one ask for the same job."""
    asked = [job.kind, job.params, job.notify.email, job.priority, job.source.model_dump()]
    asked += [job.based_on.model_dump()] if job.based_on else []
    asked += [job.reading.model_dump()] if job.reading != Reading() else []
    asked += [job.notify.webhook] if job.notify.webhook else []
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

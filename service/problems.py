"""What goes wrong, as the client sees it: RFC 9457 problem details, never a word of our insides."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from protocol import log as lines
from protocol.databases import NoSpace, Unwritable
from protocol.job import Fault, Problem

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
PROBLEM = web.ResponseKey("problem", Problem)  # of an answer that is one

# The codes are part of the contract: a problem's type is `/problems/{code}`.
PROBLEMS: Mapping[str, tuple[int, str]] = {
    "malformed": (400, "The request is malformed"),
    "bad_parameter": (400, "A parameter is wrong"),
    "no_file": (400, "No file was sent"),
    "unauthorized": (401, "A key is needed"),
    "forbidden": (403, "The key does not allow that"),
    "stale_page": (403, "The page must be loaded again"),
    "foreign_origin": (403, "This page may not do that"),
    "not_found": (404, "There is nothing here"),
    "no_such_job": (404, "There is no such job"),
    "no_such_table": (404, "There is no such table"),
    "no_such_key": (404, "There is no such key"),
    "no_such_upload": (404, "There is no such upload"),
    "no_such_artefact": (404, "There is no such artefact"),
    "method_not_allowed": (405, "That cannot be done here"),
    "timeout": (408, "The upload took too long"),
    "illegal_move": (409, "The job's state does not allow that"),
    "not_mergeable": (409, "The job has no result that rows can be merged into"),
    "name_taken": (409, "The name is taken"),
    "in_progress": (409, "The same request is under way"),
    "wrong_offset": (409, "The upload stands elsewhere"),
    "gone": (410, "It is gone"),
    "wrong_version": (412, "That version is not spoken here"),
    "moved_on": (412, "The job is of another version by now"),
    "too_large": (413, "The table is too large"),
    "not_a_table": (415, "That is not a table"),
    "unknown_coding": (415, "The body is compressed in a way that is not known here"),
    "wrong_media_type": (415, "That is not how bytes of an upload come"),
    "unsatisfiable_range": (416, "There are no such bytes"),
    "expectation_failed": (417, "That cannot be expected here"),
    "misdirected": (421, "This service is not reached by that name"),
    "invalid": (422, "The job cannot be accepted as it is"),
    "key_reused": (422, "The idempotency key belongs to another job"),
    "locked": (423, "The upload is in use"),
    "too_many_requests": (429, "The key asks too often"),
    "too_many_failures": (429, "Too many wrong keys"),
    "too_many_uploads": (429, "The key has too many uploads under way"),
    "queue_full": (429, "The key has too many jobs in the queue"),
    "upgrade_required": (426, "This address speaks websocket"),
    "checksum_mismatch": (460, "The bytes are others"),
    "internal": (500, "Something went wrong here"),
    "starting": (503, "Not ready yet"),
    "busy": (503, "Too busy"),
    "records_unavailable": (503, "The records cannot be had now"),
    "no_space": (507, "There is no space left"),
}


class Refused(Exception):
    """The request is answered with the problem *code*; the detail is a sentence for the user."""

    def __init__(
        self, code: str, detail: str, *, errors: Iterable[Fault] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.code, self.problem = code, describe(code, detail, errors)
        self.headers = headers or {}


def describe(code: str, detail: str, errors: Iterable[Fault] = ()) -> Problem:
    status, title = PROBLEMS[code]
    return Problem(type=f"/problems/{code}", title=title, status=status, detail=detail, errors=tuple(errors))


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> web.Response:
    body = problem.model_dump_json().encode()
    response = web.Response(status=problem.status, body=body, content_type=MEDIA_TYPE, headers=headers)
    response[PROBLEM] = problem
    return response


def refuse_faults(faults: Iterable[Fault], code: str = "invalid") -> Refused:
    """One refusal for everything that is wrong; its sentence is the first fault's."""
    faults = tuple(faults)
    more = len(faults) - 1
    detail = faults[0].detail + (f" And {more} more; see errors." if more else "")
    return Refused(code, detail, errors=faults)


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever a handler raises becomes a problem; the unexpected is logged with an id that the client gets too.

    An answer that has begun cannot become a problem any more: the connection breaks, so that nobody takes it for whole.
    """
    try:
        with lines.about(job=request.match_info.get("id")):
            return await handler(request)
    except Exception as exc:  # noqa: BLE001 - nothing of it may reach the client
        if request.writer.output_size > 0 and request.transport:
            request.transport.abort()
        return _explain(request, exc)


def _explain(request: web.Request, exc: Exception) -> web.StreamResponse:
    match exc:
        case Refused():
            return answer(exc.problem, exc.headers)
        case web.HTTPException():
            return _explain_http(request, exc)
        case Unwritable():
            return _explain_unwritable(exc)
        case ConnectionError():  # the client has gone: nobody reads this
            return web.Response(status=400)
        case _:
            return _explain_crash(request, exc)


def _explain_http(request: web.Request, exc: web.HTTPException) -> web.StreamResponse:
    if exc.status < 400:  # noqa: PLR2004 - a redirect
        raise exc
    details = {
        404: ("not_found", f"There is nothing at {request.path}."),
        405: ("method_not_allowed", f"{request.method} is not possible at {request.path}."),
        413: ("too_large", "The request is larger than it may be."),
    }
    code, detail = details.get(exc.status, ("malformed", exc.reason))
    problem = describe(code, detail).model_copy(update={"status": exc.status})
    return answer(problem, {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else None)


def _explain_unwritable(exc: Unwritable) -> web.Response:
    if isinstance(exc, NoSpace):
        return answer(describe("no_space", "The disk is full; nothing was stored."), {"Retry-After": "60"})
    return answer(describe("busy", "Nothing can be stored now, and nothing was."), {"Retry-After": "5"})


def _explain_crash(request: web.Request, exc: Exception) -> web.Response:
    number = secrets.token_hex(6)
    log.error(
        "%s %s crashed",
        request.method,
        request.path,
        exc_info=exc,
        extra={"request": number, "job": request.match_info.get("id")},
    )
    return answer(describe("internal", f"This is our fault, not yours. The log has it as request {number}."))

"""Cancels, tries again or deletes all jobs that a list shows: counted first, then some at a time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import assert_never

from aiohttp import web

from protocol.job import FINAL, MOVES, Job, State
from protocol.messages import CancelJob, RetryJob
from protocol.value import Value
from service.door.caller import CALLER
from service.jobs import api, listing
from service.problems import Refused
from service.selection import Query
from service.wiring import SERVICE, Service

log = logging.getLogger(__name__)
AT_ONCE = 200
KNOWN = ("action", "dry_run", "cursor", *listing.FILTERS)


class Action(StrEnum):
    CANCEL = "cancel"
    RETRY = "retry"
    DELETE = "delete"


ALLOWED = {
    Action.CANCEL: frozenset(state for state in State if State.CANCELLED in MOVES[state]),
    Action.RETRY: frozenset(state for state in State if State.QUEUED in MOVES[state]),
    Action.DELETE: FINAL,
}


class Bulk(Value):
    """What was done: `matching` jobs may be acted on, `done` of them were by this call; `next` does it to more.

    `until` is when they were counted: given as a parameter, it leaves out jobs that came later.
    """

    action: Action
    dry_run: bool
    matching: int
    done: int
    until: datetime
    next: str | None = None


async def act(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    listing.check_known(request.query, KNOWN)
    action, dry = _action(request.query.get("action", "")), listing.parse_flag(request.query, "dry_run")
    query = choose(listing.parse_filters(request.query, service.clock()), action, request[CALLER].only)
    told = Bulk(
        action=action,
        dry_run=dry,
        matching=await service.store.count(query),
        done=0,
        until=datetime.fromtimestamp(service.clock(), UTC),
    )
    if not dry:
        told = await _act(service, request, told, replace(query, after=listing.parse_cursor(request.query)))
    return api.answer_json(told.model_dump_json(), status=200 if dry else 202)


def choose(query: Query, action: Action, owner: str | None) -> Query:
    """Those of them that the action is legal for, and that *owner* may act on."""
    wanted = query.states or tuple(State)
    states = tuple(state for state in State if state in wanted and state in ALLOWED[action])
    return replace(query, states=states or ("none",), kept=action is Action.RETRY, owner=owner, limit=AT_ONCE + 1)


async def _act(service: Service, request: web.Request, told: Bulk, query: Query) -> Bulk:
    rows = await service.store.newest(query)
    jobs = [Job.model_validate_json(row["body"]) for row in rows[:AT_ONCE]]
    done = await _do(service, told.action, jobs)
    log.info("acted on many", extra={"action": told.action.value, "jobs": done})
    more = len(rows) > AT_ONCE
    following = listing.address_after("/v1/bulk", rows[AT_ONCE - 1], request.query) if more else None
    return told.model_copy(update={"done": done, "next": following})


async def _do(service: Service, action: Action, jobs: Sequence[Job]) -> int:
    """How many it was done to, or asked for; the consumer has the last word about moves."""
    match action:
        case Action.CANCEL:
            await service.store.ask(*(CancelJob(job=job) for job in jobs))
            return len(jobs)
        case Action.RETRY:
            await service.store.ask(*(RetryJob(job=job) for job in jobs))
            return len(jobs)
        case Action.DELETE:
            return sum([await api.remove(service, job) for job in jobs])
        case _:
            assert_never(action)


def _action(text: str) -> Action:
    try:
        return Action(text)
    except ValueError:
        raise Refused(
            "bad_parameter", f"The parameter 'action' is wrong: it must be among {', '.join(Action)}."
        ) from None

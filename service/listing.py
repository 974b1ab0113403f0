"""The list of jobs: its parameters, and a cursor that stays right while new jobs come in."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from multidict import MultiMapping

from protocol.databases import Row
from protocol.job import State
from service.problems import Refused
from service.selection import Query

MOST, USUAL = 200, 50
KNOWN = ("state", "kind", "limit", "cursor")
CURSOR = re.compile(r"(\d{1,18})\.([0-9a-f]{32})", re.ASCII)
KIND = re.compile(r"[A-Za-z0-9_.-]{1,100}")
FILTERS = 20


def parse(params: MultiMapping[str]) -> Query:
    """The query, or a refusal that names the parameter. Filters may repeat or hold several values with commas."""
    if unknown := [name for name in params if name not in KNOWN]:
        raise bad_parameter(unknown[0][:40], f"there is no such parameter; there are {', '.join(KNOWN)}")
    return Query(
        states=parse_states(params), kinds=parse_kinds(params), after=_cursor(params), limit=parse_limit(params)
    )


def parse_states(params: MultiMapping[str]) -> tuple[str, ...]:
    states = _values(params, "state")
    if any(state not in set(State) for state in states):
        raise bad_parameter("state", f"it must be among {', '.join(State)}")
    return states


def parse_kinds(params: MultiMapping[str]) -> tuple[str, ...]:
    kinds = _values(params, "kind")
    if not all(KIND.fullmatch(kind) for kind in kinds):
        raise bad_parameter("kind", "it must be the name of a kind")
    return kinds


def _values(params: MultiMapping[str], name: str) -> tuple[str, ...]:
    given: Iterable[str] = (part.strip() for value in params.getall(name, ()) for part in value.split(","))
    values = tuple(dict.fromkeys(part for part in given if part))
    if len(values) > FILTERS:
        raise bad_parameter(name, f"it may have {FILTERS} values")
    return values


def parse_limit(params: Mapping[str, str], *, most: int = MOST, usual: int = USUAL) -> int:
    text = params.get("limit", str(usual))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise bad_parameter("limit", f"it must be a number from 1 to {most}")
    return int(text)


def _cursor(params: Mapping[str, str]) -> tuple[int, str] | None:
    if "cursor" not in params:
        return None
    try:
        found = CURSOR.fullmatch(base64.urlsafe_b64decode(params["cursor"].encode()).decode())
    except ValueError:
        found = None
    if found is None:
        raise bad_parameter("cursor", "take it from the page before, as it is")
    return int(found[1]), found[2]


def bad_parameter(name: str, sentence: str) -> Refused:
    return Refused("bad_parameter", f"The parameter {name!r} is wrong: {sentence}.")


def with_one_more(query: Query) -> Query:
    """One more than asked tells whether there is a next page."""
    return replace(query, limit=query.limit + 1)


def page(rows: Sequence[Row], query: Query, params: MultiMapping[str]) -> tuple[str, dict[str, str]]:
    """The answer and its headers. The jobs are stored as JSON and go out as they are."""
    shown = rows[: query.limit]
    following = _next(shown[-1], params) if len(rows) > query.limit else None
    jobs = ",".join(row["body"] for row in shown)
    text = f'{{"jobs":[{jobs}],"next":{json.dumps(following)}}}'
    return text, {"Cache-Control": "no-cache"} | ({"Link": f'<{following}>; rel="next"'} if following else {})


def _next(last: Row, params: MultiMapping[str]) -> str:
    cursor = base64.urlsafe_b64encode(f"{last['created']}.{last['id']}".encode()).decode()
    kept = [(name, value) for name, value in params.items() if name != "cursor"]
    return f"/v1/jobs?{urlencode([*kept, ('cursor', cursor)])}"

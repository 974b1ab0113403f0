"""The list of jobs: its parameters, and a cursor that stays right while new jobs come in."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlencode

from multidict import MultiMapping

from protocol.config import parse_time
from protocol.databases import Row
from protocol.job import State
from service.problems import Refused
from service.selection import Query, microseconds

MOST, USUAL = 200, 50
FILTERS = ("state", "kind", "q", "since", "until")
KNOWN = (*FILTERS, "limit", "cursor")
CURSOR = re.compile(r"(\d{1,18})\.([0-9a-f]{32})", re.ASCII)
KIND = re.compile(r"[A-Za-z0-9_.-]{1,100}")
VALUES = 20
T = TypeVar("T")
WORDS, LETTERS = 8, 200


def parse(params: MultiMapping[str], now: float) -> Query:
    """The query, or a refusal that names the parameter. Filters may repeat or hold several values with commas."""
    check_known(params, KNOWN)
    return replace(parse_filters(params, now), after=parse_cursor(params), limit=parse_limit(params))


def check_known(params: Iterable[str], known: Sequence[str]) -> None:
    if unknown := [name for name in params if name not in known]:
        raise bad_parameter(unknown[0][:40], f"there is no such parameter; there are {', '.join(known)}")


def parse_filters(params: MultiMapping[str], now: float) -> Query:
    """Which jobs, without where to begin; *now* is what spans such as 7d are counted back from."""
    return Query(
        states=parse_states(params),
        kinds=parse_kinds(params),
        words=_words(params.get("q", "")),
        since=_moment(params, "since", now),
        until=_moment(params, "until", now),
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
    if len(values) > VALUES:
        raise bad_parameter(name, f"it may have {VALUES} values")
    return values


def parse_limit(params: Mapping[str, str], *, most: int = MOST, usual: int = USUAL) -> int:
    text = params.get("limit", str(usual))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise bad_parameter("limit", f"it must be a number from 1 to {most}")
    return int(text)


def _words(text: str) -> tuple[str, ...]:
    words = tuple(text.split())
    if len(text) > LETTERS or len(words) > WORDS:
        raise bad_parameter("q", f"it may have {WORDS} words and {LETTERS} characters")
    return words


def _moment(params: Mapping[str, str], name: str, now: float) -> int | None:
    """A time with its zone, or how long ago that is."""
    if name not in params:
        return None
    with suppress(ValueError):
        return max(0, round((now - parse_time(params[name])) * 1_000_000))
    try:
        at = datetime.fromisoformat(params[name])
        return microseconds(at) if at.tzinfo else _no_moment(name)
    except (ValueError, OverflowError):
        return _no_moment(name)


def _no_moment(name: str) -> int:
    raise bad_parameter(name, "it must be a time with its zone, such as 2026-01-31T12:00:00Z, or a span such as 7d")


def parse_cursor(params: Mapping[str, str]) -> tuple[int, str] | None:
    if "cursor" not in params:
        return None
    try:
        found = CURSOR.fullmatch(base64.urlsafe_b64decode(params["cursor"].encode()).decode())
    except ValueError:
        found = None
    if found is None:
        raise bad_parameter("cursor", "take it from the page before, as it is")
    return int(found[1]), found[2]


def parse_flag(params: Mapping[str, str], name: str) -> bool:
    if (value := params.get(name, "false")) not in {"true", "false"}:
        raise bad_parameter(name, "it must be true or false")
    return value == "true"


def parse_given(params: Mapping[str, str], name: str, parse: Callable[[str], T]) -> T | None:
    try:
        return parse(params[name]) if name in params else None
    except ValueError as exc:
        raise bad_parameter(name, f"it {exc}") from None


def bad_parameter(name: str, sentence: str) -> Refused:
    return Refused("bad_parameter", f"The parameter {name!r} is wrong: {sentence}.")


def with_one_more(query: Query) -> Query:
    """One more than asked tells whether there is a next page."""
    return replace(query, limit=query.limit + 1)


def page(rows: Sequence[Row], query: Query, params: MultiMapping[str]) -> tuple[str, dict[str, str]]:
    """The answer and its headers. The jobs are stored as JSON and go out as they are."""
    shown = rows[: query.limit]
    following = address_after("/v1/jobs", shown[-1], params) if len(rows) > query.limit else None
    jobs = ",".join(row["body"] for row in shown)
    text = f'{{"jobs":[{jobs}],"next":{json.dumps(following)}}}'
    return text, headers_of_page(following)


def headers_of_page(following: str | None) -> dict[str, str]:
    """Of a page of any list; *following* is the address of the next one."""
    return {"Cache-Control": "no-cache"} | ({"Link": f'<{following}>; rel="next"'} if following else {})


def address_after(path: str, last: Row, params: MultiMapping[str]) -> str:
    """Where to go on behind *last*."""
    cursor = base64.urlsafe_b64encode(f"{last['created']}.{last['id']}".encode()).decode()
    kept = [(name, value) for name, value in params.items() if name != "cursor"]
    return f"{path}?{urlencode([*kept, ('cursor', cursor)])}"

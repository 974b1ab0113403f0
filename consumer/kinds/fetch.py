"""Asks a web API for many pages or records at once, and lists the people in its answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin

from pydantic import Field, model_validator

from consumer.errands import Done, Each, Place, Reject, Row, Terms
from consumer.kinds import BadInput, Column, Kind, Load, Params
from consumer.parts import pages
from consumer.parts.sentences import count
from protocol.records import RecordColumn, RecordTable

if TYPE_CHECKING:  # a client for HTTP is for the process that asks, not for those that only look at the kind
    from consumer.http.browsing import Answer, Web

MOST = 1_000_000
MARK = "{i}"


class FetchParams(Params):
    url: str | None = Field(
        None,
        min_length=1,
        max_length=2000,
        title="URL",
        description="Where to ask; {i} stands for each number of the range. Or send a table with a column url.",
    )
    first: int = Field(1, ge=0, le=10**12, title="First number", description="The first value of {i}.")
    last: int = Field(1, ge=0, le=10**12, title="Last number", description="The last value of {i}.")
    concurrency: int = Field(10, ge=1, le=100, title="At a time", description="How many requests are under way.")
    per_second: float | None = Field(
        None, gt=0, le=1000, title="Requests a second", description="No more may begin than that."
    )
    timeout: float = Field(30.0, gt=0, le=600, title="Patience", description="Seconds for one item with all its pages.")
    tries: int = Field(4, ge=1, le=10, title="Tries", description="How often an item is asked for.")
    wait: float = Field(
        1.0, ge=0, le=300, title="Pause", description="Seconds before the second try; four times as long each time."
    )
    most_bytes: int = Field(
        2**20, ge=1, le=64 * 2**20, title="Largest answer", description="Bytes of one item with all its pages."
    )
    most_pages: int = Field(
        100, ge=1, le=10_000, title="Pages", description="How many pages of one item are read at most."
    )
    fields: tuple[str, ...] = Field(
        (),
        max_length=7,
        title="Fields",
        description="Where a column is, if it is not found, such as first_name=name.first.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.first <= self.last < self.first + MOST:
            raise ValueError(f"last must not be before first, nor {MOST:,} numbers after it")
        for field in self.fields:
            if field.partition("=")[0] not in pages.PEOPLE or not field.partition("=")[2]:
                raise ValueError(f"fields: {field!r} is not one of {', '.join(pages.PEOPLE)}, = and a path")
        return self

    @property
    def paths(self) -> dict[str, str]:
        return {column: path for column, _, path in (field.partition("=") for field in self.fields)}


def columns(_params: FetchParams) -> Sequence[Column]:
    return (Column("url"),)


def source(params: FetchParams) -> Iterator[tuple[str]]:
    """The URLs of the range; one alone where there is no place for a number in it."""
    url = params.url or ""
    numbers = range(params.first, params.last + 1) if MARK in url else range(1)
    return ((url.replace(MARK, str(number)),) for number in numbers)


def terms(params: FetchParams) -> Terms:
    return Terms(
        concurrency=params.concurrency,
        per_second=params.per_second,
        timeout=params.timeout,
        tries=params.tries,
        first_delay=params.wait,
    )


def opens(params: FetchParams, place: Place) -> AbstractAsyncContextManager[Web]:
    origins = place.settings.fetch_hosts
    if not origins:
        raise BadInput("No host may be asked here: the operator names some in ROWMILL_FETCH_HOSTS.", "no_host")
    if params.url is not None:
        _check_host(next(source(params))[0], origins)
    from consumer.http.browsing import browsing  # noqa: PLC0415 - see above

    return browsing(origins, params.concurrency)


def _check_host(url: str, origins: Sequence[str]) -> None:
    """A range whose every item would be refused is refused at once."""
    from consumer.http.browsing import allow  # noqa: PLC0415 - see above

    try:
        allow(url, origins)
    except Reject as no:
        raise BadInput(f"url: {no}.", "no_host") from None


async def do(row: Row, params: FetchParams, web: Web) -> Done:
    """Ask for one item, page by page."""
    people: list[dict[str, str]] = []
    url: str | None = row["url"]
    left, seen, others = params.most_bytes, set[str](), 0
    while url and url not in seen and len(seen) < params.most_pages:
        seen.add(url)
        answer = await web.get(url, left)
        left -= len(answer.body)
        value = _parse(answer.body)
        found = [pages.person(record, params.paths) for record in pages.records(value)]
        people += [person for person in found if person]
        others += found.count({})
        url = _next(answer, value)
    if others and not people:
        raise Reject("nothing in the answer describes a person")
    return Done(_say(len(people), len(seen), others, more=bool(url and url not in seen)), people)


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Reject("the answer is not JSON") from None


def _next(answer: Answer, value: Any) -> str | None:
    match pages.next_page(value):
        case str(url):
            return urljoin(answer.url, url)
        case int(number):
            return _numbered(answer.url, number)
    return answer.next


def _numbered(url: str, page: int) -> str:
    if re.search(r"[?&]page=\d+", url):
        return re.sub(r"([?&]page=)\d+", rf"\g<1>{page}", url)
    return f"{url}{'&' if '?' in url else '?'}page={page}"


def _say(people: int, asked: int, others: int, *, more: bool) -> str:
    parts = [count(people, "record")]
    parts += [f"{asked} pages"] if asked > 1 else []
    parts += [f"{others} that describe nobody"] if others else []
    return ", ".join(parts) + (", and more pages than may be read" if more else "")


def headline(numbers: Mapping[str, Any]) -> str:
    failed = f"; {numbers['rejected']:,} failed" if numbers["rejected"] else ""
    asked = f"{numbers['fetched']:,} of {count(numbers['rows'], 'item')} fetched"
    return f"{asked}{failed}; {count(numbers['people'], 'record')}."


KIND = Kind(
    title="Fetch",
    description="Ask a web API for many pages at once, and list the people in its answers.",
    params=FetchParams,
    columns=columns,
    stands_in=("url",),
    source=source,
    headline=headline,
    load=Load(table=RecordTable(name="people", columns=tuple(RecordColumn(name=name) for name in pages.PEOPLE))),
    each=Each(do=do, opens=opens, terms=terms, done="fetched", brings="people", columns=tuple(pages.PEOPLE)),
)

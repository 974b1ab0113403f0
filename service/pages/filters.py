"""What the address of the page's list asks for; what makes no sense in it asks for nothing. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlencode

from multidict import MultiDict

from protocol.databases import Row
from protocol.job import State
from service.jobs import listing
from service.selection import Query

STATES = (("", "All"), *((state.value, state.value.capitalize()) for state in State if state != State.WAITING))
PERIODS = {"": "Any time", "1h": "Last hour", "1d": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}
UNDER_WAY = f"{State.RUNNING},{State.WAITING}"
DIGITS = 17  # of microseconds, in 64 bits


@dataclass(frozen=True)
class Filters:
    """Which jobs the list shows. One that waits for its next attempt counts as running."""

    q: str = ""
    state: str = ""
    kind: str = ""
    since: str = ""

    def __bool__(self) -> bool:
        return self != Filters()

    def address(self, **changes: str) -> str:
        """Where the page shows the list that is changed so."""
        return f"/?{text}" if (text := _spelled(asdict(replace(self, **changes)))) else "/"

    def behind(self, last: Row) -> str:
        """Where the list goes on behind its *last* job."""
        after = f"{last['created']}-{last['id']}"
        return f"/?{_spelled(asdict(self) | {'after': after})}"

    @property
    def asked(self) -> dict[str, str]:
        """The same in the parameters of the API."""
        given = asdict(self) | ({"state": UNDER_WAY} if self.state == State.RUNNING else {})
        return {name: value for name, value in given.items() if value}

    @property
    def for_api(self) -> str:
        return urlencode(self.asked)

    def query(self, now: float, after: str, limit: int) -> Query:
        at, _, job_id = after.partition("-")
        place = (int(at), job_id) if at.isascii() and at.isdigit() and len(at) <= DIGITS else None
        return replace(listing.parse_filters(MultiDict(self.asked), now), after=place, limit=limit)


def read_filters(given: Mapping[str, str], kinds: Collection[str]) -> Filters:
    """What the address asks for, of that which there is."""
    words = given.get("q", "")[: listing.LETTERS].split()[: listing.WORDS]
    return Filters(
        q=" ".join(words),
        state=_among(given.get("state", ""), set(State)),
        kind=_among(given.get("kind", ""), kinds),
        since=_among(given.get("since", ""), PERIODS),
    )


def _among(value: str, known: Collection[str]) -> str:
    return value if value in known else ""


def _spelled(pairs: Mapping[str, str]) -> str:
    return urlencode({name: value for name, value in pairs.items() if value})

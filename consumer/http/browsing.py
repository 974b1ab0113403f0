"""HTTP of the consumer: small answers from hosts that the operator allows, for the kind `fetch`, and calls of webhooks.

What is judged is what is asked: the parsed URL itself, and the very addresses that are then connected to.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from consumer.errands import Later, Reject
from consumer.http.addresses import is_address, is_public
from consumer.http.fetching import BUSY, MOVED, REDIRECTS
from consumer.webhooks.calling import Answered, Forbidden, Outcome, Unreached
from protocol import webhooks

BLOCK = 64 * 2**10
CONNECT = 10.0  # seconds
CALL = 20.0  # seconds for a whole call of a webhook
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "rowmill"}
OK = 200


@dataclass(frozen=True)
class Answer:
    """A whole answer, where it came from after all redirects, and what it names as the next page."""

    url: str
    body: bytes
    next: str | None


class Web:
    """The hosts of *origins* (`scheme://host:port`), and no other."""

    def __init__(self, session: aiohttp.ClientSession, origins: Sequence[str]) -> None:
        self._session, self._origins = session, frozenset(origins)

    async def get(self, url: str, most: int) -> Answer:
        """The answer, of at most *most* bytes; Reject or Later say why there is none."""
        place = allow(url, self._origins)
        try:
            for _ in range(REDIRECTS):
                async with self._session.get(place, allow_redirects=False) as response:
                    if response.status not in MOVED or "Location" not in response.headers:
                        return await _read(response, most)
                    place = allow(str(place.join(URL(response.headers["Location"]))), self._origins)
        except aiohttp.ClientSSLError as exc:
            raise Reject(f"no safe connection: {type(exc).__name__}") from None
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise Later(f"not reached: {type(exc).__name__}") from None
        raise Reject("redirects too often")


def allow(url: str, origins: Collection[str]) -> URL:
    """*url*, if its host may be asked; else Reject."""
    try:
        place = URL(url)
        origin = f"{place.scheme}://{place.host_subcomponent}:{place.port}"
    except ValueError:
        raise Reject("not a URL") from None
    if origin not in origins or place.raw_user is not None or place.raw_password is not None:
        raise Reject("not a host that may be asked here (ROWMILL_FETCH_HOSTS)")
    return place


async def _read(response: aiohttp.ClientResponse, most: int) -> Answer:
    if response.status in BUSY:
        raise Later(f"answered {response.status}", _seconds(response.headers.get("Retry-After", "")))
    if response.status != OK:
        raise Reject(f"answered {response.status}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Reject("answered in an encoding that nobody asked for")
    body = bytearray()
    async for block in response.content.iter_chunked(BLOCK):
        body += block
        if len(body) > most:
            raise Reject(f"more than {most:,} bytes")
    link = response.links.get("next")
    return Answer(str(response.url), bytes(body), str(link["url"]) if link else None)


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004 - no date


class Judged(AbstractResolver):
    """Looks names up, once for both the judging and the connecting. One that leads to a private address is refused."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        if not all(is_public(str(entry[4][0])) for entry in found):
            raise Reject("the name leads to an address that is not public")
        return [_resolved(host, port, entry[0], str(entry[4][0])) for entry in found]

    async def close(self) -> None:
        """Nothing is kept open."""


def _resolved(host: str, port: int, family: int, address: str) -> ResolveResult:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)


@asynccontextmanager
async def browsing(origins: Sequence[str], connections: int) -> AsyncIterator[Web]:
    """A session of so many connections at a time. An address that the operator wrote out needs no looking up."""
    connector = aiohttp.TCPConnector(resolver=Judged(), limit=connections, ttl_dns_cache=30)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    ) as session:
        yield Web(session, origins)


class Calls:
    """Calls webhooks: those of public addresses in TLS, and those that are *trusted*, which the operator named."""

    def __init__(self, judged: aiohttp.ClientSession, free: aiohttp.ClientSession, trusted: Sequence[str]) -> None:
        self._judged, self._free, self._trusted = judged, free, frozenset(trusted)

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        trusted = webhooks.is_trusted(url, self._trusted)
        if wrong := webhooks.find_fault(url, self._trusted) or (None if trusted else _find_private(url)):
            return Forbidden(f"the address {wrong}")
        session = self._free if trusted else self._judged
        try:
            place = URL(url, encoded=True)
            async with session.post(place, data=body, headers=headers, allow_redirects=False) as response:
                return Answered(response.status, _seconds(response.headers.get("Retry-After", "")))
        except Reject as exc:
            return Forbidden(f"{exc} (ROWMILL_WEBHOOK_HOSTS may allow it)")
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Unreached(f"not reached: {type(exc).__name__}")


def _find_private(url: str) -> str | None:
    """What is an address already is looked up by nobody."""
    host = URL(url, encoded=True).raw_host
    if not is_address(host) or is_public(host or ""):
        return None
    return "is not public (ROWMILL_WEBHOOK_HOSTS may allow it)"


@asynccontextmanager
async def calling(trusted: Sequence[str], connections: int) -> AsyncIterator[Calls]:
    """So many connections at a time, each for one call; what is trusted may lead anywhere."""
    async with _session(connections, Judged()) as judged, _session(connections) as free:
        yield Calls(judged, free, trusted)


def _session(connections: int, resolver: AbstractResolver | None = None) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(resolver=resolver, limit=connections, force_close=True, use_dns_cache=False)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=CALL, sock_connect=CONNECT),
        headers={"Accept-Encoding": "identity", "User-Agent": "rowmill"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )

"""Gets a table from a URL that the operator allows, and from nowhere else: the one home of HTTP in the consumer.

Each address is looked up once, judged, and the one that was judged is connected to; a redirect is a new URL with
everything to prove again. Blocking calls run in threads, one block at a time, so that nothing is held in memory.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import posixpath
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

BLOCK = 2**18
WAIT = 20.0  # seconds for one read
TOTAL = 1800.0  # seconds for a whole table
REDIRECTS = 5
MOVED = {301, 302, 303, 307, 308}
BUSY = {408, 425, 429, 500, 502, 503, 504}
CARRIED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))  # IPv4 inside IPv6

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Unfetchable(Exception):
    """The table cannot be had; `again` says whether later it may."""

    def __init__(self, detail: str, *, again: bool = False) -> None:
        super().__init__(detail)
        self.again = again


@dataclass(frozen=True)
class Moved:
    to: str


@dataclass(frozen=True)
class Answer:
    """A response whose body is still to be read."""

    connection: http.client.HTTPConnection
    response: http.client.HTTPResponse

    def read(self, size: int) -> bytes:
        block = self.response.read(size)
        if not block and self.response.length:
            raise http.client.IncompleteRead(b"", self.response.length)
        return block

    def close(self) -> None:
        self.response.close()
        self.connection.close()


def allow(url: str, sources: Sequence[str]) -> SplitResult:
    """The parts of *url*, which lies under one of *sources*, or Unfetchable."""
    try:
        parts = urlsplit(url)
        allowed = parts.scheme in {"https", "file"} and any(_under(parts, urlsplit(source)) for source in sources)
    except ValueError:
        allowed = False
    if not allowed:
        raise Unfetchable("source.url lies under none of the sources that are allowed here.")
    return parts


def _under(url: SplitResult, source: SplitResult) -> bool:
    path = unquote(url.path)
    if url.username or url.password or "\\" in path or re.search(r"[\x00-\x20\x7f]", url.geturl()):
        return False
    if posixpath.normpath(path) != path.rstrip("/") or (url.scheme, url.hostname) != (source.scheme, source.hostname):
        return False
    folder = source.path.rstrip("/")
    return _port(url) == _port(source) and (path == folder or path.startswith(f"{folder}/"))


def _port(url: SplitResult) -> int | None:
    return url.port or (443 if url.scheme == "https" else None)


async def fetch(url: str, sources: Sequence[str]) -> AsyncIterator[bytes]:
    """The bytes at *url*, a block at a time, or Unfetchable."""
    try:
        async with asyncio.timeout(TOTAL):
            opened = await _follow(url, sources)
            with closing(opened):
                while block := await asyncio.to_thread(opened.read, BLOCK):
                    yield block
    except TimeoutError:
        raise Unfetchable("The source took too long.", again=True) from None
    except (OSError, http.client.HTTPException) as exc:
        raise Unfetchable(f"The source cannot be read: {type(exc).__name__}.", again=True) from None


async def _follow(url: str, sources: Sequence[str]) -> BinaryIO | Answer:
    for _ in range(REDIRECTS):
        parts = allow(url, sources)
        if parts.scheme == "file":
            return await asyncio.to_thread(_open_file, parts, sources)
        literal = any(_is_address(urlsplit(source).hostname) for source in sources)
        found = await asyncio.to_thread(partial(_get, parts, literal=literal and _is_address(parts.hostname)))
        if not isinstance(found, Moved):
            return found
        url = urljoin(url, found.to)
    raise Unfetchable("The source redirects too often.")


def _open_file(parts: SplitResult, sources: Sequence[str]) -> BinaryIO:
    """The file, wherever its links lead, provided that is allowed too."""
    real = Path(unquote(parts.path)).resolve()
    folders = [Path(unquote(urlsplit(source).path)).resolve() for source in sources if source.startswith("file:")]
    if not any(real.is_relative_to(folder) for folder in folders) or not real.is_file():
        raise Unfetchable("There is no such file among the sources that are allowed here.")
    return real.open("rb")


def _get(parts: SplitResult, *, literal: bool) -> Answer | Moved:
    host, port = str(parts.hostname), _port(parts)
    with ExitStack() as stack:
        plain = socket.create_connection((_judged(host, port, literal=literal), port), timeout=WAIT)
        stack.callback(plain.close)
        connection = http.client.HTTPConnection(host, port, timeout=WAIT)
        stack.callback(connection.close)
        connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        headers = {"Host": parts.netloc, "Accept-Encoding": "identity", "User-Agent": "rowmill"}
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        if response.status == http.HTTPStatus.OK:
            stack.pop_all()
            return Answer(connection, response)
        return _explain(response)


def _explain(response: http.client.HTTPResponse) -> Moved:
    if response.status in MOVED and (to := response.getheader("Location")):
        return Moved(to)
    raise Unfetchable(f"The source answered {response.status}.", again=response.status in BUSY)


def _judged(host: str, port: int | None, *, literal: bool) -> str:
    """The address to connect to. A name must not lead to a private one; an address the operator wrote out may be."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not literal and not all(_is_public(address) for address in addresses):
        raise Unfetchable("The source's name leads to an address that is not public.")
    return addresses[0]


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    return all(one.is_global and not one.is_multicast for one in _insides(address))


def _insides(address: Address) -> Iterator[Address]:
    """*address*, and the IPv4 address that it may carry."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            yield address.ipv4_mapped
        if any(address in network for network in CARRIED):
            yield ipaddress.IPv4Address(0)  # whatever it leads to, it is not plainly public


def _is_address(host: str | None) -> bool:
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True

"""Gets a table from a URL that the operator allows, and from nowhere else.

Each name is looked up once, its addresses are judged, and those that were judged are connected to; a redirect is a new
URL with everything to prove again. Blocking calls run on a thread of the fetch's own, one block at a time; whoever
gives up breaks the connection off, so that no thread goes on waiting for a server that trickles.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import posixpath
import re
import socket
import ssl
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from consumer.http import addresses

BLOCK = 2**18
WAIT = 20.0  # seconds for one answer of the network
STEP = 60.0  # seconds until a server has answered, or the next block is there
TOTAL = 1800.0  # seconds for a whole table
REDIRECTS = 5
MOVED = {301, 302, 303, 307, 308}
BUSY = {408, 425, 429, 500, 502, 503, 504}
SPELLED = "%/:=&?~#+!$,;'@()*[]"  # what an address holds as it is, beside letters and digits
OPENED = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

T = TypeVar("T")


class Unfetchable(Exception):
    """The table cannot be had; `again` says whether later it may."""

    def __init__(self, detail: str, *, again: bool = False) -> None:
        super().__init__(detail)
        self.again = again


class Body(Protocol):
    """What blocks are read from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Moved:
    to: str


@dataclass(frozen=True)
class Answer:
    """A response whose body is still to be read."""

    response: http.client.HTTPResponse

    def read(self, size: int, /) -> bytes:
        block = self.response.read(size)
        if not block and self.response.length:
            raise http.client.IncompleteRead(b"", self.response.length)
        return block


class Wire:
    """The thread of one fetch, what is open on it, and the socket that it may be waiting on."""

    def __init__(self) -> None:
        self.open = ExitStack()  # used on the thread only
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fetch")
        self._socket: socket.socket | None = None
        self._broken = False
        self._end = asyncio.get_running_loop().time() + TOTAL

    async def call(self, work: Callable[..., T], *arguments: object) -> T:
        """Run *work* on the thread. Its time is measured here, because each block may be another task's."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(min(self._end, loop.time() + STEP)):
            return await loop.run_in_executor(self._thread, lambda: work(*arguments))

    def hold(self, held: socket.socket) -> None:
        """The thread is going to wait on this one."""
        self._socket = held
        if self._broken:
            self._shut()

    def break_off(self) -> None:
        """Have whatever still waits on the thread fail now, and then close what is open."""
        self._broken = True
        self._shut()
        self._thread.submit(self.open.close)
        self._thread.shutdown(wait=False)

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # of the plain one, also under TLS


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


@asynccontextmanager
async def fetch(url: str, sources: Sequence[str]) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes at *url*, a block at a time; Unfetchable from here, or from the iteration."""
    wire = Wire()
    try:
        with _explained():
            opened = await _follow(url, sources, wire)
        yield _read(opened, wire)
    finally:
        wire.break_off()


async def _read(opened: Body, wire: Wire) -> AsyncIterator[bytes]:
    while True:
        with _explained():
            block = await wire.call(opened.read, BLOCK)
        if not block:
            return
        yield block


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise Unfetchable("The source took too long.", again=True) from None
    except (OSError, http.client.HTTPException) as exc:
        raise Unfetchable(f"The source cannot be read: {type(exc).__name__}.", again=True) from None
    except ValueError:  # of a name or an address that only its user finds to be none; later it is none either
        raise Unfetchable("The source's address cannot be used.") from None


async def _follow(url: str, sources: Sequence[str], wire: Wire) -> Body:
    parts = allow(url, sources)
    if parts.scheme == "file":
        return await wire.call(_open_file, parts, sources, wire)
    sources = [source for source in sources if urlsplit(source).scheme == "https"]  # no server names files of ours
    for _ in range(REDIRECTS):
        found = await wire.call(_get, parts, wire)
        if not isinstance(found, Moved):
            return found
        parts = allow(urljoin(parts.geturl(), found.to), sources)
    raise Unfetchable("The source redirects too often.")


def _open_file(parts: SplitResult, sources: Sequence[str], wire: Wire) -> Body:
    """The file, wherever its links lead, provided that is allowed too."""
    real = Path(unquote(parts.path)).resolve()
    folders = [Path(unquote(urlsplit(source).path)).resolve() for source in sources if source.startswith("file:")]
    folder = next((folder for folder in folders if real.is_relative_to(folder)), None)
    opened = _descend(folder.parent, real) if folder else None
    if opened is None:
        raise Unfetchable("There is no such file among the sources that are allowed here.")
    return wire.open.enter_context(os.fdopen(opened, "rb"))


def _descend(folder: Path, real: Path) -> int | None:
    """Open *real*, which had no link in it a moment ago: one that somebody puts there now is not followed."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in real.relative_to(folder).parts:
            inner = os.open(name, OPENED, dir_fd=at)
            os.close(at)
            at = inner
    except OSError:
        os.close(at)
        return None
    if stat.S_ISREG(os.fstat(at).st_mode):
        return at
    os.close(at)
    return None


def _get(parts: SplitResult, wire: Wire) -> Answer | Moved:
    host, port = str(parts.hostname), _port(parts)
    connection = http.client.HTTPConnection(host, port, timeout=WAIT)
    wire.open.callback(connection.close)
    connection.sock = _secure(_connect(host, port), host, wire)
    target = quote(parts._replace(scheme="", netloc="", fragment="").geturl(), safe=SPELLED) or "/"
    headers = {"Host": parts.netloc, "Accept-Encoding": "identity", "User-Agent": "rowmill"}
    connection.request("GET", target, headers=headers)
    response = wire.open.enter_context(connection.getresponse())
    return Answer(response) if response.status == http.HTTPStatus.OK else _explain(response)


def _connect(host: str, port: int | None) -> socket.socket:
    """To the first address that answers. A name must not lead to a private one; what is written out may be one."""
    try:
        # A literal address is one that the operator wrote out: only then it lies under a source.
        return addresses.connect(host, port, literal=addresses.is_address(host), timeout=WAIT / 2)
    except addresses.NotPublic:
        raise Unfetchable("The source's name leads to an address that is not public.") from None


def _secure(plain: socket.socket, host: str, wire: Wire) -> socket.socket:
    """*plain* under TLS. One that ends without a word has been cut off, and what came over it is not the whole."""
    context = ssl.create_default_context()
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # which Python 3.11.2 sets
    with plain:  # wrapping takes its file descriptor over
        wire.hold(plain)
        plain.settimeout(WAIT)
        secure = context.wrap_socket(plain, server_hostname=host, suppress_ragged_eofs=False)
    wire.hold(secure)
    return secure


def _explain(response: http.client.HTTPResponse) -> Moved:
    if response.status in MOVED and (to := response.getheader("Location")):
        return Moved(to)
    raise Unfetchable(f"The source answered {response.status}.", again=response.status in BUSY)

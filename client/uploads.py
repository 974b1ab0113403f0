"""What is submitted: a file or stdin, read in pieces while it is sent; and the parameters as they are typed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client.exits import Usage

PIECE = 256 * 1024
STDIN = Path("-")


@dataclass(frozen=True, kw_only=True)
class Upload:
    """`size` is None where nobody can know it beforehand: a pipe. `kind` None leaves the choice to the server.

    It goes `to` the call that makes a job of it. `path` is None where parameters stand in for a table.
    """

    path: Path | None
    to: str = "/v1/jobs"
    kind: str | None = None
    params: dict[str, Any]
    reading: dict[str, Any] = field(default_factory=dict)
    emails: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()
    priority: str = "normal"

    @property
    def name(self) -> str:
        if self.path is None:
            return self.kind or ""
        return "stdin.csv" if self.path == STDIN else self.path.name

    @property
    def size(self) -> int | None:
        if self.path is None:
            return 0
        return None if self.path == STDIN else self.path.stat().st_size

    @property
    def again(self) -> bool:
        """Whether it can be read a second time."""
        return self.path != STDIN

    @property
    def query(self) -> list[tuple[str, str]]:
        kind = [("kind", self.kind)] if self.kind else []
        params = [("params", json.dumps(self.params))] if self.params else []
        reading = [("reading", json.dumps(self.reading))] if self.reading else []
        told = [("email", address) for address in self.emails] + [("webhook", url) for url in self.webhooks]
        name = [("filename", self.name)] if self.path else []
        return [*kind, *params, *reading, *told, ("priority", self.priority), *name]

    async def pieces(self, sent: Callable[[int], object]) -> AsyncIterator[bytes]:
        """The bytes; *sent* is called with the length of each piece once the next one is asked for."""
        if self.path is None:
            return
        handle = sys.stdin.fileno() if self.path == STDIN else os.open(self.path, os.O_RDONLY)
        try:
            while piece := await _in_thread(os.read, handle, PIECE):
                yield piece
                sent(len(piece))
        finally:
            if self.path != STDIN:
                os.close(handle)


async def _in_thread(call: Callable[..., bytes], *arguments: Any) -> bytes:
    """Like `asyncio.to_thread`, but nobody waits for the thread at the end: reading a pipe may take for ever."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bytes] = loop.create_future()

    def settle(piece: bytes, problem: OSError | None) -> None:
        if problem and not future.done():
            future.set_exception(problem)
        elif not future.done():
            future.set_result(piece)

    def work() -> None:
        piece, problem = b"", None
        try:
            piece = call(*arguments)
        except OSError as exc:
            problem = exc
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, piece, problem)

    threading.Thread(target=work, daemon=True).start()
    return await future


def parse_columns(words: Iterable[str]) -> dict[str, str]:
    """`needed=name in the file` words as a mapping."""
    columns: dict[str, str] = {}
    for word in words:
        needed, equals, name = word.partition("=")
        if not equals or not needed or not name or needed in columns:
            raise Usage(f"--column {word}: write it once as NEEDED=NAME")
        columns[needed] = name
    return columns


def parse_params(words: Iterable[str]) -> dict[str, Any]:
    """`name=value` words as parameters: a value is JSON if it parses as JSON, else text."""
    params: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise Usage(f"-p {word}: write it as name=value")
        if name in params:
            raise Usage(f"-p {word}: {name} is there twice")
        params[name] = parse_value(value)
    return params


def parse_value(text: str) -> Any:
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)  # Python reads NaN and 1e999, but they are not JSON
    except (ValueError, RecursionError):
        return text
    return value

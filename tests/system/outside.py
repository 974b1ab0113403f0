"""A web API and a mail server for errands: they answer well, badly, late or never, and count what they are asked."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, TypeVar

from aiohttp import web
from aiosmtpd import smtp as aiosmtpd

OK = "250 OK"


def person(number: int) -> dict[str, Any]:
    """As one web service tells it: nested, and by names of its own."""
    return {
        "name": {"first": f"First{number}", "last": f"Last{number}"},
        "email": f"p{number}@example.org",
        "location": {"city": "Köln, am Rhein", "country": "Germany", "countryCode": "DE"},
        "bio": f'Says "{number}"\nand more',
    }


A = TypeVar("A", bound="Api")


@dataclass
class Api:
    """`/item/{n}` answers as `fate(n)` says: well, or with a status, or slow, hang or busy the first time."""

    fate: Callable[[int], str]
    latency: float = 0.0
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0

    async def item(self, request: web.Request) -> web.StreamResponse:
        number, path = int(request.match_info["n"]), request.path_qs
        self.asked[path] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(number, path)
        finally:
            self.at_once -= 1

    async def _answer(self, number: int, path: str) -> web.StreamResponse:
        fate = self.fate(number)
        await asyncio.sleep(self.latency * (10 if fate == "slow" else 1))
        if fate == "hang":
            await asyncio.Event().wait()
        if fate == "busy" and self.asked[path] == 1:
            return web.Response(status=503)
        return web.Response(status=int(fate)) if fate.isdigit() else web.json_response(person(number))


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def open_api(fate: Callable[[int], str], latency: float = 0.0, make: type[A] = Api) -> AsyncIterator[A]:  # type: ignore[assignment]
    api = make(fate, latency)
    app = web.Application()
    app.router.add_get("/item/{n}", api.item)
    async with serving(app) as api.url:
        yield api


@dataclass
class Post:
    """A mail server: `fate(recipient)` is ok, busy (4xx at first), refused (550) or drop (no answer to the mail)."""

    fate: Callable[[str], str] = lambda _to: "ok"
    port: int = 0
    tries: Counter[str] = field(default_factory=Counter)
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    connections: int = 0

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        self.tries[address] += 1
        match self.fate(address):
            case "busy" if self.tries[address] == 1:
                return "451 4.7.1 try again later"
            case "refused":
                return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return OK

    async def handle_DATA(self, server: aiosmtpd.SMTP, _session: Any, envelope: Any) -> str:
        [recipient] = envelope.rcpt_tos
        self.taken.append((recipient, bytes(envelope.content)))
        if self.fate(recipient) == "drop":
            server.transport.abort()
        return OK

    @property
    def delivered(self) -> Counter[str]:
        return Counter(recipient for recipient, _ in self.taken)

    def mail_to(self, recipient: str) -> EmailMessage:
        [content] = [content for to, content in self.taken if to == recipient]
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message


@asynccontextmanager
async def open_post(fate: Callable[[str], str] = lambda _to: "ok") -> AsyncIterator[Post]:
    post = Post(fate)

    def session() -> aiosmtpd.SMTP:
        post.connections += 1
        return aiosmtpd.SMTP(post, hostname="mx.example", enable_SMTPUTF8=False)

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    async with server:
        post.port = server.sockets[0].getsockname()[1]
        yield post


def as_json(value: Any) -> web.Response:
    return web.Response(body=json.dumps(value).encode(), content_type="application/json")

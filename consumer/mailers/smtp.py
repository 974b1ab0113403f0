"""smtp://user:password@host:port?starttls=always|auto|never - hands mails to a mail server.

Until DATA nothing can have been delivered, so whatever goes wrong there may be tried again. From DATA on only
the server's clear answer counts: a time-out or a lost connection says nothing about what became of the mail.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any, cast
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from aiosmtplib import SMTP, SMTPException, SMTPRecipientsRefused, SMTPResponseException

from consumer.mailers import Deferred, Outcome, Refused, Sent, Unclear, address_in
from protocol.adapters import BadConfig

STARTTLS = {"always": True, "auto": None, "never": False}
FAILURES = (SMTPException, OSError)  # OSError holds time-outs, resets, DNS and TLS
GOODBYE = 2.0  # seconds; by then the mail's fate is known
TEMPORARY, PERMANENT = range(400, 500), range(500, 600)


@dataclass(frozen=True)
class Server:
    """Where the server is and how it wants to be spoken to."""

    host: str
    port: int | None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    starttls: bool | None = None

    def client(self, timeout: float) -> SMTP:
        return SMTP(
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=self.password,
            use_tls=self.tls,
            start_tls=self.starttls,
            timeout=timeout,
        )


class Smtp:
    """`timeout` is for each answer, in seconds; `patience` for the one after the mail, which servers take time for."""

    repeatable = False

    def __init__(self, server: Server, *, timeout: float = 30.0, patience: float = 300.0) -> None:
        self._server, self._timeout, self._patience = server, timeout, patience

    async def send(self, message: EmailMessage) -> Outcome:
        async with self.conversing() as conversation:
            return await conversation.send(message)

    @asynccontextmanager
    async def conversing(self) -> AsyncIterator[Conversation]:
        conversation = Conversation(self._server, self._timeout, self._patience)
        try:
            yield conversation
        finally:
            await conversation.end()

    async def ready(self) -> str | None:
        client = self._server.client(self._timeout)
        try:
            async with asyncio.timeout(3 * self._timeout):
                await client.connect()  # with TLS and the password, as `send` does it
                await client.noop()
        except FAILURES as exc:
            return _say(exc)
        finally:
            await _leave(client)
        return None


class Conversation:
    """One mail after the other over one connection, which is made anew when it is lost. Not for two at a time."""

    def __init__(self, server: Server, timeout: float, patience: float) -> None:
        self._server, self._timeout, self._patience = server, timeout, patience
        self._client: SMTP | None = None

    async def send(self, message: EmailMessage) -> Outcome:
        kept = self._client is not None
        outcome = await self._try(message)
        if kept and isinstance(outcome, Deferred) and self._client is None:
            outcome = await self._try(message)  # the server had ended what was kept, which says nothing about this mail
        return outcome

    async def end(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await _leave(client)

    async def _try(self, message: EmailMessage) -> Outcome:
        try:
            client = self._client = self._client or await self._connect()
        except FAILURES as exc:  # also a wrong password: that is about the server, not about this mail
            return Deferred(f"no connection to the mail server: {_say(exc)}")
        outcome: Outcome = Unclear("broken off")
        try:
            outcome = await self._address(client, message) or await self._hand_over(client, message)
        finally:
            await self._go_on(client, outcome)
        return outcome

    async def _connect(self) -> SMTP:
        client = self._server.client(self._timeout)
        async with asyncio.timeout(3 * self._timeout):  # looking up our own name has no time limit of its own
            await client.connect()
        return client

    async def _go_on(self, client: SMTP, outcome: Outcome) -> None:
        """Keep the connection for the next mail, as long as both sides know where they are."""
        if isinstance(outcome, Unclear):
            client.close()
        elif client.is_connected and not isinstance(outcome, Sent):
            with suppress(*FAILURES):
                await client.rset(timeout=GOODBYE)
        if not client.is_connected:
            self._client = None

    async def _address(self, client: SMTP, message: EmailMessage) -> Outcome | None:
        """MAIL and RCPT; None when the server wants to see the mail."""
        sender, to = address_in(message, "From"), address_in(message, "To")
        international = not (sender + to).isascii()
        try:
            if international and not await _speaks_utf8(client):
                return Refused("the mail server takes no address that is not ASCII")
            encoding, options = ("utf-8", ["SMTPUTF8"]) if international else ("ascii", [])
            await client.mail(sender, encoding=encoding, options=options)
            await client.rcpt(to, encoding=encoding)
        except FAILURES as exc:
            return _judge(exc, Deferred(_say(exc)))
        return None

    async def _hand_over(self, client: SMTP, message: EmailMessage) -> Outcome:
        utf8 = not (address_in(message, "From") + address_in(message, "To")).isascii()
        policy = cast("EmailPolicy", message.policy).clone(utf8=utf8)
        data = await asyncio.to_thread(message.as_bytes, policy=policy)
        try:
            answer = await client.data(data, timeout=self._patience)
        except FAILURES as exc:
            return _judge(exc, Unclear(f"the mail server gave no clear answer after the mail: {_say(exc)}"))
        return Sent(f"{answer.code} {answer.message}"[:200])


async def _speaks_utf8(client: SMTP) -> bool:
    await client.ehlo()
    return client.supports_extension("smtputf8")


async def _leave(client: SMTP) -> None:
    try:
        await client.quit(timeout=GOODBYE)
    except FAILURES:
        pass  # the mail's fate was decided before
    finally:
        client.close()


def _judge(exc: Exception, otherwise: Outcome) -> Outcome:
    """A clear answer decides; without one it is *otherwise*."""
    if isinstance(exc, SMTPRecipientsRefused):  # it hides the answer in its first recipient
        exc = exc.recipients[0]
    if isinstance(exc, SMTPResponseException) and exc.code in TEMPORARY:
        return Deferred(_say(exc))
    if isinstance(exc, SMTPResponseException) and exc.code in PERMANENT:
        return Refused(_say(exc))
    return otherwise


def _say(exc: Exception) -> str:
    """One line for the person who wonders where the mail is."""
    text = f"{exc.code} {exc.message}" if isinstance(exc, SMTPResponseException) else str(exc) or type(exc).__name__
    return " ".join(text.encode("utf-8", "replace").decode().split())[:200]


def connect(url: str) -> Smtp:
    parts = urlsplit(url)
    starttls = parse_qs(parts.query).get("starttls", ["auto"])[-1]
    if starttls not in STARTTLS:
        raise BadConfig("ROWMILL_SMTP_URL: starttls is always, auto or never")
    return Smtp(Server(**_where(parts), tls=parts.scheme == "smtps", starttls=_upgrade(parts, starttls)))


def _upgrade(parts: SplitResult, starttls: str) -> bool | None:
    return False if parts.scheme == "smtps" else STARTTLS[starttls]


def _where(parts: SplitResult) -> dict[str, Any]:
    try:
        port = parts.port
    except ValueError:
        raise BadConfig("ROWMILL_SMTP_URL: the port is no number up to 65535") from None
    if not parts.hostname:
        raise BadConfig("ROWMILL_SMTP_URL: it names no host")
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    return {"host": parts.hostname, "port": port, "user": user, "password": password}

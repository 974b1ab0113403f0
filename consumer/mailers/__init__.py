"""The port to whoever takes mail from us. A sender says what became of one message; it never tries twice."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from email.headerregistry import UniqueAddressHeader
from email.message import EmailMessage
from typing import Protocol, cast

from protocol import adapters
from protocol.findings import Finding, fault


@dataclass(frozen=True)
class Sent:
    """Somebody else is responsible for it now."""

    detail: str | None = None


@dataclass(frozen=True)
class Deferred:
    """It was certainly not taken; later it may be."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """It was certainly not taken, and never will be."""

    reason: str


@dataclass(frozen=True)
class Unclear:
    """It may or may not have been taken: sending it again could make it two."""

    reason: str


Outcome = Sent | Deferred | Refused | Unclear


class Sender(Protocol):
    @property
    def repeatable(self) -> bool:
        """Whether the same message handed over twice is still one mail."""

    async def send(self, message: EmailMessage) -> Outcome:
        """Hand *message* over to its one recipient. Every failure is an outcome; nothing takes for ever."""

    async def ready(self) -> str | None:
        """None when mail would be taken now, as far as that can be tried without one; else why not."""

    def conversing(self) -> AbstractAsyncContextManager[Sending]:
        """The same for many mails, one after the other, by whatever can be kept in between."""


class Sending(Protocol):
    async def send(self, message: EmailMessage) -> Outcome:
        """As a sender does."""


def open_sender(url: str) -> Sender:
    """The sender for *url*: smtp://, smtps://, or file:// for a folder. BadConfig names what is wrong with it."""
    return cast("Sender", adapters.find(__name__, url).connect(url))


async def examine(url: str) -> Sequence[Finding]:
    """Whether mail can be handed over at *url*. None is sent."""
    why_not, place = await open_sender(url).ready(), url.rpartition("@")[2]
    if why_not:
        return [fault("mail", f"{place}: {why_not}", "Correct ROWMILL_SMTP_URL; mails wait until it works.")]
    return [Finding(part="mail", detail=f"{place} takes it")]


def address_in(message: EmailMessage, header: str) -> str:
    """The one bare address in *header*."""
    [address] = cast("UniqueAddressHeader", message[header]).addresses
    return address.addr_spec

"""The port through which messages travel; each adapter is the module named after its URL scheme."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar, cast

from protocol import adapters
from protocol.findings import Finding
from protocol.messages import Message, Stream

M = TypeVar("M", bound=Message)
M_co = TypeVar("M_co", bound=Message, covariant=True)


class NotSent(Exception):
    """Nobody took the message; send it again later."""


class Delivery(Protocol[M_co]):
    """One message in hand. It comes again, here or elsewhere, until it is acknowledged."""

    @property
    def message(self) -> M_co: ...

    async def ack(self) -> None:
        """The message is stored: it is ours now."""

    async def requeue(self) -> None:
        """Not now: offer it again."""

    async def bury(self, reason: str) -> None:
        """Nobody can use it: put it where an operator finds it, with the reason."""


class Transport(Protocol):
    async def publish(self, message: Message, envelope: bytes | None = None) -> None:
        """Return once somebody else is responsible for *message*, or raise NotSent.

        Who has it spelled already gives the *envelope* along.
        """

    def subscribe(self, stream: Stream[M], *, prefetch: int) -> AsyncIterator[Delivery[M]]:
        """The messages of *stream*, high priority first, at most *prefetch* of them unacknowledged.

        Who has enough does not ask for the next one; then messages wait where they are safe.
        """

    async def own(self, stream: Stream[Any], store: str) -> None:
        """Be who takes *stream* into the database *store* (an id); BadConfig where it goes into another one."""

    async def backlog(self, stream: Stream[Any]) -> int | None:
        """How many messages of *stream* wait to be taken; None where none can get lost. NotSent where nobody says."""

    async def ready(self) -> str | None:
        """None when messages can flow, else a sentence that says what is missing."""


def open_transport(url: str) -> AbstractAsyncContextManager[Transport]:
    return cast("AbstractAsyncContextManager[Transport]", adapters.find(__name__, url).connect(url))


async def examine(url: str) -> Sequence[Finding]:
    """What an operator should know of the broker at *url*; nothing there is changed."""
    return cast("Sequence[Finding]", await adapters.find(__name__, url).examine(url))

"""Sends a mail for each row, to exactly one address, never twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import quote

from pydantic import Field

from consumer.errands import Done, Each, Later, Place, Reject, Row, Terms, Unclear
from consumer.kinds import Column, Kind, Params
from consumer.mailers import Deferred, Outcome, Refused, Sending, Sent, open_sender
from consumer.mailers import Unclear as NobodyKnows
from consumer.parts.sentences import count

LONGEST = 900.0  # seconds of one mail: servers take their time, and the sender has limits of its own
LONGEST_DELAY = 7200.0


class MailingParams(Params):
    per_second: float = Field(10.0, gt=0, le=1000, title="Mails a second", description="No more may begin than that.")
    concurrency: int = Field(
        4, ge=1, le=50, title="Connections", description="How many connections to the mail server are used."
    )
    tries: int = Field(
        6, ge=1, le=10, title="Tries", description="How often a mail is sent that the server puts off (4xx)."
    )
    wait: float = Field(
        30.0, ge=0, le=3600, title="Pause", description="Seconds before the second try; four times as long each time."
    )


class Office:
    """The connections to the mail server, one mail at a time on each."""

    def __init__(self, place: Place, lines: Sequence[Sending]) -> None:
        self._place, self._free = place, asyncio.LifoQueue[Sending]()
        for line in lines:
            self._free.put_nowait(line)

    async def send(self, row: Row) -> Outcome:
        from consumer.parts import circulars  # noqa: PLC0415 - for who sends, not for those that only look at the kind

        settings = self._place.settings
        message = circulars.compose(
            self._place.job,
            row.line,
            to=row["email"],
            subject=row["subject"],
            text=row["message"],
            mail_from=settings.mail_from,
            unsubscribe=settings.unsubscribe_url,
        )
        line = await self._free.get()
        try:
            return await line.send(message)
        finally:
            self._free.put_nowait(line)


def columns(_params: MailingParams) -> Sequence[Column]:
    return tuple(map(Column, ("email", "subject", "message")))


def terms(params: MailingParams) -> Terms:
    return Terms(
        concurrency=params.concurrency,
        per_second=params.per_second,
        timeout=LONGEST,
        tries=params.tries,
        first_delay=params.wait,
        longest_delay=LONGEST_DELAY,
        repeatable=False,
    )


@asynccontextmanager
async def opens(params: MailingParams, place: Place) -> AsyncIterator[Office]:
    settings = place.settings
    sender = open_sender(settings.smtp_url or f"file://{quote(str(settings.data_dir))}/outbox")
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(sender.conversing()) for _ in range(params.concurrency)]
        yield Office(place, lines)


async def do(row: Row, _params: MailingParams, office: Office) -> Done:
    match await office.send(row):
        case Sent(detail):
            return Done(detail or "")
        case Deferred(reason):
            raise Later(reason)
        case Refused(reason):
            raise Reject(reason, "email")
        case NobodyKnows(reason):
            raise Unclear(reason)


def headline(numbers: Mapping[str, Any]) -> str:
    parts = [f"{count(numbers['sent'], 'mail')} of {numbers['rows']:,} sent"]
    parts += [f"{numbers['rejected']:,} refused"] if numbers["rejected"] else []
    parts += [f"of {numbers['unknown']:,} nobody knows"] if numbers["unknown"] else []
    return "; ".join(parts) + "."


KIND = Kind(
    title="Mailing",
    description="Send a mail for each row, to one address each, never twice.",
    params=MailingParams,
    columns=columns,
    headline=headline,
    each=Each(do=do, opens=opens, terms=terms, done="sent"),
)

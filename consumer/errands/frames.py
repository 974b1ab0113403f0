"""Values on the socket between the consumer and a process that runs errands: a length, and a pickle of our own."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import dataclass
from typing import Any

from consumer.errands import Outcome, Row, Terms
from consumer.steps import Task
from protocol.config import Settings

HEAD = 4
GONE = (asyncio.IncompleteReadError, ConnectionError)  # the other side is
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Start:
    """What the process is for: one job, on its terms."""

    task: Task
    terms: Terms
    settings: Settings


@dataclass(frozen=True)
class Ask:
    """Do this errand; the answer has the same number."""

    number: int
    row: Row


@dataclass(frozen=True)
class Answered:
    number: int
    outcome: Outcome


def send(writer: asyncio.StreamWriter, value: Any) -> None:
    body = pickle.dumps(value)
    writer.write(len(body).to_bytes(HEAD, "big") + body)


async def receive(reader: asyncio.StreamReader) -> Any:
    """The next value; one of GONE where nobody sends any more."""
    head = await reader.readexactly(HEAD)
    return pickle.loads(await reader.readexactly(int.from_bytes(head, "big")))  # noqa: S301 - our own

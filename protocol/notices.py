"""Who is told of a job's end, and what became of telling them."""

from __future__ import annotations

from protocol.value import Value


class Notify(Value):
    email: tuple[str, ...] = ()


class Mail(Value):
    to: str
    state: str  # pending, sending, sent, failed, unknown
    detail: str | None = None

"""Who is told of a job's end, and what became of telling them."""

from __future__ import annotations

from protocol.value import Value


class Notify(Value):
    email: tuple[str, ...] = ()
    webhook: tuple[str, ...] = ()


class Mail(Value):
    to: str
    state: str  # pending, sending, sent, failed, unknown
    detail: str | None = None


class Webhook(Value):
    url: str
    state: str  # pending, delivered, failed, disabled
    attempts: int = 0
    last_status: int | None = None
    detail: str | None = None

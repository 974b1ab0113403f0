"""Who may do what: scopes, and what is told of API keys. A key's secret is told once, to whoever made it."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum

from protocol.value import Value

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
OPERATOR = "operator"  # what the keys of the settings and the operator's own commands go by


class Scope(StrEnum):
    SUBMIT = "submit"  # make jobs; cancel, retry and delete one's own
    READ = "read"  # see one's own jobs
    ADMIN = "admin"  # everything, with everybody's jobs


class KeyFault(Exception):
    """What was asked about a key cannot be done; the message says why."""


class NameTaken(KeyFault):
    def __init__(self, name: str) -> None:
        super().__init__(f"The name {name} is or was another key's; its jobs would become the new key's. Take another.")


class NoSuchKey(KeyFault):
    def __init__(self, name: str) -> None:
        super().__init__(f"There is no key {name} that works.")


class KeyInfo(Value):
    """One key. `name` owns the jobs; a rotated name has two keys for a while."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    last_used_at: datetime | None = None
    ends_at: datetime | None = None
    active: bool = True


class NewKey(KeyInfo):
    """A key with its secret, which is shown now and never again."""

    key: str


class KeyList(Value):
    keys: tuple[KeyInfo, ...]

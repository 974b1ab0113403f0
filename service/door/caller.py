"""Who asks, as a value: what they may do, and which jobs they see."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from protocol.access import Scope


@dataclass(frozen=True)
class Caller:
    """`name` owns the jobs that are submitted; `job` is the one that a link opens; `csrf` belongs to a session."""

    name: str | None
    scopes: frozenset[Scope]
    job: str | None = None
    csrf: str | None = None
    key: str | None = None  # by which it was recognised, as an id

    def may(self, scope: str) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def sees(self, owner: str | None, job_id: str) -> bool:
        own = owner is not None and owner == self.name
        return own or self.job == job_id or Scope.ADMIN in self.scopes

    @property
    def only(self) -> str | None:
        """Whose jobs alone a list shows; None for everybody's."""
        return None if Scope.ADMIN in self.scopes else self.name or ""


ANYBODY = Caller(None, frozenset(Scope))  # where no keys are in use
NOBODY = Caller(None, frozenset())
CALLER = web.RequestKey("caller", Caller)

"""Where kinds come from: the modules of consumer.kinds, and what installed packages offer. Finds them; imports none.

A package offers a kind by an entry point of the group `rowmill.kinds`. What is wrong with one concerns no other.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from protocol.kinds import NAME

GROUP = "rowmill.kinds"
OURS = Path(__file__).parent / "kinds"
NO_KINDS = {"testing"}
Thing = TypeVar("Thing")


class NoKind(Exception):
    """A package offers as a kind what is none, or the kind gives what no kind does. It says itself where it is."""


def sure(value: object, wanted: type[Thing], what: str) -> Thing:
    """*value*, or NoKind where it is not as *wanted*."""
    if not isinstance(value, wanted):
        raise NoKind(f"{what} is of the type {type(value).__name__} and not a {wanted.__name__}")
    return value


def whole(text: str) -> str:
    """*text* without halves of characters: a job that has one cannot be stored, and would be tried for ever."""
    return text if text.isascii() else text.encode(errors="replace").decode()


@dataclass(frozen=True)
class Unfit:
    """An offer that cannot be taken, and why; `trace` is for the log."""

    name: str
    package: str
    why: str
    trace: str = ""


@dataclass(frozen=True)
class Origin:
    """A kind that is there. `package` is who brings it, `home` the module or package that its code lies in."""

    point: EntryPoint
    package: str
    home: str

    @property
    def name(self) -> str:
        return self.point.name

    def load(self) -> Any:
        """Import it. What comes is whatever the package says, and may be no kind."""
        return self.point.load()

    def unfit(self, why: str, trace: str = "") -> Unfit:
        """The same as one that cannot be taken."""
        return Unfit(self.name, self.package, why, trace)


def ours() -> dict[str, Origin]:
    """The kinds that ship."""
    names = {name for _, name, _ in pkgutil.iter_modules([str(OURS)])} - NO_KINDS
    return {name: _own(name) for name in sorted(names)}


def _own(name: str) -> Origin:
    home = f"consumer.kinds.{name}"
    return Origin(EntryPoint(name, f"{home}:KIND", GROUP), "rowmill", home)


@cache
def origins() -> dict[str, Origin]:
    """Every kind by its name; looked for once in a process."""
    return _found()[0]


def unfit() -> tuple[Unfit, ...]:
    """The offers that cannot be taken."""
    return _found()[1]


def _found() -> tuple[dict[str, Origin], tuple[Unfit, ...]]:
    found, refused = ours(), []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (_package(point), point.name)):
        offered = Origin(point, _package(point), point.module.partition(".")[0])
        if why := _fault(offered, found):
            refused.append(offered.unfit(why))
        else:
            found[point.name] = offered
    return found, tuple(refused)


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "?"


def _fault(offered: Origin, known: dict[str, Origin]) -> str:
    if not NAME.fullmatch(offered.name):
        return "a kind's name is a small letter and at most 39 more small letters, digits and underscores"
    if (other := known.get(offered.name)) is None:
        return ""
    return "that is the name of a kind that ships" if other.package == "rowmill" else f"{other.package} has one, too"

"""How many files and connections this process may have open at once: a shell often allows no more than 1,024."""

from __future__ import annotations

import resource
from contextlib import suppress

MOST = 65_536  # more is never needed here, and some programs look through all that there may be
MACOS = 10_240  # which takes no more, whatever it says that it would


def raise_limit() -> None:
    """Let this process, and those that it starts, have as many open as the operator lets it, up to MOST."""
    for wanted in (MOST, MACOS):
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if most > limit():
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def limit() -> int:
    """How many there may be now."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft

"""Whether a submission has what its kind works on: a table, or the parameters that stand in for one, and not both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.job import Fault
from protocol.kinds import KindInfo


def check_source(kind: KindInfo | None, params: Mapping[str, Any], *, sent: bool, field: str = "file") -> list[Fault]:
    """What is wrong with a submission for *kind*, for which a table was *sent* in its *field* or not."""
    names = kind.stands_in if kind else ()
    given = bool(names) and all(params.get(name) is not None for name in names)
    says = " and ".join(names)
    if sent and given:
        detail = f"Send a table or give {says}, not both."
        return [Fault(code="two_sources", detail=detail, pointer=f"/params/{names[0]}")]
    if not sent and not given:
        detail = f"Send a table, or give {says}." if names else "Send a table."
        return [Fault(code="no_file", detail=detail, pointer=f"/{field}")]
    return []

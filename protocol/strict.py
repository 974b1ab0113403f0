"""JSON as strictly as the contract asks for it: no NaN, no infinite number, no name twice, nothing beyond UTF-8."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

DEEPEST = 100  # pydantic reads JSON of 200 levels, and this becomes a part of more


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object that *text* is, or ValueError (or RecursionError where it is far too deep)."""
    found = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
    if not isinstance(found, dict):
        raise ValueError("it is something else")  # noqa: TRY004 - one kind of error for the caller
    _be_shallow(found)
    text.encode()
    json.dumps(found, ensure_ascii=False).encode()
    return found


def _be_shallow(found: dict[str, Any]) -> None:
    """Level by level: to go into each value in turn would end as what it is to prevent."""
    level: list[Any] = [found]
    for _ in range(DEEPEST):
        members = (inner for one in level for inner in (one.values() if isinstance(one, dict) else one))
        level = [inner for inner in members if isinstance(inner, dict | list)]
        if not level:
            return
    raise ValueError(f"it is more than {DEEPEST} levels deep")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"{text[:40]} is too large a number")
    return number

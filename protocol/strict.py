"""JSON as strictly as the contract asks for it: no NaN, no infinite number, no name twice, nothing beyond UTF-8."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object that *text* is, or ValueError (RecursionError where it is too deep)."""
    found = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
    if not isinstance(found, dict):
        raise ValueError("it is something else")  # noqa: TRY004 - one kind of error for the caller
    text.encode()
    json.dumps(found, ensure_ascii=False).encode()
    return found


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

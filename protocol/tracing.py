"""The trace context that whoever submits a job may send along (W3C Trace Context, version 00)."""

from __future__ import annotations

import re

TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def read(given: object) -> str | None:
    """What was *given*, where that is a trace context."""
    return given if isinstance(given, str) and TRACEPARENT.fullmatch(given) else None

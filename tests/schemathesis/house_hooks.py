"""What the schema's examiner does not know of itself: how plain bytes are sent, and how pages and figures are read."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/offset+octet-stream", "text/csv")
def send_bytes(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.deserializer("text/html", "text/plain")
def read_text(_context: Any, response: Any) -> str:
    return response.text

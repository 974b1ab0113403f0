"""What a webhook is: which addresses can be one, and how its requests are signed (Standard Webhooks). Pure."""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

LONGEST = 2000  # characters of an address
PLAIN = re.compile(r"https?://[!-~]+")
SECRET = "whsec_"  # noqa: S105 - what a secret begins with
SECRET_BYTES = range(24, 65)
PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str | None:
    """Its `scheme://host:port`; None for what can be no webhook's address: no user, no fragment, ASCII throughout."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    plain = PLAIN.fullmatch(url) and "\\" not in url and len(url) <= LONGEST
    if not plain or not parts.hostname or "@" in parts.netloc or parts.fragment:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def is_trusted(url: str, trusted: Collection[str]) -> bool:
    """Whether *trusted* holds this address, or its whole origin."""
    return url in trusted or origin_of(url) in trusted


def find_fault(url: str, trusted: Collection[str]) -> str | None:
    """What is wrong with this address, as the end of a sentence; what is *trusted* needs no TLS."""
    if origin_of(url) is None:
        return "is no address that can be called"
    if not url.startswith("https:") and not is_trusted(url, trusted):
        return "must begin with https:// (ROWMILL_WEBHOOK_HOSTS names hosts that need not)"
    return None


def read_secret(text: str) -> bytes:
    """The key in `whsec_…`, or ValueError."""
    key = b64decode(text.removeprefix(SECRET), validate=True)
    if not text.startswith(SECRET) or len(key) not in SECRET_BYTES:
        raise ValueError("no such secret")
    return key


def spell_secret(key: bytes) -> str:
    return SECRET + b64encode(key).decode()


def sign(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a request, signed with each key, so that receivers may have the new one or still the old one."""
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = [b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }

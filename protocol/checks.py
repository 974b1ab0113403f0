"""What addresses and secrets in settings have to look like; each raises ValueError with the one that does not."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from protocol import webhooks


def check_origins(words: tuple[str, ...]) -> tuple[str, ...]:
    """Each is a host, perhaps with a port, perhaps with http:// or https:// before it; written out in full."""
    return tuple(_origin(word) for word in words)


def _origin(word: str) -> str:
    parts = urlsplit(word if "://" in word else f"https://{word}")
    plain = not (parts.username or parts.path.strip("/") or parts.query or parts.fragment)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain or re.search(r"[\s*]", word):
        raise ValueError(f"{word!r} is no host such as api.example.org, example.org:8443 or http://10.0.0.5:8000")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def check_page(url: str) -> str:
    """Paths of the page can be written behind it."""
    if url and (webhooks.origin_of(url) is None or urlsplit(url).query):
        raise ValueError("must be an address such as https://rowmill.example.org")
    return url


def check_sources(words: tuple[str, ...]) -> tuple[str, ...]:
    if bad := [word for word in words if not re.match(r"https://[^/]|file:///", word)]:
        raise ValueError(f"{bad[0]!r} is no address that begins with https:// or file:///")
    return words


def check_unsubscribing(words: tuple[str, ...]) -> tuple[str, ...]:
    """Each can stand in the header List-Unsubscribe."""
    if bad := [word for word in words if not re.fullmatch(r"(https://|mailto:)[!-;=?-~]{1,700}", word)]:
        raise ValueError(f"{bad[0]!r} is no address that begins with https:// or mailto:")
    return words


def check_webhooks(words: tuple[str, ...]) -> tuple[str, ...]:
    """Each with a path, so that none can be taken for its whole origin."""
    if bad := [place for place, word in enumerate(words, 1) if webhooks.origin_of(word) is None]:
        # Not the address itself: what lets others write to a channel is often a part of it.
        raise ValueError(f"number {bad[0]} is no address that begins with https:// or http://")
    return tuple(parts._replace(path=parts.path or "/").geturl() for parts in map(urlsplit, words))


def check_webhook_secrets(words: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for word in words:
            webhooks.read_secret(word)
    except ValueError:
        raise ValueError("a secret is whsec_ and 24 to 64 bytes in Base64; without one, it is derived") from None
    return words

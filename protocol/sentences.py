"""How sentences for users quote what came from strangers."""

from __future__ import annotations


def shorten(text: str, length: int = 80, *, quote: bool = True) -> str:
    """*text* for a sentence: without line breaks or other surprises, and not too long."""
    plain = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    plain = plain if len(plain) <= length else plain[: length - 1] + "…"
    return f"“{plain}”" if quote else plain.rstrip(".")

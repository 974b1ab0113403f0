"""Numbers as a person reads them in a sentence."""

from __future__ import annotations


def count(how_many: int, what: str) -> str:
    """`1 row`, `2 rows`, `1,000 rows`, `no rows`."""
    return f"{how_many:,} {what}" if how_many == 1 else f"{f'{how_many:,}' if how_many else 'no'} {what}s"


def number(value: float) -> str:
    """Thousands separated and rounded for reading; what is huge or tiny in the notation with an exponent."""
    if value and not 1e-4 <= abs(value) < 1e15:  # noqa: PLR2004
        return f"{value:.4g}"
    text = f"{value:,.4g}" if abs(value) < 1 else f"{value:,.{3 if abs(value) < 1000 else 2}f}"  # noqa: PLR2004
    return text.rstrip("0").rstrip(".") if "." in text else text

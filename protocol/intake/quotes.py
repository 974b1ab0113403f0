"""Tables with another quote than the usual one, seen as if it were that one: marks change places, byte for byte."""

from __future__ import annotations

from protocol.intake.layout import APOSTROPHE, QUOTE, UNQUOTED

_FREE = b"\0"  # no table has it: that is looked for first
_SWAPPED = bytes.maketrans(b"\"'", b"'\"")
_HIDDEN, _SHOWN = bytes.maketrans(b'"', _FREE), bytes.maketrans(_FREE, b'"')


def disguise(text: bytes, quote: str) -> bytes:
    """The same bytes, in which the table's quote is the usual one."""
    if quote == QUOTE:
        return text
    return text.translate(_SWAPPED if quote == APOSTROPHE else _HIDDEN)


def reveal(text: bytes, quote: str) -> bytes:
    """What was disguised, as it was."""
    if quote == UNQUOTED:
        return text.translate(_SHOWN)
    return text.translate(_SWAPPED) if quote == APOSTROPHE else text

"""Bodies that come encoded (Content-Encoding): decoded in threads and bounded memory, and known to be whole.

The library would decode them on the event loop, and take half a gzip or zstd body for a whole one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from protocol.intake import BadTable
from protocol.intake.unpacking import DEFLATE, GZIP, ZSTD, Unpacker
from service.problems import Refused

KNOWN = (GZIP, DEFLATE, ZSTD)
TOO_LARGE = 413


def decode(headers: Mapping[str, str], blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body as it was before it was encoded."""
    coding = headers.get("Content-Encoding", "").strip().lower().removeprefix("x-")
    if coding in {"", "identity"}:
        return blocks
    if coding not in KNOWN:
        known = ", ".join(KNOWN)
        detail = f"The body's Content-Encoding is not spoken here; {known} are, or none."
        raise Refused("unknown_coding", detail, headers={"Accept-Encoding": known})
    return _decoded(Unpacker(coding), blocks)


async def _decoded(unpacker: Unpacker, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for piece in unpacker.unpack(blocks):
            yield piece
    except BadTable as bad:
        if bad.status == TOO_LARGE:
            raise Refused("too_large", bad.faults[0].detail) from None
        detail = f"The body is not encoded as its headers say. {bad.faults[0].detail}"
        raise Refused("malformed", detail) from None

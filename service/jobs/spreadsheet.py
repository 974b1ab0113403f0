"""A table that a spreadsheet will not run: cells that would be formulas get an apostrophe, numbers stay numbers.

It knows CSV as we write it: commas, quotes doubled. It holds one cell and one block of the table at a time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from protocol.kept import RISKY

# A quoted cell (with whatever stands behind its quote, if somebody wrote that), or a plain one.
CELL = re.compile(rb'("[^"]*+(?>(?:""[^"]*+)*)"(?:[^",\r\n][^,\r\n]*+)?|(?!")[^,\r\n]*+)([,\r\n])')
SIGNS = tuple(sign.encode() for sign in RISKY)
NUMBER = re.compile(rb"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")
BLOCK = 64 * 2**10


async def escape(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in pieces:
        for start in range(0, len(piece), BLOCK):
            done, rest = escape_cells(rest + piece[start : start + BLOCK])
            yield done
            await asyncio.sleep(0)
    yield _escape(rest)  # a last cell without a line end


def escape_cells(block: bytes) -> tuple[bytes, bytes]:
    """The block's whole cells made safe, and what is left of it: the beginning of a cell."""
    done, end = [], 0
    while match := CELL.match(block, end):
        done.append(_escape(match[1]) + match[2])
        end = match.end()
    return b"".join(done), block[end:]


def _escape(cell: bytes) -> bytes:
    quoted = cell.startswith(b'"')
    content = cell[1:-1] if quoted else cell
    if not content.startswith(SIGNS) or NUMBER.fullmatch(content):
        return cell
    return b"\"'" + cell[1:] if quoted else b"'" + cell

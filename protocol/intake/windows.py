"""What comes in blocks as they please, given out in windows: copied only where a window is no whole block."""

from __future__ import annotations

from collections import deque
from itertools import islice

_SMALL = 4096  # bytes: shorter blocks are put together, for each takes memory of its own


class Windows:
    """`size` bytes are waiting. Blocks are kept as they are: nobody may change them."""

    def __init__(self) -> None:
        self.size = 0
        self._blocks: deque[bytes | bytearray] = deque()
        self._begin = 0  # of what is left of the first one

    def add(self, block: bytes) -> None:
        self.size += len(block)
        if len(block) >= _SMALL:
            self._blocks.append(block)
        elif self._blocks and isinstance(last := self._blocks[-1], bytearray):
            last += block
        else:
            self._blocks.append(bytearray(block))

    def take(self, size: int) -> bytes:
        """The next *size* bytes; there must be so many."""
        self.size -= size
        taken: list[bytes | bytearray | memoryview] = []
        while size:
            block, begin = self._blocks[0], self._begin
            self._begin = min(begin + size, len(block))
            size -= self._begin - begin
            taken.append(block if self._begin - begin == len(block) else memoryview(block)[begin : self._begin])
            if self._begin == len(block):
                self._blocks.popleft()
                self._begin = 0
        return b"".join(taken)

    def waiting(self) -> bytes:
        """All that was not taken yet; it stays."""
        first = [memoryview(block)[self._begin :] for block in islice(self._blocks, 1)]
        return b"".join([*first, *islice(self._blocks, 1, None)])

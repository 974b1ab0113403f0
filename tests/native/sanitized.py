"""Reads tables at random with a library that watches its every step: LIBRARY SEED COUNT [BEYOND].

A step outside of what it was handed ends the process. The bytes lie in a block of exactly their size, as Python's own
do not; it may be told of some *beyond* them.
"""

from __future__ import annotations

import ctypes
import random
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from consumer import native
from consumer.native import grid, sums, texts, tokens
from consumer.native.tokens import Cells
from tests.native import made

MAKERS = (made.usual, made.bare, made.broken, made.noise, made.octets)


def read(table: made.Table, beyond: int, chance: random.Random) -> None:
    making, size = tokens._Making(table.data, 1, table.shape, table.wanted), len(table.data)
    process = ctypes.CDLL(None)
    process.malloc.restype, process.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
    block = ctypes.cast(process.malloc(size), ctypes.c_char_p)
    ctypes.memmove(block, table.data, size)
    making.table.data, making.table.size = block, size + beyond
    if native.code().tokens_read(ctypes.byref(making.table)) == tokens.Outcome.read:
        with suppress(UnicodeDecodeError):
            each_of(making.cells(), chance)
    counts = (ctypes.c_int64 * 2)()
    native.code().tokens_count(block, size, b'\n"', 2, counts)
    assert [*counts] == [table.data.count(byte) for byte in b'\n"']
    process.free(block)


def each_of(cells: Cells, chance: random.Random) -> None:
    """What else there is to be done with them."""
    for text in cells.texts:
        data = text.data.copy()  # of exactly its size
        codes = encoded(data, text.bounds).codes
        found = texts.hashes(data, text.bounds, chance.getrandbits(64))
        texts.add_to_rows(np.zeros(len(codes), np.uint64), found[: len(found) // 2], 3, codes)
        texts.below(found, chance.getrandbits(64))
        texts.mix(found)
        texts.least(found, 4, 48, np.zeros(16, np.uint64))
        texts.sorts(data, text.bounds, np.arange(256, dtype=np.uint8))
        numbers, _ = tokens.numbers(data, text.bounds, ".")
        finite = np.where(np.isfinite(numbers), numbers, 5e-324)
        sums.totals(finite * 10.0 ** chance.randint(-300, 280), codes, len(codes))
        sums.whole(finite, np.ones(len(finite), np.int64))
        low, high = grid.span(finite) if len(finite) else (0, 0)
        grid.filled(finite, np.ones(len(finite), np.int64), 50, low >> 50, high >> 50)
        sums.weighed(finite * 10.0 ** chance.randint(-300, 280), np.bincount(codes, minlength=len(codes)))


def encoded(data: np.ndarray, bounds: np.ndarray) -> texts.Encoded:
    found = texts.encode(data, bounds, 0, 0)
    assert isinstance(found, texts.Encoded)
    return found


def many(count: int) -> None:
    """So many different texts that there are slots for them only later."""
    data = np.frombuffer(b"%05d" * count % (*range(count),), np.uint8).copy()
    assert encoded(data, np.arange(0, 5 * count + 1, 5)).codes.tolist() == [*range(count)]


def main(library: str, seed: str, count: str, beyond: str = "0") -> None:
    native.switch(on=True)
    native.LIBRARY, tokens.MOST_WORDS, tokens.MOST_MISFITS = Path(library), 8, 8
    many(5_000)
    chance = random.Random(seed)
    for nth in range(int(count)):
        read(MAKERS[nth % len(MAKERS)](chance), int(beyond), chance)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""How much may be kept of each column: less, the more columns there are, so that a partial stays small in any table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """Up to `values` different values and `text` bytes of them are counted exactly; beyond, they are estimated.

    `bits`: HyperLogLog with 2**bits registers, a standard error of 1.04 / 2**(bits / 2): 1.6 % for 12, 3.3 % for 10.
    `hashes`: values followed by their hash. `buckets`: numbers told apart; for more the grid gets coarser.
    `rows`: rows in the sample, a share in which is right within 1 / rows**0.5 (19 times in 20): 2.2 % for 2,000.
    """

    values: int
    text: int
    bits: int
    hashes: int
    buckets: int
    rows: int

    @classmethod
    def of(cls, columns: int) -> Room:
        columns = max(columns, 1)
        values = _between(50, 100_000 // columns, 2_000)
        return cls(
            values=values,
            text=values * 50,
            bits=12 if columns <= 500 else 10,  # noqa: PLR2004
            hashes=_between(25, 50_000 // columns, 1_000),
            buckets=_between(100, 200_000 // columns, 2_000),
            rows=_between(50, 100_000 // columns, 2_000),
        )


def _between(least: int, wanted: int, most: int) -> int:
    return max(least, min(wanted, most))

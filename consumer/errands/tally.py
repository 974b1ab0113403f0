"""What has become of some rows, as counts that add up: plain values, for the consumer counts with them too."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from consumer.accounts import Counted
from consumer.errands import Fate, Outcome

MOST_REASONS = 100
OTHERS = "other reasons"


@dataclass(frozen=True)
class Tally:
    """`read` rows, of which `rejected` were left out by the reader or by their errand; and why errands failed."""

    read: int = 0
    rejected: int = 0
    done: int = 0
    unknown: int = 0
    records: int = 0
    reasons: Mapping[tuple[Fate, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, outcome: Outcome) -> Tally:
        """One row whose errand has ended."""
        fate = outcome.fate
        return cls(
            read=1,
            rejected=int(fate is Fate.REJECTED),
            done=int(fate is Fate.DONE),
            unknown=int(fate is Fate.UNKNOWN),
            records=outcome.made,
            reasons={} if fate is Fate.DONE else {(fate, outcome.detail): 1},
        )

    def __add__(self, other: Tally) -> Tally:
        return total((self, other))


def total(tallies: Iterable[Tally | None]) -> Tally:
    """All of them together, in bounded memory: of many reasons the rarest are lumped together."""
    sums, reasons = Counter[str](), Counter[tuple[Fate, str]]()
    for tally in filter(None, tallies):
        for name in ("read", "rejected", "done", "unknown", "records"):
            sums[name] += getattr(tally, name)
        reasons.update(tally.reasons)
    return Tally(**sums, reasons=_bounded(reasons))


def as_partial(tally: Tally) -> bytes:
    """The tally as the partial of these rows."""
    return pickle.dumps(Counted(tally.read, tally.rejected, tally))


def _bounded(reasons: Counter[tuple[Fate, str]]) -> dict[tuple[Fate, str], int]:
    if len(reasons) <= MOST_REASONS:
        return dict(reasons)
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    kept = Counter(dict(ranked[:MOST_REASONS]))
    for (fate, _), count in ranked[MOST_REASONS:]:
        kept[fate, OTHERS] += count
    return dict(kept)

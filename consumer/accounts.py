"""Where every row went: a kind's partial travels with the rows that it stands for, and its report has to add up.

Runs in the pool. What a kind does not account for is its fault, and fails the job rather than be passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consumer.kinds import Kind, Report
from consumer.origins import sure
from protocol.job import Account


class Unaccounted(Exception):
    """A kind's report is about more or fewer rows than the kind was given."""


@dataclass(frozen=True)
class Counted:
    """A kind's partial; how many rows of the table it stands for, and the rejected ones among them."""

    read: int
    rejected: int
    partial: Any


def combine(kind: Kind, parts: Sequence[Counted]) -> Counted:
    """The parts as one; they come in file order."""
    partial = kind.combine([part.partial for part in parts])
    return Counted(sum(part.read for part in parts), sum(part.rejected for part in parts), partial)


def settle(total: Counted, report: Report, *, already_there: int = 0) -> Account:
    """The account of the rows behind *report*, or Unaccounted. Used rows that the records have already are skipped."""
    given, report = total.read - total.rejected, sure(report, Report, "its report")
    used = given - report.skipped if report.used is None else int(report.used)
    if min(used, report.skipped) < 0 or used + report.skipped != given:
        raise Unaccounted(f"it was given {given:,} rows; its report says {used:,} used and {report.skipped:,} skipped")
    known = min(used, already_there)
    return Account(read=total.read, used=used - known, rejected=total.rejected, skipped=int(report.skipped) + known)

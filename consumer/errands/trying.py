"""One try of one errand, and what it came to, whatever happens in it."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Any

from consumer.errands import LONGEST_REASON, Done, Each, Fate, Later, Outcome, Reject, Row, Terms, Unclear


async def attempt(each: Each, terms: Terms, row: Row, params: Any, tools: Any) -> Outcome:
    """Do the errand of *row* once. Only a cancellation is raised."""
    try:
        async with asyncio.timeout(terms.timeout):
            return _done(each, await each.do(row, params, tools))
    except asyncio.CancelledError:
        raise
    except BaseException as exc:  # noqa: BLE001 - even SystemExit is about one row
        return _explain(exc, repeatable=terms.repeatable, timeout=terms.timeout)


def _done(each: Each, done: Done | None) -> Outcome:
    done = done or Done()
    records = tuple(tuple(one.get(name) for name in each.columns) for one in done.records)
    return Outcome(Fate.DONE, _line(done.detail), made=len(records), records=records)


def _explain(error: BaseException, *, repeatable: bool, timeout: float) -> Outcome:
    match error:
        case Reject(reason=reason, column=column):
            return Outcome(Fate.REJECTED, _line(reason), column)
        case Later(reason=reason, after=after):
            return Outcome(Fate.AGAIN, _line(reason), after=after)
        case Unclear(reason=reason):
            return Outcome(Fate.UNKNOWN, _line(reason))
        case TimeoutError():
            return Outcome(Fate.AGAIN if repeatable else Fate.UNKNOWN, f"no end within {timeout:g} s")
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    said = _line(f"{type(error).__name__}: {error} ({where})")
    return Outcome(Fate.REJECTED if repeatable else Fate.UNKNOWN, said)


def _line(text: str) -> str:
    """One printable line that is not too long: it becomes a cell."""
    return "".join(char if char.isprintable() else " " for char in text)[:LONGEST_REASON].strip()

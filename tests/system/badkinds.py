"""Kinds that behave as badly as kinds can."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from consumer.kinds import BadInput, Column, Kind, Params, Report


def bad(chunk: Callable[[pd.DataFrame, Any], Any]) -> Kind:
    return Kind(
        title=chunk.__name__,
        columns=lambda _params: [Column("n", "number")],
        chunk=chunk,
        combine=sum,
        finalize=lambda total, _params: Report(numbers={"rows": total}),
        headline=lambda numbers: f"{numbers['rows']} rows",
    )


def loops(_frame: pd.DataFrame, _params: Params) -> int:
    while True:
        pass


def eats(_frame: pd.DataFrame, _params: Params) -> int:
    eaten = []
    while True:
        eaten.append(bytearray(b"x" * 2**24))


def exits(_frame: pd.DataFrame, _params: Params) -> int:
    sys.exit(3)


def raises(_frame: pd.DataFrame, _params: Params) -> int:
    raise ZeroDivisionError("by hand")


def refuses(_frame: pd.DataFrame, _params: Params) -> int:
    raise BadInput("These rows are not what this kind is for.")


def crashes(_frame: pd.DataFrame, _params: Params) -> int:
    return len(ctypes.string_at(0))


def loses(frame: pd.DataFrame, _params: Params) -> int:
    return len(frame) - 1


def fills(frame: pd.DataFrame, _params: Params) -> int:
    if not Path(os.environ["BADKINDS_SPACE"]).exists():
        raise OSError(errno.ENOSPC, "No space left on device")
    return len(frame)


def waits(total: int, _params: Params) -> Report:
    """Of fewer rows than the test's table has there is no report, however long one waits for it."""
    while total < 500_000:
        pass
    return Report(numbers={"rows": total})


WAITS = replace(bad(lambda frame, _params: len(frame)), title="waits", finalize=waits)
LOSES = replace(bad(loses), finalize=lambda total, _params: Report(numbers={"rows": total}, used=total))
LOOPS, EATS, EXITS = bad(loops), bad(eats), bad(exits)
RAISES, REFUSES, CRASHES, FILLS = bad(raises), bad(refuses), bad(crashes), bad(fills)

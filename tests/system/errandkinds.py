"""Kinds of errands that do what their rows say, and write down in a file what they begin and what they have done."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from consumer.errands import Done, Each, Later, Reject, Row, Terms, Unclear
from consumer.kinds import Column, Kind, Params


class ErrandParams(Params):
    diary: str
    concurrency: int = 10
    seconds: float = 0.0


def columns(_params: ErrandParams) -> list[Column]:
    return [Column("name"), Column("what", required=False), Column("n", "number", required=False)]


def easy(params: ErrandParams) -> Terms:
    return Terms(concurrency=params.concurrency, timeout=1.0, tries=3, first_delay=0.01)


def careful(params: ErrandParams) -> Terms:
    return Terms(concurrency=params.concurrency, timeout=30.0, tries=3, first_delay=0.01, repeatable=False)


def note(params: ErrandParams, word: str, name: str) -> None:
    """One line, in one write: several processes may do so at once."""
    with Path(params.diary).open("ab") as file:
        file.write(f"{word} {name}\n".encode())


def count(params: ErrandParams, name: str) -> int:
    return Path(params.diary).read_text().splitlines().count(f"begin {name}")


async def do(row: Row, params: ErrandParams, _tools: Any) -> Done:
    note(params, "begin", row["name"])
    await asyncio.sleep(params.seconds)
    if row["what"] in DEEDS:
        DEEDS[row["what"]](count(params, row["name"]))
    if row["what"] == "hangs":
        await asyncio.Event().wait()
    note(params, "done", row["name"])
    if row["what"] == "large":
        return Done("large", [{"key": row["name"], "value": "x" * 1000}] * 100)
    return Done("fine", [{"key": row["name"], "value": row["n"]}])


def fails(_tries: int) -> None:
    raise Reject("no good", "n")


def waits(_tries: int) -> None:
    raise Later("not yet")


def once(tries: int) -> None:
    if tries == 1:
        raise Later("not yet")


def unclear(_tries: int) -> None:
    raise Unclear("who knows")


def breaks(_tries: int) -> None:
    raise ZeroDivisionError("by hand")


def leaves(_tries: int) -> None:
    sys.exit(3)


def blocks(_tries: int) -> None:
    time.sleep(1000)


def dies(_tries: int) -> None:
    os._exit(7)


DEEDS: dict[str, Callable[[int], None]] = {
    deed.__name__: deed for deed in (fails, waits, once, unclear, breaks, leaves, blocks, dies)
}


def headline(numbers: Mapping[str, Any]) -> str:
    return f"{numbers['done']} of {numbers['rows']} done."


def kind(terms: Callable[[ErrandParams], Terms]) -> Kind:
    each = Each(do=do, terms=terms, brings="found", columns=("key", "value"))
    return Kind(title="Errands", params=ErrandParams, columns=columns, headline=headline, each=each)


EASY, CAREFUL = kind(easy), kind(careful)

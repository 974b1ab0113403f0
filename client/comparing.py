"""The command compare: one job in several ways, how each goes, and at the end what each took. Runs nothing itself."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from client import exits, screen
from client.errands import Asked
from client.exits import Exit, Usage
from protocol import config
from protocol.config import Settings
from protocol.job import Job
from protocol.lap import Lap, differences, name_of

MIB = 2**20
COLUMNS = ("way", "seconds", "times as fast", "peak memory, MiB", "rows", "rows a second", "result")
KIND = "profile"
Run = Callable[[Path, str, Mapping[str, Any], Settings, int], AsyncGenerator[Job | Lap, None]]


async def compare(asked: Asked, plan: Callable[[Settings], Sequence[int]], run: Run, *, as_json: bool) -> int:
    """Have *run* do the job with each number of slots of *plan*, and show what it took; not equal is a failure."""
    settings = config.load()
    way = partial(run, *_job(asked), settings)
    laps: list[Lap] = []
    for slots in plan(settings):
        laps.append(await _follow(slots, way))
        if (code := exits.of(laps[-1].job)) is not Exit.SUCCEEDED:
            _tell_failure(laps[-1], as_json=as_json)
            return code
    unequal = differences(laps)
    if as_json:
        _print_json({"laps": [_as_values(lap) for lap in laps], "equal": not unequal, "differences": unequal})
    else:
        _show(laps, unequal)
    return Exit.FAILED if unequal else Exit.SUCCEEDED


def _job(asked: Asked) -> tuple[Path, str, dict[str, Any]]:
    job = asked.upload()
    if job.path is None:
        raise Usage("compare reads a table: name a FILE")
    if not job.again:
        raise Usage("compare reads the table several times, and stdin can be read only once")
    return job.path.absolute(), job.kind or KIND, job.params


async def _follow(slots: int, run: Callable[[int], AsyncGenerator[Job | Lap, None]]) -> Lap:
    screen.note(f"{name_of(slots)}:")
    with screen.following() as seen:
        async with aclosing(run(slots)) as words:
            async for word in words:
                if isinstance(word, Lap):
                    seen(word.job)
                    return word
                seen(word)
    raise exits.Unreachable("it ended without a result")


def _tell_failure(lap: Lap, *, as_json: bool) -> None:
    if as_json:
        _print_json({"laps": [_as_values(lap)], "problem": lap.job.problem})
    for line in exits.describe(lap.job.problem) if lap.job.problem else ():
        screen.note(line)


def _show(laps: Sequence[Lap], unequal: Sequence[str]) -> None:
    first = laps[0]
    if first.job.report:
        screen.say(first.job.report.headline)
    screen.table(COLUMNS, [_row(lap, first, same=not any(lap.name in line for line in unequal)) for lap in laps])
    screen.say("The results are equal, to the last bit." if not unequal else "The results are not equal:")
    for line in unequal:
        screen.say(f"- {line}")
    screen.say("Memory is what each process held at most, added up; what they share counts in each.")
    screen.say("The seconds are the job's own: starting the processes is not in them.")


def _row(lap: Lap, first: Lap, *, same: bool) -> tuple[Any, ...]:
    values = _as_values(lap)
    faster = first.seconds / lap.seconds if lap.seconds else None
    verdict = "the measure" if lap is first else "equal" if same else "NOT EQUAL"
    speed = values["rows_per_second"] and round(values["rows_per_second"])
    return (
        lap.name,
        round(lap.seconds, 2),
        faster and round(faster, 2),
        round(lap.peak / MIB),
        values["rows"],
        speed,
        verdict,
    )


def _as_values(lap: Lap) -> dict[str, Any]:
    rows = lap.job.progress.rows_done
    speed = rows / lap.seconds if lap.seconds else None
    values = {"way": lap.name, "slots": lap.slots, "seconds": lap.seconds, "peak_bytes": lap.peak}
    return values | {"rows": rows, "rows_per_second": speed, "report": lap.job.report}


def _print_json(values: dict[str, Any]) -> None:
    sys.stdout.write(TypeAdapter(dict[str, Any]).dump_json(values).decode() + "\n")

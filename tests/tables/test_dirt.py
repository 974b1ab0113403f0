"""Rejects are exact and deterministic: the same lines and reasons whatever the way of reading, and who dies on it."""

from __future__ import annotations

import asyncio
import csv
import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from consumer.executors import Done, Slot, WorkerLost, open_slots
from consumer.kinds import Column
from consumer.steps import Plan, Task
from consumer.tables import cells, cut, learned, read, survey
from protocol.files import BlockingFiles
from protocol.intake import ReadOptions
from tests.consumer import milling
from tests.tables import oracle
from tests.tables.sure import Sure

COLUMNS = [("region", "text", True), ("revenue", "number", True), ("quantity", "number", True)]
COLUMNS += [("discount", "number", False)]
HEADER = "region,note,revenue,quantity,discount"
LONG = "12345678901234567890"
THIN = "\N{THIN SPACE}"
TOKENS = [
    *["1e400", "-1e400", "+5", "- 5", "-5", "1_000", "0x10", "inf", "-Infinity", "nan", " nan ", "NaN", "NA", "null"],
    *[
        "\uff11\uff12",
        "\u0661",
        f"1{THIN}000",
        f"{THIN}7{THIN}",
        "\u00a08",
        LONG,
        "-98765432109876543210",
        "0",
        "00123",
    ],
    *['"1,5"', '"1.5"', '" 2 "', '"3""4"', '""', '" "', "", " ", "\t", "1e5", "1E-5", "e5", ".5", "5.", ".", "1.5.5"],
    *["1d5", "$5", "5%", "1/2", "\u22125", "(5)", "1e", "--1", "0b1", "True", "9" * 400],
]
NOTES = ["NA", "00123", LONG, '"two\nlines"', '"crlf\r\nin"', '"a,b"', '"say ""so"""', '""']
ODD_NOTES = ['5" pipe', 'a "quoted" word', '"cr\rin"']  # which compiled code leaves to others
ENDS = {"lf": ["\n"], "crlf": ["\r\n"], "cr": ["\r"], "mixed": ["\n", "\r\n", "\r"]}
WAYS: list[dict[str, Any]] = [  # whether pyarrow converts the numbers, where it can; bytes of a chunk and of a block
    {"typed": None, "size": 10**9},
    {"typed": True, "size": 10**9},
    {"typed": False, "size": 10**9},
    {"typed": None, "size": 4096},
    {"typed": True, "size": 999, "block": 512},
    {"typed": False, "size": 4096, "block": 512},
    {"typed": False, "size": 10**9, "compiled": True},
    {"typed": False, "size": 999, "compiled": True},
]


def rows(seed: int, count: int, *, odd: bool = True) -> Iterator[str]:
    """Each token in each column of numbers, tokens that come once, good rows, and rows of other lengths."""
    chance, notes = random.Random(seed), [*NOTES, *ODD_NOTES] if odd else NOTES
    for number in range(count):
        cell = [chance.choice(["North", " South ", "", "Süd"]) if number % 5 == 0 else "West", chance.choice(notes)]
        cell += [str(number), "1.25", "0.5"]
        if number % 3 == 0:
            cell[2 + number // 3 % 3] = TOKENS[number // 9 % len(TOKENS)]
        elif number % 3 == 1:
            cell[chance.randrange(2, 5)] = chance.choice([f"n/a {number}", f"{number}x", f"{number}.{number}.1", "1"])
        match number % 19:
            case 7:
                cell = cell[: chance.randrange(1, 5)]
            case 11:
                cell += ["more"] * chance.randrange(1, 4)
            case 13:
                yield chance.choice(["", " ", "   "])
        yield ",".join(cell)


def table(ends: list[str], *, mark: bool, count: int = 1_200, odd: bool = True) -> str:
    chance = random.Random(len(ends))
    lines = [HEADER, *rows(1, count, odd=odd)]
    text = lines[0] + ends[0] + "".join(line + chance.choice(ends) for line in lines[1:])
    return ("\ufeff" if mark else "") + text.rstrip("\r\n")  # the last line has no end


def all_rejects(
    files: BlockingFiles, text: str, *, typed: bool | None, size: int, block: int | None = None, compiled: bool = False
) -> tuple[bytes, bytes]:
    """rejected.csv, and the needed cells of all other rows, read in one of the ways."""
    files.write("dirt", [text.encode()])
    with pytest.MonkeyPatch.context() as patch:
        about = learned.Learned(compiled=Sure(says=compiled))  # one that knows nothing yet
        if typed is not None:
            about = learned.Learned(typed=Sure(says=typed), compiled=Sure(says=compiled))
        patch.setattr(read, "learned", lambda *_: about)
        if compiled:
            patch.setattr("consumer.tables.rows.ONE_IN", 0)
        if block:
            patch.setattr(cells, "LARGE_BLOCK", block)
            patch.setattr(cells, "SMALL_BLOCK", block)
        seen = survey.survey(files, "dirt", ReadOptions(), name="t.csv", work_prefix="work/")
        reader = read.Reader(files, seen, [Column(*column) for column in COLUMNS], ReadOptions())
        chunks = cut.cut(files, seen, size, slice_size=size // 3)
        found = [batch for chunk in chunks for batch in reader.slices(chunk)]
        kept = pd.concat([batch.frame for batch in found]).to_csv(index=False).encode()
        return b"".join(batch.rejects_csv() for batch in found), kept


@pytest.mark.parametrize("quotes", ["odd", "in order"])
@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_rejects_are_those_of_a_plain_loop_in_every_way_of_reading(
    files: BlockingFiles, ends: list[str], quotes: str
) -> None:
    text = table(ends, mark=len(ends) > 1, odd=quotes == "odd")
    expected = oracle.read(text.removeprefix("\ufeff"), ",", COLUMNS)
    assert len(expected.rejects) > 400 < len(expected.kept)
    ways = [all_rejects(files, text, **way) for way in WAYS]
    assert [*csv.reader(io.StringIO(ways[0][0].decode(), newline=""))] == expected.rejects
    assert ways[0][1] == pd.DataFrame(expected.kept).to_csv(index=False).encode()
    assert ways[1:] == ways[:1] * (len(WAYS) - 1)


def test_every_token_is_rejected_for_the_reason_that_a_plain_loop_gives(files: BlockingFiles) -> None:
    lines = [f"West,a,{token},1,1" for token in TOKENS]
    expected = oracle.read("\n".join([HEADER, *lines]), ",", COLUMNS)
    reasons = {TOKENS[int(row[-2]) - 2]: row[-1].removeprefix("revenue: ") for row in expected.rejects}
    good = {*TOKENS} - {*reasons}
    assert good == {
        *["+5", "-5", f"{THIN}7{THIN}", "\u00a08", LONG, "-98765432109876543210", '"1.5"', '" 2 "'],
        *["1e5", "1E-5", ".5", "5.", "0", "00123"],
    }
    assert {token for token, why in reasons.items() if why == "missing"} == {'""', '" "', "", " ", "\t"}
    assert {token for token, why in reasons.items() if why == "not_finite"} == {"1e400", "-1e400", "9" * 400}
    rejects, _ = all_rejects(files, "\n".join([HEADER, *lines]), typed=None, size=10**9)
    assert [*csv.reader(io.StringIO(rejects.decode(), newline=""))] == expected.rejects


async def test_rejects_are_the_same_for_any_number_of_workers_and_after_one_died(tmp_path: Path) -> None:
    task = milling.submit(tmp_path, table(ENDS["mixed"], mark=True).encode(), name="x", kind="sales", chunk_size=5_000)
    expected = milling.run(task).artefact("rejected.csv")
    for workers in (1, 2):
        async with open_slots(f"processes://{workers}?memory={2**31}") as slots:
            assert await in_the_pool(task, slots) == expected


async def in_the_pool(task: Task, slots: list[Slot]) -> bytes:
    """All chunks in real processes, of which one dies on the way; a chunk that was under way is done again."""
    plan = await call(slots[0], "plan", task)
    assert isinstance(plan, Plan)
    assert len(plan.mill) > 5
    left = iter(range(len(plan.mill)))

    async def drain(slot: Slot) -> None:
        for index in left:
            if index == 3:
                slot.kill()
            await call(slot, "mill", task, plan.survey, plan.mill.chunks[index])

    await asyncio.gather(*map(drain, slots))
    files = milling.open_blocking(task.files_url)
    keys = [task.piece("rejected", index) for index in range(len(plan.mill))]
    pieces = b"".join(files.read(key, 0, files.size(key)) for key in keys)
    return HEADER.encode() + b",rejected_line,rejected_reason\n" + pieces


async def call(slot: Slot, step: str, *arguments: object) -> object:
    for _ in range(3):
        try:
            answer = await slot.run(step, *arguments, limit=120.0)
        except WorkerLost:
            continue
        assert isinstance(answer, Done), answer
        return answer.value
    raise AssertionError("it died again and again")

"""What the compiled part finds in any bytes is what a plain loop finds in them, or it leaves them to others."""

from __future__ import annotations

import math
import random
import struct
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from consumer.native import tokens
from consumer.native.tokens import Cells, Judgement, Outcome, Shape, Type, Wanted, Words
from tests.native import made
from tests.native.made import Table
from tests.tables import oracle

pytestmark = pytest.mark.usefixtures("compiled")
BLOCK = 64
PAIR = Shape(2, ",", ".", rowwise=False)
TEXTS = (Wanted(0, Type.text), Wanted(1, Type.coded))


def read(table: Table, first_line: int = 1) -> Cells | Outcome:
    """As it must be, or nothing."""
    found = tokens.read(table.data, first_line, table.shape, table.wanted)
    if not isinstance(found, Cells):
        return found
    rows = same_rows(table, found, first_line)
    right = [True] * len(rows)
    for wanted, column in zip(table.wanted, found.columns, strict=True):
        cells = [row[wanted.place] for row in rows]
        if wanted.type is not Type.number:
            assert texts_of(column) == cells
            continue
        values = [value_of(cell.strip(), wanted, table.shape.mark) for cell in cells]
        assert all(same(*both) for both in zip(column.tolist(), values, found.judged, strict=True))
        right = [before and value is not None for before, value in zip(right, values, strict=True)]
    judged = [Judgement(number % len(Judgement)) for number in found.judged.tolist()]
    sure = [None if each == Judgement.hard else each == Judgement.good for each in judged]
    assert all(told in {None, good} for told, good in zip(sure, right, strict=True))
    return found


def same_rows(table: Table, found: Cells, first_line: int) -> list[list[str]]:
    """The cells of those that fit."""
    rows = oracle.rows_of(table.text, table.shape.delimiter)
    widths = dict(zip(found.misfits.tolist(), found.widths.tolist(), strict=True))
    full = [row for row in range(len(found.begins)) if widths.get(row) != 0]
    assert [widths.get(row, table.shape.width) for row in full] == [len(row.cells) for row in rows]
    assert found.lines[full].tolist() == [row.line + first_line - 1 for row in rows]
    begins = zip(found.begins[full].tolist(), rows, strict=True)
    assert all(table.data.startswith(row.raw.encode(), begin) for begin, row in begins)
    return [row.cells for row in rows if len(row.cells) == table.shape.width]


def value_of(cell: str, wanted: Wanted, mark: str) -> float | None:
    """None where the cell rejects its row."""
    if not cell:
        return None if wanted.required else math.nan
    return oracle.number(cell, mark)[0]


def same(found: float, expected: float | None, judged: int) -> bool:
    """To the last bit; a row that is not good may lack what it has."""
    if math.isnan(found):
        return judged != Judgement.good or (expected is not None and math.isnan(expected))
    return struct.pack("d", found) == struct.pack("d", expected)


def texts_of(column: Any) -> list[str]:
    if isinstance(column, Words):
        assert len({*column.words}) == len(column.words)
        return [column.words[code] for code in column.codes]
    text, bounds = column.data.tobytes(), column.bounds.tolist()
    return [text[begin:end].decode() for begin, end in zip(bounds, [*bounds[1:], len(text)], strict=True)][:-1]


@pytest.mark.parametrize("make", [made.usual, made.bare])
def test_a_table_with_nothing_unusual_in_it_is_read(make: Callable[[random.Random], Table]) -> None:
    chance = random.Random(1)
    assert {type(read(make(chance), first_line=9)) for _ in range(300)} == {Cells}


@pytest.mark.parametrize("make", [made.broken, made.noise])
def test_what_is_found_in_any_text_is_right(make: Callable[[random.Random], Table]) -> None:
    chance = random.Random(1)
    outcomes = Counter(type(read(make(chance))) for _ in range(1_000))
    assert min(outcomes[Cells], outcomes[Outcome]) > 100


@pytest.mark.parametrize(
    "what", [",", "\n", "\r\n", '""', '","', '"\n"', '"\r\n"', '"",""', "\n\n", "\r\n\r\n", '"a', ',"', "\r"]
)
@pytest.mark.parametrize("quote", ['"', ""])
def test_the_edge_of_a_block_changes_nothing(what: str, quote: str) -> None:
    texts = [f"{quote}{'a' * before}{what}{quote},b\nc,d\n" for before in range(BLOCK, 2 * BLOCK)]
    assert len({type(read(Table(text.encode(), PAIR, TEXTS))) for text in texts}) == 1


def test_a_newline_in_a_cell_ends_no_line_where_that_is_the_rule() -> None:
    data = b'a,"1\n2"\nb,3\n'
    lines = {rowwise: tokens.read(data, 5, Shape(2, ",", ".", rowwise), TEXTS).lines for rowwise in (True, False)}
    assert {rowwise: [*found] for rowwise, found in lines.items()} == {True: [5, 6], False: [5, 7]}


@pytest.mark.parametrize(
    "data", [b"", b"a", b"a,b", b"a,b\r", b'"', b'"\n', b'a,"b\n', b"a,b\rc,d\n", b'a,b"c\n', b'"a" ,b\n']
)
def test_what_is_no_whole_row_or_unusual_is_left_to_others(data: bytes) -> None:
    assert tokens.read(data, 1, PAIR, TEXTS) is Outcome.unusual


@pytest.mark.parametrize("line", ["\u00a0", " \u3000\t", "\x0b", "\x1f", '"\n"', "\u00e9"])
def test_so_is_a_line_that_may_be_blank_to_those_who_know_all_white_space(line: str) -> None:
    assert tokens.read(f"a,b\n{line}\nc,d\n".encode(), 1, PAIR, TEXTS) is Outcome.unusual


@pytest.mark.parametrize("width", [1, 2_001])
def test_so_is_a_table_of_one_column_or_very_many(width: int) -> None:
    assert tokens.read(b",\n", 1, Shape(width, ",", ".", rowwise=False), ()) is Outcome.unusual


@pytest.mark.parametrize("columns", [0, 1, 63, 64, 65, 2_000])
def test_any_number_of_columns_is_converted(columns: int) -> None:
    width = max(columns, 2)
    row = ",".join(map(str, range(width)))
    wanted = tuple(Wanted(place, Type.number, required=True) for place in reversed(range(columns)))
    table = Table(f"{row}\n".encode() * 70, Shape(width, ",", ".", rowwise=False), wanted)
    assert len(read(table).judged) == 70


def test_a_cell_that_two_columns_want_is_left_to_others() -> None:
    assert tokens.read(b"1,2\n", 1, PAIR, [Wanted(1, Type.number), Wanted(1, Type.text)]) is Outcome.unusual


def test_so_are_lines_whose_numbers_have_more_than_32_bits() -> None:
    table = Table(b"a,b\nc,d\n", PAIR, TEXTS)
    assert isinstance(read(table, 2**31 - 1 - len(table.data)), Cells)
    assert {read(table, first) for first in (2**31 - len(table.data), 2**31, 2**32, 2**40)} == {Outcome.unusual}


def test_lines_that_are_no_rows_take_no_room_in_columns() -> None:
    columns, size = 64, 100_000
    wanted = [Wanted(place, Type.number) for place in range(columns)]
    tracemalloc.start()
    assert isinstance(tokens.read(b"\n" * size, 1, Shape(columns, ",", ".", rowwise=False), wanted), Cells)
    assert tracemalloc.get_traced_memory()[1] < 20 * size
    tracemalloc.stop()


def test_more_misfits_than_can_be_told_are_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_MISFITS", 3)
    assert isinstance(read(Table(b"a,b\n" + b"c\n" * 3, PAIR, TEXTS)), Cells)
    assert read(Table(b"a,b\n" + b"c\n" * 4, PAIR, TEXTS)) is Outcome.unusual


def test_as_many_words_as_there_is_room_for_are_coded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_WORDS", 4)
    rows = [b"a,%d\n" % (n % 4) for n in range(100)]
    assert isinstance(read(Table(b"".join(rows), PAIR, TEXTS)), Cells)
    assert read(Table(b"".join([*rows, b"a,4\n"]), PAIR, TEXTS)) is Outcome.many_words


def hashed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """As texts of eight bytes are, of which these are the bits."""
    found = (words ^ np.uint64(8)) * np.uint64(0x9E3779B97F4A7C15)
    return (found ^ (found >> np.uint64(29))) >> np.uint64(20) & np.uint64(2 * tokens.MOST_WORDS - 1)


def test_words_that_were_chosen_to_be_in_each_others_way_are_soon_given_up() -> None:
    octets = np.random.default_rng(1).integers(ord("a"), ord("z") + 1, (2**22, 8), np.uint8)
    chosen = octets[hashed(octets.view(np.uint64)[:, 0]) == 1][:300]
    assert len(chosen) == 300
    for words, outcome in ((octets[:300], Cells), (chosen, Outcome)):
        text = b"".join(word.tobytes() + b",b\n" for word in words)
        assert type(read(Table(text, PAIR, (Wanted(0, Type.coded),)))) is outcome


@pytest.mark.parametrize("length", [*range(1, 20), 63, 64, 65])
def test_words_differ_by_any_of_their_bytes(length: int) -> None:
    words = ["a" * length] + ["a" * at + "b" + "a" * (length - at - 1) for at in range(length)]
    words += [word + "\u00e9" for word in words]
    text = "".join(f'{word},"{word}"\n' for word in [*words, *words])
    both = tuple(Wanted(place, Type.coded) for place in (0, 1))
    first, second = read(Table(text.encode(), PAIR, both)).columns
    assert first.words == second.words == words


@pytest.mark.parametrize("byte", [0, 10, 34, 127, 128, 255])
def test_every_byte_is_counted(byte: int) -> None:
    data = bytes(random.Random(byte).choices([byte, byte ^ 1, byte ^ 128, 0, 255], k=5 * BLOCK + 7))
    for end in [*range(len(data)), 240, 241, 64 * 240 + 5]:
        some = (data * 50)[:end]
        assert tokens.count(some, bytes([byte, 255])) == [some.count(byte), some.count(255)]

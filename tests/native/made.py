"""Tables at random for the compiled part: such as it has to read, broken ones, and what hardly is one."""

from __future__ import annotations

import random
from dataclasses import dataclass

from consumer.native.tokens import Shape, Type, Wanted

SPECIAL = '"",,;\n\n\r\r\n 1.-e'
NUMBERS = [
    *["0", "7", "-0", "-12.5", "00012345", "12345678", "-1234567.8", "123456789", "0.1234567", ".5", "5.", "+4", "1e5"],
    *["1E-3", "-2.5e+7", " 8 ", "\t9", "9" * 19, "9" * 20, f"0.{'0' * 17}1", "1e22", "9007199254740993", "1e-19"],
    *["", " ", ".", "-", "+", "e5", "1e", "1.5.5", "--1", "1 2", "abc", "0x10", "1e400", "\u00a07", "\uff11", "nan"],
]
TEXTS = [
    *[
        "",
        " ",
        "a",
        "North",
        "eight888",
        "ninechars",
        "sixteen letters!",
        "sixteen letters?",
        "Süd",
        "€",
        "\ufeff",
        "'",
    ],
    *["a longer text than some", "x" * 61, '"', '""', '"a"', 'say "x"', "a,b;c", "\n", "two\nlines", "\r\n", "\tb "],
]


@dataclass(frozen=True)
class Table:
    data: bytes
    shape: Shape
    wanted: tuple[Wanted, ...]

    @property
    def text(self) -> str:
        return self.data.decode()


def usual(chance: random.Random) -> Table:
    """A table with nothing unusual in it: it is read."""
    shape = Shape(chance.choice([2, 2, 3, 4, 5, 70]), chance.choice(",;\t|"), chance.choice(".,"), rowwise=False)
    places = chance.sample(range(shape.width), chance.choice([0, 1, 2, shape.width]))
    wanted = tuple(Wanted(place, chance.choice([*Type]), chance.random() < 0.5) for place in places)
    numbers = {each.place for each in wanted if each.type is Type.number}
    every = chance.choice([0.0, 0.1, 1.0])  # of the cells are in quotes without need
    ends = chance.choice([["\n"], ["\r\n"], ["\n", "\r\n"]])
    lines = [_line(chance, shape, numbers, every) for _ in range(chance.choice([1, 2, 5, 30, 150]))]
    return Table("".join(line + chance.choice(ends) for line in lines).encode(), shape, wanted)


def bare(chance: random.Random) -> Table:
    """Rows that are as short as they can be."""
    width = chance.choice([2, 3, 70])
    row = "," * (width - 1) + "\n"
    return Table(row.encode() * chance.randrange(1, 200), Shape(width, ",", ".", rowwise=False), _all_types(chance))


def broken(chance: random.Random) -> Table:
    """A usual one with some of its characters changed."""
    table = usual(chance)
    text = table.text
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(["", chance.choice(SPECIAL)]) + text[at + chance.randint(0, 2) :] or "\n"
    return Table(text.encode(), table.shape, table.wanted)


def noise(chance: random.Random) -> Table:
    """Delimiters, quotes and ends of lines, mostly."""
    text = "".join(chance.choices(chance.choice([SPECIAL, '"",,\n', "1.,\n", 'a",\r\n']), k=chance.randrange(300)))
    return Table(text.encode() + b"\n", Shape(chance.choice([2, 3]), ",", ".", rowwise=False), _all_types(chance))


def octets(chance: random.Random) -> Table:
    """Any bytes, also such as are no text."""
    data = bytearray(broken(chance).data)
    for _ in range(chance.randrange(1, 30)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return Table(bytes(data), Shape(2, ",", ".", rowwise=True), _all_types(chance))


def _all_types(chance: random.Random) -> tuple[Wanted, ...]:
    return tuple(Wanted(place, chance.choice([*Type]), required=True) for place in (1, 0))


def _line(chance: random.Random, shape: Shape, numbers: set[int], every: float) -> str:
    match chance.randrange(20):
        case 0:
            return chance.choice(["", "  ", "short", '""', '" "'])
        case 1:
            return shape.delimiter.join(["x"] * (shape.width + chance.choice([-1, 1, 2]))).rjust(2)
    cells = [
        chance.choice(NUMBERS).replace(".", shape.mark) if place in numbers else chance.choice(TEXTS)
        for place in range(shape.width)
    ]
    return shape.delimiter.join(_spelt(cell, always=chance.random() < every) for cell in cells)


def _spelt(cell: str, *, always: bool) -> str:
    needed = always or any(char in cell for char in '",;\t|\r\n')
    return '"' + cell.replace('"', '""') + '"' if needed else cell

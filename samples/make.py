"""Writes the sample tables beside this file; the same ones each time: `python samples/make.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

SEED = 20
ROWS = 1600
ANOMALIES, DIRTY, ODD = 23, 16, 12  # one row in so many, and then the next of its list

REGIONS = ("North", "South", "East", "West", "Central", "Île-de-France", "Österreich", "東日本")
PRODUCTS = ("Lamp", "Desk", "Chair, oak", 'Screen 24"', "Rug", "Teapot", "Bücherregal", "NA", "null", "007")
NOTES = ("", "", "", "gift", "returned once", "call first, then ring", 'said "soon"', "=1+1", "@home", "-")

Row = dict[str, str]  # the cells as they stand in the file

UNUSABLE: tuple[Row, ...] = (  # what the cells of a row that is left out say instead
    *(
        {"revenue": cell}
        for cell in ("", "   ", "abc", "twelve", "n/a", "NULL", "$12.50", "12.50 €", '"1,200"', "1 200")
    ),
    *(
        {"revenue": cell}
        for cell in ("inf", "-inf", "nan", "1e999", "0x10", "1_000", "12.5.1", "--5", "1e", "١٢", "\uff11\uff12")
    ),
    *({"quantity": cell} for cell in ("", "ten", "0", "0.0", "-0", " 0 ", "0e5", '"3,5"', "3 pcs")),
    *({"discount": cell} for cell in ("", "10%", "none", "Infinity", '"0,10"', "..1")),
    *({"region": cell} for cell in ("", "  ", '""', '"  "')),
    {"revenue": "", "quantity": "0", "discount": "none", "region": ""},
    {"note": "cut short", "discount": "\0"},  # a NUL here takes the cell and those after it away
    {"note": "\0"},
    {"note": "one,cell,too,many"},
    {"note": "trailing comma,"},
)
USABLE: tuple[Row, ...] = (  # strange, and yet right
    *({"revenue": cell} for cell in ("  12.50 ", "+80", "1e2", "1.5E+2", "75.", ".5", "-20", "0", '"64.10"', "0012.5")),
    *({"quantity": cell} for cell in ("2.5", " 4", "-1", "1e1", '"3"')),
    *(
        {"region": cell}
        for cell in ("  North", "South\t", '" East "', '"Land\nunter"', '"Co ""Op"""', "NA", "=2+3", "west")
    ),
    *({"order": cell} for cell in ("00000123", "123456789012345678901234567890", "9007199254740993", "", "1e5")),
    *(
        {"note": cell}
        for cell in ('"two\nlines, one cell"', '"a\r\nb"', '" , "', "naïve 🐟", "<b>bold</b>", "  padded  ")
    ),
    {"product": "", "note": ""},
)


def sales(random: Random) -> str:
    """Orders by region, with every kind of dirt that the reader has an answer for."""
    head = "order, region ,product,revenue,quantity,discount,note"
    return "\n".join([head, *_sales_lines(random)]) + "\n"


def _sales_lines(random: Random) -> Iterator[str]:
    for number in range(1, ROWS + 1):
        row = _order(random, number)
        if number % DIRTY == 0:
            row |= UNUSABLE[number // DIRTY % len(UNUSABLE)]
        elif number % ODD == 0:
            row |= USABLE[number // ODD % len(USABLE)]
        yield ",".join(row.values()).partition(",\0")[0]
        if number % 400 == 0:
            yield ""  # an empty line is no row


def _order(random: Random, number: int) -> Row:
    quantity = random.randint(1, 40)
    price = random.uniform(8, 60) * (random.uniform(3, 9) if number % ANOMALIES == 0 else 1)
    return {
        "order": f"{number:06}",
        "region": random.choice(REGIONS),
        "product": _cell(random.choice(PRODUCTS)),
        "revenue": f"{price * quantity:.2f}",
        "quantity": str(quantity),
        "discount": f"{random.choice((0, 0, 0, 0.05, 0.1, 0.15, 0.25)):.2f}",
        "note": _cell(random.choice(NOTES)),
    }


def _cell(text: str) -> str:
    escaped = text.replace('"', '""')
    return f'"{escaped}"' if set(text) & set(',"\n') else text


def summary(random: Random) -> str:
    """Values in groups; some are blank, a few are no numbers, some belong to no group."""
    lines = ["region,value_column"]
    for number in range(1, 241):
        value = {0: "", 1: "unknown" if number % 60 == 1 else "-3.5"}.get(number % 20, f"{random.uniform(1, 99):.2f}")
        lines.append(f"{random.choice((*REGIONS[:5], '' if number % 7 == 0 else 'North'))},{value}")
    return "\n".join(lines) + "\n"


FIRST = ("Ada", "Boris", "Chloé", "Dmitri", "Emeka", "Fatima", "Grace", "Hugo", "Ines", "Jürgen", "Kaede", "Liam")
LAST = ("Abbott", "Bauer", "Chen", "Díaz", "Eriksson", "Fofana", "Grant", "Haddad", "Ito", "Jansen", "Kovács", "O'Neil")


def users(random: Random) -> str:
    """Names and addresses; some addresses are missing, malformed, or there twice in other letters."""
    lines = ["real_name,email"]
    for number in range(1, 81):
        first, last = random.choice(FIRST), random.choice(LAST)
        address = f"user{number}@example.org"
        wrong = {3: "", 5: "nobody", 7: f"user{number}@", 9: "a b@example.org", 11: f"USER{number - 1}@Example.ORG"}
        lines.append(f"{first} {last},{wrong.get(number % 16, address)}")
    lines += [
        "Dan Extra,dan@example.org,surplus",
        '"Last, First",  padded@example.com  ',
        ",nameless@example.org",
        "Alone",
    ]
    return "\n".join(lines) + "\n"


def players(random: Random) -> str:
    """A team's list with a blank after each comma; some heights are blank."""
    lines = ["Name, Team, Position, Height(inches), Weight(lbs), Age"]
    for number in range(1, 121):
        name = f"{random.choice(FIRST)} {random.choice(LAST)}"
        team, position = (
            random.choice(("BAL", "CWS", "NYY", "SEA")),
            random.choice(("Catcher", "Outfielder", "Pitcher")),
        )
        height = "" if number % 11 == 0 else str(random.randint(68, 82))
        age = random.uniform(20, 39)
        lines.append(f"{name}, {team}, {position}, {height}, {random.randint(160, 250)}, {age:.2f}")
    return "\n".join(lines) + "\n"


TABLES = (sales, summary, users, players)


def tables() -> Iterator[tuple[str, bytes]]:
    """The name and the content of each sample."""
    for table in TABLES:
        yield f"{table.__name__}.csv", table(Random(SEED)).encode()


def main() -> None:
    for name, content in tables():
        Path(__file__).with_name(name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()

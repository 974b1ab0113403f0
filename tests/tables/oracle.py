"""What the reader must make of a table: plain Python, one character after another. Shares no code with the reader."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)


@dataclass
class Row:
    line: int
    cells: list[str]
    raw: str


def rows_of(text: str, delimiter: str, *, blanks: bool = False) -> list[Row]:  # noqa: C901 - as plain as can be
    """All rows, the header too; blank lines left out."""
    rows, row, cell, raw, line, state, i = [], [], "", "", 1, "start", 0
    began = 1

    def end_row() -> None:
        nonlocal row, cell, raw, began
        if raw.strip(" ") or row:
            found = Row(began, [*row, cell], raw)
            if len(found.cells) > 1 or found.raw.strip():
                rows.append(found)
        row, cell, raw = [], "", ""

    while i < len(text):
        char = text[i]
        newline = text[i : i + 2] if text[i : i + 2] == "\r\n" else char if char in "\r\n" else ""
        if newline:
            line += 1
        if state == "quoted":
            if char == '"' and text[i + 1 : i + 2] == '"':
                cell += '"'
                raw += '""'
                i += 2
                continue
            if char == '"':
                state = "plain"
            else:
                cell += newline or char
            raw += newline or char
            i += len(newline or char)
            continue
        if newline:
            end_row()
            state, began = "start", line
        elif char == delimiter:
            row.append(cell)
            cell, state = "", "start"
            raw += char
        elif state == "start" and (char == '"' or (blanks and re.match(' +"', text[i:]))):
            raw += text[i : text.index('"', i) + 1]
            i = text.index('"', i)
            state = "quoted"
        else:
            cell += char
            raw += char
            state = "plain"
        i += len(newline) or 1
    end_row()
    return rows


def number(cell: str, decimal: str = ".") -> tuple[float | None, str]:
    """The value, and why it is none."""
    if decimal != ".":
        cell = "?" if "." in cell else cell.replace(decimal, ".")
    if not NUMBER.fullmatch(cell):
        return None, "not_a_number"
    value = float(cell)
    return (value, "") if math.isfinite(value) else (None, "not_finite")


@dataclass
class Read:
    kept: list[dict[str, object]]
    carried: list[list[str]]
    rejects: list[list[str]]


def read(
    text: str, delimiter: str, columns: list[tuple[str, str, bool]], *, blanks: bool = False, surplus: str = "reject"
) -> Read:
    """`columns` are (name, type, required)."""
    header, *rows = rows_of(text, delimiter, blanks=blanks)
    names = [cell.strip() for cell in header.cells]
    result = Read([], [], [])
    for row in rows:
        reason = ""
        values: dict[str, object] = {}
        cells = row.cells[: len(names)] if surplus == "ignore" else row.cells
        if len(cells) != len(names):
            kind = "short" if len(cells) < len(names) else "long"
            reason = f"{kind}_row: {len(cells)} of {len(names)} cells"
        for name, type_, required in columns if not reason else []:
            cell = cells[names.index(name)].strip()
            value: object = cell
            why = ""
            if not cell:
                value, why = None, "missing" if required else ""
            elif type_ == "number":
                value, why = number(cell)
            values[name] = value
            reason = reason or (f"{name}: {why}" if why else "")
        if reason:
            last = len(names) - 1
            shown = [*row.cells[:last], delimiter.join(row.cells[last:])] + [""] * (len(names) - len(row.cells))
            result.rejects.append([*shown[: len(names)], str(row.line), reason])
        else:
            result.kept.append(values)
            result.carried.append([cell.strip() for cell in row.cells[: len(names)]])
    return result

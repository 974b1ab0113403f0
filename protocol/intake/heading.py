"""A table's first row: where it ends, what separates its cells, and what the columns are called."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from protocol.intake import quotes, scanning
from protocol.intake.layout import CANDIDATES, MAX_COLUMNS, MAX_HEADER, ReadOptions
from protocol.job import Fault, Finding

_ALL = "".join(CANDIDATES).encode()
_SAMPLE = 4_000  # characters that clevercsv looks at: 20 ms at worst
_BLANKS_SAMPLE = 16_384
_QUOTED = re.compile(r' *+"(?>(?:[^"]++|"")*)"')
_BLANK_QUOTE = re.compile(rb'[,;|\t\r\n] +"')


@dataclass(frozen=True)
class Heading:
    """The header row: names (stripped), its bytes from `begin` to `end`, its line and the line after it.

    Where there is none, it is as if it stood before the first row and took no space.
    """

    names: tuple[str, ...]
    delimiter: str
    blanks: bool
    begin: int
    end: int
    line: int
    next_line: int
    findings: tuple[Finding, ...]


def prepare() -> None:
    """Load what few headers need: it takes a good while, too long for an event loop."""
    importlib.import_module("clevercsv.detect")


def find(head: bytes, options: ReadOptions) -> Heading | Fault:
    """The heading of the table that begins with *head*, or why there is none."""
    declared = options.delimiter
    begin = scanning.blank_lines((declared or "").encode()).match(head).end()  # type: ignore[union-attr]
    line = 1 + scanning.line_ends(head[:begin])
    if begin == len(head):
        return Fault(code="empty", detail="The file is empty: there is not even a header.")
    delimiter, why = (declared, "declared") if declared else _delimiter(head[begin:])
    blanks = _skips_blanks(head[begin:], delimiter)
    mark = Finding(what="delimiter", value=delimiter, why=why, line=line)
    bare = Heading((), delimiter, blanks, begin, begin, line, line, (mark,))
    if options.header is False and (names := _own_names(options)):  # then the first row may be any
        return _headless(bare, names, options)
    end = _end(head, begin, delimiter, blanks=blanks)
    if opened := _unclosed(head[:end], delimiter, blanks=blanks):
        detail = f"The quote that opens a cell in line {opened} of the header is never closed."
        return Fault(code="unclosed_quote", detail=detail, line=opened)
    if end - begin > MAX_HEADER:
        return too_long(line)
    cells = scanning.cells(head[begin:end], delimiter, blanks=blanks)
    names = strip(quotes.reveal(cell, options.mark).decode(errors="replace") for cell in cells)
    if _is_row(names, options):
        return _headless(bare, _given_names(len(names), options), options)
    why = "declared" if options.header else "the first line that is not blank"
    found = Finding(what="header", value=width(names), why=why, line=line)
    return Heading(names, delimiter, blanks, begin, end, line, 1 + scanning.line_ends(head[:end]), (mark, found))


def strip(names: Iterable[str]) -> tuple[str, ...]:
    """Names as columns have them."""
    return tuple(name.strip() for name in names)


def width(names: tuple[str, ...]) -> str:
    return "1 column" if len(names) == 1 else f"{len(names)} columns"


def _is_row(cells: tuple[str, ...], options: ReadOptions) -> bool:
    """Whether the first row is one like the others: declared so, or it may be, and it names none of the columns."""
    if options.header is not None:
        return not options.header
    names = {name.casefold() for name in (*options.names, *options.columns.values())}
    return bool(options.names) and names.isdisjoint(cell.casefold() for cell in cells)


def _given_names(count: int, options: ReadOptions) -> tuple[str, ...]:
    """What the columns are called where no header says it: as the kind does, or else after their places."""
    return _own_names(options) or tuple(map(_name_of, range(1, count + 1)))


def _own_names(options: ReadOptions) -> tuple[str, ...]:
    """The kind's names, if it has any, unless it was said which of the table's columns they stand for."""
    return () if options.columns else options.names


def _name_of(place: int) -> str:
    return f"column_{place}"


def _headless(bare: Heading, names: tuple[str, ...], options: ReadOptions) -> Heading:
    why = "declared" if options.header is not None else "the first line names no column"
    why = f"{why}; in their order they are taken for {_some([*names])}"
    told = Finding(what="header", value="none", why=why, line=bare.line)
    return replace(bare, names=names, findings=(*bare.findings, told))


def name_columns(cells: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """The columns' names: a blank one is called after its place, and that is told."""
    names = tuple(cell or _name_of(place) for place, cell in enumerate(cells, 1))
    nameless = [name for name, cell in zip(names, cells, strict=True) if not cell]
    why = "the header has no name there; a column is called after its place"
    return names, (Finding(what="header", value=_some(nameless), why=why),) if nameless else ()


def faults(cells: tuple[str, ...], line: int) -> tuple[Fault, ...]:
    """What is wrong with the columns: too many, too long names, or several of one name."""
    names, _ = name_columns(cells)
    if len("".join(cells).encode()) > MAX_HEADER:  # where another format names them
        return (too_long(line),)
    if len(names) > MAX_COLUMNS:
        detail = f"The header has {len(names):,} columns; {MAX_COLUMNS:,} is the most."
        return (Fault(code="too_many_columns", detail=detail, line=line),)
    return tuple(
        Fault(code="duplicate_column", detail=f"The header names {count} columns {name!r}.", line=line, column=name)
        for name, count in Counter(names).items()
        if count > 1
    )


def too_long(line: int | None = None) -> Fault:
    return Fault(code="header_too_long", detail="The header is longer than 256 KiB.", line=line)


def _end(head: bytes, begin: int, delimiter: str, *, blanks: bool) -> int:
    row = scanning.whole_row(delimiter.encode(), blanks=blanks).match(head, begin)
    return row.end() if row else len(head)


def _unclosed(header: bytes, delimiter: str, *, blanks: bool) -> int | None:
    if scanning.QUOTE not in header:
        return None
    scanner = scanning.Scanner(delimiter, blanks=blanks)
    scanner.feed(header)
    scanner.finish()
    return scanner.opened_line if scanner.inside else None


def _delimiter(text: bytes) -> tuple[str, str]:
    end = _end(text, 0, "".join(CANDIDATES), blanks=True)
    counts = Counter(_QUOTED.sub("", text[:end].decode(errors="replace")))
    found = {candidate: counts[candidate] for candidate in CANDIDATES if counts[candidate]}
    if not found:
        return ",", "the header has one column"
    if len(found) == 1:
        return next(iter(found)), "the only one in the header"
    return _clever(text, found), "it splits the first rows most evenly"


def _clever(text: bytes, found: dict[str, int]) -> str:
    sample = text[: 4 * _SAMPLE].decode(errors="ignore")[:_SAMPLE]
    whole = sample[: max(sample.rfind("\n"), sample.rfind("\r")) + 1] or sample
    from clevercsv.detect import Detector  # noqa: PLC0415 - as slow to load as all the rest, and seldom asked

    dialect = Detector().detect(whole, delimiters=list(found))
    if dialect and dialect.delimiter in found:
        return str(dialect.delimiter)
    return max(found, key=lambda candidate: found[candidate])


def _skips_blanks(text: bytes, delimiter: str) -> bool:
    """Whether blanks before a quote belong to the quoting: where any cell looks so, all such cells must close well."""
    sample = text[:_BLANKS_SAMPLE]
    if b'"' not in sample or not _BLANK_QUOTE.search(sample):  # a byte is found at once, and most tables have none
        return False
    looks = [cell for cell in scanning.cell_pattern(delimiter.encode(), blanks=True).finditer(sample) if cell["blank"]]
    whole = [cell for cell in looks if cell.end() < len(sample)] or looks
    return bool(whole) and all(cell["quoted"].endswith(b'"') and not cell["after"].strip(b" ") for cell in whole)


def _some(names: list[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")  # noqa: PLR2004

"""The beginning of a table as it would be read: what is decided and why, and the first rows. Pure, and quick."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from protocol.intake import (
    BadTable,
    Inspector,
    Layout,
    ReadOptions,
    check_columns,
    heading,
    jsonl,
    quotes,
    scanning,
)
from protocol.intake.decoding import decoded
from protocol.intake.layout import Format
from protocol.job import Fault, Finding
from protocol.kinds import KindInfo
from protocol.value import Value

MOST = 256 * 1024  # bytes that are looked at
ROWS = 20
Row = tuple[int, tuple[str, ...]]
Names = Sequence[tuple[str, str]]


class Need(Value):
    """A column that the kind needs, and what that is called in the file; nothing where the file has none."""

    name: str
    type: str
    column: str | None


class Preview(Value):
    """What is known of a table from its beginning. `whole` says that this was all of it.

    `rows` are cells as they stand, each with its physical line in `lines`. `errors` are what a submission of this much
    would be refused for.
    """

    findings: tuple[Finding, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[int, ...] = ()
    needed: tuple[Need, ...] = ()
    errors: tuple[Fault, ...] = ()
    whole: bool = True


def look(data: bytes, options: ReadOptions, name: str, *, whole: bool) -> Layout | BadTable:
    """How the table that begins with *data* is written; more may follow unless that is the *whole*."""
    inspector = Inspector(options, name=name)
    try:
        inspector.feed(data)
        return inspector.finish() if whole else inspector.glance()
    except BadTable as bad:
        return bad


def preview(
    data: bytes, options: ReadOptions, name: str, kind: KindInfo | None, params: Mapping[str, Any], *, whole: bool
) -> Preview:
    """The table that begins with *data*, as *kind* would get it."""
    found = look(data, options, name, whole=whole)
    layout = found.layout if isinstance(found, BadTable) else found
    faults = found.faults if isinstance(found, BadTable) else ()
    if layout is None:
        return Preview(errors=faults, whole=whole)
    if layout.format is Format.JSONL:
        return _of_objects(data, options, layout, _names(kind, params), whole=whole)
    if layout.format is not Format.CSV:  # its beginning does not tell more
        return Preview(findings=layout.findings, errors=faults, whole=whole)
    rows = list(_rows(data, options, layout, whole=whole))
    return Preview(
        findings=layout.findings,
        columns=layout.header,
        rows=tuple(cells for _, cells in rows),
        lines=tuple(line for line, _ in rows),
        needed=_needs(_names(kind, params), options, layout.header),
        errors=(*check_columns(layout, kind.columns if kind else (), params, options.columns), *faults),
        whole=whole,
    )


def _of_objects(data: bytes, options: ReadOptions, layout: Layout, names: Names, *, whole: bool) -> Preview:
    """Of JSON Lines: the keys of the objects that end within *data*; those that follow may have more."""
    try:
        text = b"".join(jsonl.decode([data], options.encoding, whole=whole))
        lines = [text if whole else text[: text.rfind(b"\n") + 1]]
        keys = jsonl.columns(lines) if lines[0] else ()
        rows = list(islice(jsonl.rows(lines, keys), ROWS))
        columns = heading.strip(keys)
    except BadTable as bad:
        return Preview(findings=layout.findings, errors=bad.faults, whole=whole)
    return Preview(
        findings=layout.findings,
        columns=columns,
        rows=tuple(tuple(cells) for _, cells in rows),
        lines=tuple(line for line, _ in rows),
        needed=_needs(names, options, columns) if columns else (),
        whole=whole,
    )


def _names(kind: KindInfo | None, params: Mapping[str, Any]) -> Names:
    """What the kind needs: names with their types."""
    return [(column.name_for(dict(params)), column.type) for column in (kind.columns if kind else ())]


def _needs(names: Names, options: ReadOptions, header: Collection[str]) -> tuple[Need, ...]:
    found = {name: options.name_of(name) for name, _ in names}
    return tuple(
        Need(name=name, type=kind, column=found[name] if found[name] in header else None) for name, kind in names
    )


def _rows(data: bytes, options: ReadOptions, layout: Layout, *, whole: bool) -> Iterator[Row]:
    """The first rows that end within *data*, with their lines."""
    plain, skipped = decoded(data, options.encoding)
    text = quotes.disguise(plain, options.mark)
    if whole and not text.endswith(b"\n"):
        text += b"\n"
    for line, row in islice(_split(text, layout, layout.rows_begin - skipped), ROWS):
        cells = scanning.cells(row, layout.delimiter, blanks=layout.blanks)
        yield line, tuple(quotes.reveal(cell, options.mark).decode(errors="replace") for cell in cells)


def _split(text: bytes, layout: Layout, at: int) -> Iterator[tuple[int, bytes]]:
    row, line = scanning.whole_row(layout.delimiter.encode(), blanks=layout.blanks), layout.first_line
    while found := row.match(text, at):
        if layout.delimiter.encode() in found[0] or found[0].decode(errors="replace").strip():
            yield line, found[0]
        at, line = found.end(), line + scanning.line_ends(found[0])

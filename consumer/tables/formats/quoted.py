"""Text with another quote than the usual one, or with none: declared, for looking cannot tell."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from consumer.tables.formats import Row
from protocol.intake.layout import MAX_FIELD, UNQUOTED, Layout
from protocol.intake.repaired import as_text


def rows(utf8: Iterable[bytes], layout: Layout, quote: str) -> Iterator[Row]:
    """The rows, the header's included, with the physical lines on which they begin."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD))
    last = ""

    def lines() -> Iterator[str]:
        nonlocal last
        for last in as_text(utf8):  # noqa: UP028 - what was read last is looked at below
            yield last

    marks = {"quoting": csv.QUOTE_NONE} if quote == UNQUOTED else {"quotechar": quote}
    reader = csv.reader(lines(), delimiter=layout.delimiter, skipinitialspace=layout.blanks, **marks)
    line = 1
    for cells in reader:
        begun, line = line, reader.line_num + 1
        if len(cells) > 1 or last.strip():  # a quoted cell is one, although there is nothing in it
            yield begun, cells

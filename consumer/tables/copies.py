"""Makes the copy of a table that the reader reads, where the table itself is no UTF-8 CSV with the usual quotes."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from consumer.tables import write
from consumer.tables.formats import Row, quoted, spell
from consumer.tables.formats.stored import open_stored
from protocol.files import BlockingFiles, blocks
from protocol.intake import heading, jsonl
from protocol.intake.decoding import transcode
from protocol.intake.layout import QUOTE, BadTable, Format, Layout, ReadOptions
from protocol.intake.unpacking import FREE, RATIO
from protocol.job import Fault, Finding


@dataclass(frozen=True)
class Copy:
    """How a copy is to be read, and what is to be told of the table itself.

    Where a newline in a cell starts no line, `line_after` is that of the next row, and `first` that of the first one,
    be it the header or not.
    """

    options: ReadOptions
    findings: tuple[Finding, ...]
    line_after: int | None = None
    first: int = 1


def needed(layout: Layout, options: ReadOptions) -> bool:
    return layout.format is not Format.CSV or options.mark != QUOTE


def make(files: BlockingFiles, key: str, options: ReadOptions, layout: Layout, to: str) -> Copy:
    """Write the table at *key* to the key *to*, in bounded memory; BadTable where it cannot be."""
    match layout.format:
        case Format.XLSX:
            return _sheet(files, key, options, layout, to)
        case Format.PARQUET:
            return _parquet(files, key, options, layout, to)
        case Format.JSONL:
            return _jsonl(files, key, options, layout, to)
        case Format.CSV:
            return _requoted(files, key, options, layout, to)


def _sheet(files: BlockingFiles, key: str, options: ReadOptions, layout: Layout, to: str) -> Copy:
    """It may lack a header, as any CSV may."""
    from consumer.tables.formats import xlsx  # noqa: PLC0415 - what few jobs need shall not be in all workers

    with open_stored(files, key) as file:
        sheet, found = xlsx.open_sheet(file)
        rows = _Followed(found)
        _write(files, key, to, spell(rows, rowwise=True))
    same = options.model_copy(update={"encoding": None, "delimiter": ",", "quote": None})
    return Copy(same, (*layout.findings, sheet), rows.last + 1, rows.first)


def _parquet(files: BlockingFiles, key: str, options: ReadOptions, layout: Layout, to: str) -> Copy:
    from consumer.tables.formats import parquet  # noqa: PLC0415 - the same

    with open_stored(files, key) as file:
        table = parquet.open_table(file)
        if not table.rows:  # then the header is all there is
            files.write(to, [write.header(table.columns)])
            return Copy(ReadOptions(delimiter=",", header=True), _named(layout, table.columns, "the file's schema"))
        _write(files, key, to, _marked(table.spell()))
    told = _named(layout, table.columns, "the file's schema")
    return Copy(_headless(table.columns, options), told, table.rows + 1)


def _jsonl(files: BlockingFiles, key: str, options: ReadOptions, layout: Layout, to: str) -> Copy:
    names = jsonl.columns(blocks(files, key), options.encoding)
    rows = _Followed(jsonl.rows(blocks(files, key), names, options.encoding))
    _write(files, key, to, _marked(spell(rows, rowwise=True)))
    return Copy(_headless(names, options), _named(layout, names, "all keys of its objects"), rows.last + 1, rows.first)


def _headless(names: tuple[str, ...], options: ReadOptions) -> ReadOptions:
    return ReadOptions(delimiter=",", header=False, names=heading.strip(names), surplus=options.surplus)


def _marked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Behind a byte order mark, so that one in the first cell is not taken for it."""
    return chain((BOM_UTF8,), pieces)


def _named(layout: Layout, names: tuple[str, ...], why: str) -> tuple[Finding, ...]:
    return (*layout.findings, Finding(what="header", value=heading.width(names), why=why))


def _requoted(files: BlockingFiles, key: str, options: ReadOptions, layout: Layout, to: str) -> Copy:
    utf8 = transcode(blocks(files, key), options.encoding)
    files.write(to, spell(quoted.rows(utf8, layout, options.mark), layout.delimiter))
    same = ReadOptions(
        delimiter=layout.delimiter, header=not layout.headless, names=layout.header, surplus=options.surplus
    )
    return Copy(same, layout.findings)


class _Followed:
    """Rows on their way; `first` and `last` are the lines of those that went by."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows, self.first, self.last = rows, 0, 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.last = row[0]
            self.first = self.first or self.last
            yield row


def _write(files: BlockingFiles, key: str, to: str, pieces: Iterable[bytes]) -> None:
    files.write(to, _bounded(pieces, FREE + RATIO * files.size(key)))


def _bounded(pieces: Iterable[bytes], most: int) -> Iterator[bytes]:
    for piece in pieces:
        most -= len(piece)
        if most < 0:
            detail = f"The table grows to more than {RATIO} times the size of its file; send it as CSV."
            raise BadTable(413, (Fault(code="swells", detail=detail),))
        yield piece

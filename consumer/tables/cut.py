"""Cuts a table into chunks at row boundaries, so that each can be read alone; reads every byte once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from consumer.tables.survey import Survey, blocks
from protocol.files import BlockingFiles
from protocol.intake.scanning import Scanner, line_ends

_LOOK_AHEAD = 64 * 1024


@dataclass(frozen=True)
class Chunk:
    """The rows in bytes `start` to `stop` of the table; `first_line` is the physical line on which the first begins."""

    index: int
    start: int
    stop: int
    first_line: int


def cut(files: BlockingFiles, survey: Survey, chunk_size: int, *, most_lines: int | None = None) -> tuple[Chunk, ...]:
    """Chunks of at least *chunk_size* bytes (the last may be smaller), each from a row's start to a row's end.

    Where lines are so short that such a chunk would have more than about *most_lines* of them, chunks are smaller:
    what it takes to read one grows with its rows too.
    """
    if most_lines:
        chunk_size = min(chunk_size, survey.size * most_lines // survey.layout.lines)
    return tuple(_chunks(files, survey, max(1, chunk_size)))


def _chunks(files: BlockingFiles, survey: Survey, chunk_size: int) -> Iterator[Chunk]:
    start, line, index = survey.layout.rows_begin, survey.layout.first_line, 0
    while start < survey.size:
        scanner = Scanner(survey.layout.delimiter, blanks=survey.layout.blanks, offset=start, line=line)
        for block in blocks(files, survey.key, start, min(start + chunk_size, survey.size)):
            scanner.feed(block)
        rest = _rest_of_row(files, survey, scanner)
        stop = scanner.offset + len(rest)
        yield Chunk(index, start, stop, line)
        start, line, index = stop, scanner.line + line_ends(rest), index + 1


def _rest_of_row(files: BlockingFiles, survey: Survey, scanner: Scanner) -> bytes:
    """What lies between the scanner's place and the end of the row in which that is."""
    size = _LOOK_AHEAD
    while True:
        data = files.read(survey.key, scanner.offset, min(scanner.offset + size, survey.size))
        end = scanner.row_end(data)
        if end is not None:
            return data[:end]
        if scanner.offset + size >= survey.size:
            return data
        size *= 4

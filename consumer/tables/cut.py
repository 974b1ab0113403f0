"""Cuts a table into chunks, and these into slices, at row boundaries: each can be read alone."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

from consumer.tables import rows
from consumer.tables.survey import Survey, blocks, count
from protocol.files import BlockingFiles
from protocol.intake.scanning import Scanner, line_ends

_LOOK_AHEAD = 64 * 1024
_LAST = 4  # no chunk is more than such a part of what is left (guided self-scheduling, Polychronopoulos and Kuck 1987)
_FIRST = 2  # nor more than such a part of what comes before it


@dataclass(frozen=True)
class Slice:
    """The rows in bytes `start` to `stop` of the table; `first_line` is the physical line on which the first begins."""

    start: int
    stop: int
    first_line: int


@dataclass(frozen=True)
class Chunk:
    """Slices that lie side by side: what is checkpointed together, and what is in memory together."""

    index: int
    slices: tuple[Slice, ...]

    @property
    def start(self) -> int:
        return self.slices[0].start

    @property
    def stop(self) -> int:
        return self.slices[-1].stop

    @property
    def first_line(self) -> int:
        return self.slices[0].first_line

    @property
    def whole(self) -> Slice:
        """All of it at once."""
        return Slice(self.start, self.stop, self.first_line)

    def shifted(self, lines: int) -> Chunk:
        """The same bytes, so many lines further down."""
        return Chunk(self.index, tuple(replace(part, first_line=part.first_line + lines) for part in self.slices))


def cut(
    files: BlockingFiles,
    survey: Survey,
    chunk_size: int,
    *,
    most_lines: int | None = None,
    slice_size: int | None = None,
) -> tuple[Chunk, ...]:
    """Chunks of at least *chunk_size* bytes (first and last may be smaller), each from a row's start to a row's end.

    They are made of slices of at least *slice_size* (the last of each may be smaller); without a size, of one.
    At the beginning of the table they grow, from a slice, so that there is soon something to show and to reckon with;
    towards the end they grow smaller again, so that those who share them end together.
    Where lines are so short that a chunk would have more than about *most_lines* of them, chunks are smaller:
    what it takes to read one grows with its rows too.
    """
    if most_lines:
        chunk_size = min(chunk_size, survey.size * most_lines // survey.layout.lines)
    cutter = _Cutter(files, survey, survey.layout.rows_begin, survey.layout.first_line)
    chunks = tuple(cutter.chunks(max(1, chunk_size), max(1, slice_size or chunk_size)))
    return tuple(_by_rows(files, survey, chunks)) if survey.layout.rowwise else chunks


def _by_rows(files: BlockingFiles, survey: Survey, chunks: Sequence[Chunk]) -> Iterator[Chunk]:
    """The same chunks, where lines are counted by rows."""
    layout, line = survey.layout, survey.layout.first_line
    for chunk in chunks:
        parts = []
        for part in chunk.slices:
            parts.append(replace(part, first_line=line))
            if part.stop < survey.size:
                data = files.read(survey.key, part.start, part.stop)
                line += rows.count(data, layout.delimiter, blanks=layout.blanks)
        yield Chunk(chunk.index, tuple(parts))


@dataclass
class _Cutter:
    """Goes through the table from row to row."""

    files: BlockingFiles
    survey: Survey
    offset: int
    line: int

    def chunks(self, chunk_size: int, slice_size: int) -> Iterator[Chunk]:
        index, begin = 0, self.offset
        while self.offset < self.survey.size:
            left = self.survey.size - self.offset
            most = min(left // _LAST, (self.offset - begin) // _FIRST)
            stop = self.offset + min(left, chunk_size, max(most, slice_size))
            yield Chunk(index, tuple(self._slices(stop, slice_size)))
            index += 1

    def _slices(self, stop: int, slice_size: int) -> Iterator[Slice]:
        while self.offset < stop:
            start, line = self.offset, self.line
            self._go_on(min(start + slice_size, stop))
            yield Slice(start, self.offset, line)

    def _go_on(self, target: int) -> None:
        """To the first row that starts there or later."""
        scanner = self._scanner(target)
        for block in blocks(self.files, self.survey.key, _fed(scanner), target):
            scanner.feed(block)
        rest = _rest_of_row(self.files, self.survey, scanner)
        self.offset, self.line = scanner.offset + len(rest), scanner.line + line_ends(rest)

    def _scanner(self, target: int) -> Scanner:
        """One from the last place before *target* that is known: where we are, or a mark of the survey."""
        marks, layout = self.survey.marks, self.survey.layout
        last = bisect_right(marks, target, key=_fed) - 1
        if last >= 0 and marks[last].offset > self.offset:
            return copy(marks[last])
        return Scanner(layout.delimiter, blanks=layout.blanks, offset=self.offset, line=self.line, count=count)


def _fed(scanner: Scanner) -> int:
    return scanner.offset + len(scanner.held)


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

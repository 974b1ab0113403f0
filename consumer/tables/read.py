"""Reads a chunk: the needed columns as a typed, complete frame, every other row as a reject with line and reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from consumer.kinds import Column
from consumer.tables import rows
from consumer.tables.batch import Batch
from consumer.tables.cut import Chunk, Slice
from consumer.tables.learned import learned
from consumer.tables.overlay import Alone, Overlay
from consumer.tables.reading import Reading
from consumer.tables.survey import Survey
from protocol.files import BlockingFiles
from protocol.intake import BadTable, ReadOptions, check_columns
from protocol.intake.layout import Layout
from protocol.kinds import NeededColumn

__all__ = ["Batch", "Reader", "every_column"]


class Reader:
    """Reads the rows of one table, typed and complete in some columns, and the rejects.

    They are identical however the table was cut.
    """

    def __init__(
        self,
        files: BlockingFiles,
        survey: Survey,
        columns: Sequence[Column],
        options: ReadOptions,
        *,
        surplus: Literal["reject", "ignore"] = "reject",
    ) -> None:
        self._files, self._survey = files, survey
        self._reading = _reading(survey, columns, options, surplus)

    def read(self, chunk: Chunk, overlay: Overlay | Alone | None = None) -> Batch:
        """All of *chunk* at once. The rows of *overlay* stand where they stand in for others."""
        data, numbers = _bytes(self._files, self._survey, chunk.whole), None
        if overlay is not None:
            data, numbers = overlay.lay(self._files, data, self._survey.layout, chunk.first_line)
        return self._reading.batch(data, chunk.first_line, numbers)

    def slices(self, chunk: Chunk) -> Iterator[Batch]:
        """The same, slice by slice."""
        for part in chunk.slices:
            yield self._reading.batch(_bytes(self._files, self._survey, part), part.first_line)

    def again(self, chunk: Chunk, data: bytes) -> Batch:
        """The same of some rows of *chunk*, whose bytes (of a batch's originals) are *data*; their lines are lost."""
        return self._reading.batch(data, chunk.first_line)


def every_column(layout: Layout) -> tuple[Column, ...]:
    """All columns of a table, as text; only rows with a wrong number of cells are then rejected."""
    return tuple(Column(name, required=False) for name in layout.header)


def _reading(
    survey: Survey, columns: Sequence[Column], options: ReadOptions, surplus: Literal["reject", "ignore"]
) -> Reading:
    layout = survey.layout
    if faults := check_columns(layout, [NeededColumn(name=column.name) for column in columns], {}, options.columns):
        raise BadTable(422, faults, layout)
    about = learned(survey.key, options.decimal, layout.delimiter)
    wanted = tuple(layout.header.index(options.name_of(column.name)) for column in columns)
    return Reading(layout, tuple(columns), wanted, options.decimal, surplus == "ignore", about)


def _bytes(files: BlockingFiles, survey: Survey, part: Slice) -> bytes:
    data = files.read(survey.key, part.start, part.stop) if part.start < part.stop else b""
    if survey.layout.blanks and b'"' in data:
        data = rows.without_blanks(data, survey.layout.delimiter)
    return data if not data or data.endswith((b"\n", b"\r")) else data + b"\n"

"""What a column is, judged from the cells it has: its type, and which of its values are measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from consumer.profiling.column import Column
from consumer.profiling.spans import Span
from consumer.profiling.table import Profile

MOSTLY = 0.95  # a column of words stays one if so large a share of its cells is no number and no date
Type = Literal["text", "number", "integer", "date", "boolean", "mixed", "empty"]


@dataclass(frozen=True, eq=False)
class Trait:
    """One column of a profile, with the questions that are asked of it."""

    name: str
    place: int
    rows: int
    column: Column

    @property
    def present(self) -> int:
        return self.column.present

    @property
    def missing(self) -> int:
        return self.rows - self.column.present

    @property
    def said(self) -> int:
        """The cells that hold something and no placeholder: the type is judged from them."""
        return self.present - self.column.count("placeholder")

    @cached_property
    def type(self) -> Type:
        """Integers with leading zeros are words, and so are the integers among them."""
        count = self.column.count
        whole = {
            "empty": self.present,
            "text": self.said - self._words,
            "integer": self.said - count("integer"),
            "number": self.said - count("integer", "number"),
            "date": self.said - count("date"),
            "boolean": self.said - count("boolean"),
        }
        order: tuple[Type, ...] = ("empty", "boolean", "integer", "number", "date", "text")
        fits = [name for name in order if not whole[name]] if self.said or not self.present else []
        if fits:
            return fits[0]
        return "text" if self._words >= MOSTLY * self.said else "mixed"

    @property
    def _words(self) -> int:
        count = self.column.count
        words = count("text", "written", "boolean", "code")
        return words + (count("integer") if count("code") else 0)

    @property
    def distinct(self) -> int:
        return self.column.distinct.count(self.present)

    @cached_property
    def span(self) -> Span | None:
        """The measured values: numbers or, in a column of dates, seconds since 1970."""
        if self.type in ("number", "integer"):
            return self.column.numbers.span
        if self.type == "date":
            return self.dates
        numbers = self.column.numbers.span
        return numbers if self.type == "mixed" and numbers.count else None

    @property
    def month_first(self) -> bool:
        """How dates like 03/04/2024 are read: the way in which more of them are dates; if in doubt, day first."""
        return self.column.month_first.count > self.column.day_first.count

    @property
    def dates(self) -> Span:
        return self.column.dates + (self.column.month_first if self.month_first else self.column.day_first)

    @property
    def timed(self) -> bool:
        return self.type == "date" and self.column.count("time_of_day") > 0


def traits(profile: Profile) -> list[Trait]:
    columns = zip(profile.names, profile.columns, strict=True)
    return [Trait(name, place, profile.rows, column) for place, (name, column) in enumerate(columns)]

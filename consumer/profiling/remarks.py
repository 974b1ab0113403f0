"""What a person would want to be told of a table before working with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from consumer.parts.sentences import count
from consumer.profiling.column import Odd
from consumer.profiling.distinct import Known
from consumer.profiling.table import Profile
from consumer.profiling.traits import Trait, traits

EMPTY = 0.5  # from this share of blank cells on, a column is mostly empty
UNIQUE = 0.98  # and from this share of values that occur only once, nearly unique
ENOUGH = 20  # rows from which on that says something
SHOWN = 3  # spellings that are named
SHORT = 40  # characters of a cell in a sentence


@dataclass(frozen=True)
class Remark:
    """`line` is that of the first cell or row of which it is true, where that is known."""

    column: str
    code: str
    detail: str
    line: int | None = None


def remarks(profile: Profile) -> list[Remark]:
    """Those of the table, then those of each column in the table's order."""
    return [*_table(profile), *(remark for trait in traits(profile) for check in _CHECKS for remark in check(trait))]


def _table(profile: Profile) -> Iterator[Remark]:
    if profile.rejected:
        detail = (
            f"{count(profile.rejected, 'row')} left out: the number of cells is not the header's. See rejected.csv."
        )
        yield Remark("", "rejected_rows", detail)
    if profile.duplicates:
        about = "" if profile.counts_duplicates else "About "
        yield Remark(
            "", "duplicate_rows", f"{about}{count(profile.duplicates, 'row')} repeated: the same was there before."
        )


def _filled(trait: Trait) -> Iterator[Remark]:
    if trait.rows and not trait.present:
        yield Remark(trait.name, "empty", "All cells are blank.")
    elif trait.rows and trait.missing >= EMPTY * trait.rows:
        share = 100 * trait.missing / trait.rows
        yield Remark(trait.name, "mostly_empty", f"{share:.4g} % of the cells are blank ({trait.missing:,}).")


def _varied(trait: Trait) -> Iterator[Remark]:
    if trait.present > 1 and trait.distinct == 1 and isinstance(trait.column.distinct.found, Known):
        value = _quoted(trait.column.distinct.found.ranked()[0][0])
        yield Remark(trait.name, "constant", f"Every cell that is not blank says {value}.")


def _unique(trait: Trait) -> Iterator[Remark]:
    once, repeated = trait.column.distinct.once, trait.present - trait.distinct
    if trait.type in ("text", "integer") and trait.present >= ENOUGH and UNIQUE <= once < 1 and repeated:
        about = "" if trait.column.distinct.exact else "About "
        detail = (
            f"Nearly all values occur only once. If this is an identifier: {about.lower()}{count(repeated, 'cell')} "
        )
        yield Remark(trait.name, "nearly_unique", f"{detail}{'repeat' if repeated > 1 else 'repeats'} an earlier one.")


def _mixed(trait: Trait) -> Iterator[Remark]:
    if trait.type != "mixed":
        return
    odd = trait.column.odd
    sorts = {
        "numbers": trait.column.count("integer", "number"),
        "dates": trait.column.count("date"),
        "words": trait.column.count("text", "written", "boolean", "code"),
    }
    told = ", ".join(f"{many:,} {what}" for what, many in sorts.items() if many)
    named = {"integer": "numbers", "number": "numbers", "date": "dates"}
    rarest = min((many, what) for what, many in sorts.items() if many)[1]
    first = min((odd[name] for name in odd if _is_family(name) and named.get(name, "words") == rarest), key=_line)
    yield Remark(
        trait.name, "mixed_types", f"{told}. The first of the {rarest} is {_quoted(first.example)}.", first.line
    )


def _is_family(name: str) -> bool:
    return name in ("integer", "number", "date", "text", "written", "boolean", "code")


def _line(odd: Odd) -> int:
    return odd.line


_ODD = {
    "code": (
        "leading_zeros",
        "{many} leading zeros, which are lost if they are read as numbers; the first is {example}.",
    ),
    "written": (
        "formatted_numbers",
        "{many} a number for people, with thousands separators, a decimal comma or a sign; the first is {example}.",
    ),
    "long_integer": (
        "long_integers",
        "{many} more than 15 digits: a number would lose the last; the first is {example}.",
    ),
    "placeholder": ("placeholders", "{many} nothing but a placeholder; the first is {example}."),
    "impossible_date": ("impossible_dates", "{many} the form of a date and is none; the first is {example}."),
    "suspicious_date": (
        "suspicious_dates",
        "{many} a date before 1900, after 2100, or one that stands for none, as 1970-01-01; the first is {example}.",
    ),
    "spaces": (
        "inner_whitespace",
        "{many} several blanks in a row, a line break or an invisible blank inside; the first is {example}.",
    ),
}


def _odd(trait: Trait) -> Iterator[Remark]:
    for name, (code, detail) in _ODD.items():
        if (odd := trait.column.odd.get(name)) and not (
            name == "suspicious_date" and trait.type not in ("date", "mixed")
        ):
            many = f"{count(odd.count, 'cell')} {'has' if odd.count == 1 else 'have'}"
            yield Remark(trait.name, code, detail.format(many=many, example=_quoted(odd.example)), odd.line)


def _read_two_ways(trait: Trait) -> Iterator[Remark]:
    odd, column = trait.column.odd.get("day_or_month"), trait.column
    if odd is None:
        return
    day, month = column.day_first.count, column.month_first.count
    if day == month:
        detail = f"{count(day, 'date')} could be day/month or month/day, as {_quoted(odd.example)}; taken as day/month."
        yield Remark(trait.name, "ambiguous_dates", detail, odd.line)
    elif min(day, month) and odd.count > max(day, month):
        kept, other = ("day/month", "month/day") if day > month else ("month/day", "day/month")
        detail = (
            f"Most dates are {kept}; {odd.count - max(day, month):,} only make sense as {other} and are not counted."
        )
        yield Remark(trait.name, "two_date_orders", detail, odd.line)


def _spelt(trait: Trait) -> Iterator[Remark]:
    """Values that differ only in upper and lower case or in blanks; looked for while all values are known."""
    found = trait.column.distinct.found
    if not isinstance(found, Known):
        return
    spellings = defaultdict(list)
    for text, _ in found.ranked():
        spellings[" ".join(text.casefold().split())].append(text)
    several = [texts for texts in spellings.values() if len(texts) > 1]
    if several:
        named = ", ".join(map(_quoted, several[0][:SHOWN]))
        detail = f"{count(len(several), 'value')} in more than one spelling, as {named}."
        yield Remark(trait.name, "spellings", detail)


def _quoted(text: str) -> str:
    shown = text if len(text) <= SHORT else f"{text[:SHORT]}…"
    return f"“{shown}”"


_CHECKS: tuple[Callable[[Trait], Iterator[Remark]], ...] = (
    *(_filled, _varied, _mixed, _odd),
    *(_read_two_ways, _unique, _spelt),
)

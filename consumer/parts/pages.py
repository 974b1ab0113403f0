"""What a web API answers in JSON: the records in it, the next page, and the persons that records describe. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LISTS = ("results", "data", "items", "records", "people", "users")  # where a list is, if there are several
AROUND = ("meta", "pagination", "paging", "page_info", "info", "links", "_links")
NEXT = ("next", "next_url", "next_page_url")
LAST = ("pages", "total_pages", "page_count", "last_page")
DEEPEST = 4
LONGEST = 10_000  # characters of a value
# The columns of a person, and what else they are called: `name.first` reads as namefirst.
PEOPLE: Mapping[str, Sequence[str]] = {
    "first_name": ("firstname", "namefirst", "givenname"),
    "last_name": ("lastname", "namelast", "surname", "familyname"),
    "email": ("email", "emailaddress", "mail"),
    "city": ("city", "town"),
    "country": ("country", "countryname"),
    "countrycode": ("countrycode", "countryiso", "nat"),
    "bio": ("bio", "biography", "about"),
}


def records(value: Any) -> list[Mapping[str, Any]]:
    """The objects of an array, or of the list in an object, or the object itself."""
    if isinstance(value, list):
        return [one for one in value if isinstance(one, dict)]
    if not isinstance(value, dict):
        return []
    lists = {name: one for name, one in value.items() if isinstance(one, list) and name not in AROUND}
    named = [name for name in LISTS if name in lists]
    if not named and len(lists) != 1:
        return [value]
    [name, *_] = named or lists
    return records(lists[name]) if (lists[name] and isinstance(lists[name][0], dict)) or named else [value]


def next_page(value: Any) -> str | int | None:
    """The next page's URL as the answer gives it, or its number; None after the last."""
    if not isinstance(value, dict):
        return None
    around = [value, *(value[name] for name in AROUND if isinstance(value.get(name), dict))]
    urls = (_url(one[name]) for one in around for name in NEXT if one.get(name))
    numbers = (_number(one) for one in around)
    return next((found for found in (*urls, *numbers) if found is not None), None)


def _url(value: Any) -> str | None:
    value = value.get("href", value.get("url")) if isinstance(value, dict) else value
    return value if isinstance(value, str) and value else None


def _number(about: Mapping[str, Any]) -> int | None:
    page, last = (
        about.get("page", about.get("current_page")),
        next((about[name] for name in LAST if name in about), None),
    )
    return page + 1 if isinstance(page, int) and isinstance(last, int) and page < last else None


def person(record: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, str]:
    """What is known of a person, by column. *paths* tell where some columns are, such as `name.first`."""
    known: dict[str, str] = {}
    for path, text in _leaves(record):
        known.setdefault(".".join(path), text)
        for name in (_plain("".join(path)), _plain(path[-1])):
            known.setdefault(name, text)
    found = {column: _find(known, [paths[column]] if column in paths else names) for column, names in PEOPLE.items()}
    return {column: text for column, text in found.items() if text}


def _find(known: Mapping[str, str], names: Sequence[str]) -> str:
    return next((known[name] for name in names if name in known), "")


def _leaves(record: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The texts and numbers in a record, the shallow ones first."""
    for name, value in record.items():
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            yield (*above, name), str(value).replace("\0", "").strip()[:LONGEST]
    for name, value in record.items():
        if isinstance(value, dict) and len(above) < DEEPEST:
            yield from _leaves(value, (*above, name))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())

"""Names and addresses into the table `users`: one row for each address, and the first one wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from consumer.kinds import Column, Failed, Kind, Load, Params, Report
from consumer.parts.sentences import count
from protocol.records import RecordColumn, RecordTable

NAME, ADDRESS = 200, 254  # characters
LOCAL = 64
# What can stand in a mail header and in an SMTP command as it is: a dot-atom (RFC 5322) of ASCII characters, and a host
# name (RFC 1123) of two labels at least, the last of which is not all digits. No quoted local part, no address literal,
# no comment; whether anybody reads mail there is not asked.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PATTERN = rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}"


@dataclass(frozen=True)
class Seen:
    """How many rows can be used, and how many were rejected."""

    used: int
    rejected: int


def columns(_: Params) -> Sequence[Column]:
    return (Column("real_name", required=False), Column("email"))


def check(frame: pd.DataFrame, _: Params) -> Sequence[Failed]:
    return (
        Failed(~is_address(frame["email"]), "email", "not_an_address"),
        Failed(frame["real_name"].str.len() > NAME, "real_name", "too_long"),
    )


def is_address(texts: pd.Series[str]) -> pd.Series[bool]:
    """Which of these are one plain address each."""
    fits = texts.str.fullmatch(_PATTERN) & (texts.str.len() <= ADDRESS)
    return fits & (texts.str.find("@") <= LOCAL) & ~texts.str.contains(r"\.[0-9]+$")


def chunk(frame: pd.DataFrame, _: Params) -> Seen:
    return Seen(len(frame), frame.attrs.get("rejected", 0))


def combine(partials: Sequence[Seen]) -> Seen:
    return Seen(sum(seen.used for seen in partials), sum(seen.rejected for seen in partials))


def finalize(total: Seen, _: Params) -> Report:
    return Report(numbers={"rejected": total.rejected}, used=total.used)


def headline(numbers: Mapping[str, Any]) -> str:
    inserted = f"{count(numbers.get('inserted', 0), 'user')} inserted".capitalize()
    left_out = [f"{numbers[name]:,} {name}" for name in ("skipped", "rejected") if numbers.get(name)]
    return f"{', '.join([inserted, *left_out])}."


KIND = Kind(
    title="Load users",
    description="Names and addresses into the table users. An address that is there already is skipped.",
    columns=columns,
    check=check,
    chunk=chunk,
    combine=combine,
    finalize=finalize,
    load=Load(
        table=RecordTable(
            name="users",
            columns=(
                RecordColumn(name="real_name", length=NAME),
                RecordColumn(name="email", length=ADDRESS, caseless=True),
            ),
            unique=("email",),
        )
    ),
    commutative=True,
    headline=headline,
    surplus="ignore",
    names=("real_name", "email"),
)

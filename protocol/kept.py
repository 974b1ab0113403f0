"""What a succeeded job keeps, so that a later one can go on from its result: repair rows of it, append rows to it.

One file: a line of JSON for the service, and behind it what only the pool understands. The later job gets copies of
it and of all files that it names, so the earlier one may be deleted at any time.
"""

from __future__ import annotations

from enum import StrEnum

from protocol.value import Value

FORMAT = 1  # grows when an older state cannot be gone on from any more
REJECTED = ("rejected_line", "rejected_reason")  # what rejected.csv adds to the columns of the table
REJECTED_CSV = "rejected.csv"
# What a cell begins with that the download for spreadsheets puts an apostrophe before, and a repair takes it from; the
# last are = + - @ of Asian keyboards.
RISKY = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
STATE = "state"


class How(StrEnum):
    REPAIR = "repair"  # rows that were rejected come again, put right
    APPEND = "append"  # more rows follow


class BasedOn(Value):
    """The finished job whose result this one goes on from; only the sent file is read anew.

    `name` is what the whole table is called; the rest is of the sent file, where it was declared.
    """

    job: str
    how: How
    name: str
    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    quote: str | None = None


class Head(Value):
    """What the service has to know. `build` is the kind's, `files` are keys."""

    format: int = FORMAT
    kind: str
    build: str
    header: tuple[str, ...]
    files: tuple[str, ...] = ()


class Unreadable(ValueError):
    """These bytes are no kept state that is understood here."""


def basis(job_id: str) -> str:
    """Under which a job's own copies lie of what it goes on from."""
    return f"bases/{job_id}/"


def prefix(result_prefix: str) -> str:
    """Under which a job keeps what others may go on from."""
    return f"{result_prefix}kept/"


def key(result_prefix: str) -> str:
    return prefix(result_prefix) + STATE


def write(head: Head, body: bytes) -> list[bytes]:
    return [head.model_dump_json().encode() + b"\n", body]


def read(data: bytes) -> tuple[Head, bytes]:
    """The head and what follows it, as far as *data* reaches; Unreadable where it does not reach so far."""
    line, end, body = data.partition(b"\n")
    try:
        head = Head.model_validate_json(line)
    except ValueError as exc:
        raise Unreadable("it is damaged") from exc
    if not end or head.format != FORMAT:
        raise Unreadable("another version of Rowmill wrote it")
    return head, body

"""What a job kind is. Put a module with a KIND beside this one, and the kind exists; nothing else changes.

The kinds import pandas, so only the processes of the pool load them. This module does not: a kind of errands (see
`consumer.errands`) can do without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from consumer.errands import Each
from protocol.records import RecordTable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class BadInput(Exception):
    """The table or the parameters are wrong: trying again cannot help. The message is for the user."""

    def __init__(self, detail: str, code: str = "bad_input", line: int | None = None) -> None:
        super().__init__(detail, code, line)  # all of it, so that it pickles
        self.detail, self.code, self.line = detail, code, line


class Params(BaseModel):
    """What every kind understands: how to read the table, where looking at it gets it wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    encoding: str | None = Field(None, title="Encoding", description="Found by looking; for example cp1252.")
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(
        None, title="Delimiter", description="Found by looking, unless given."
    )
    decimal: Literal[".", ","] = Field(".", title="Decimal mark", description="The mark before the decimals.")


@dataclass(frozen=True)
class Column:
    """A column that a kind needs; the reader delivers it stripped and converted.

    `text` is a pandas `str` column, `number` a float64 one; `category` is text of few different values as a pandas
    categorical, which is much faster to group by. A blank or unconvertible cell of a required
    column rejects its row; in a column that is not required a blank is missing (NaN, or None in text).
    """

    name: str
    type: Literal["text", "number", "category"] = "text"
    required: bool = True

    def __post_init__(self) -> None:
        if self.type not in {"text", "number", "category"}:
            raise TypeError(f"the type of the column {self.name!r} is {self.type!r}; there are text, number, category")


@dataclass(frozen=True)
class Failed:
    """Rows that a kind turns down: where *rows* is true, because of *column*, with the code *reason*."""

    rows: pd.Series[bool] | NDArray[np.bool_]
    column: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a kind has found. Each table becomes an artefact `{name}.csv` and, shortened, part of the job.

    The keys that a table has in its index, as `groupby` leaves them, are its first columns.
    `numbers` are JSON values; NaN is written as null. `used` and `skipped` account for the rows that the kind was
    given, so rejected ones do not count: skipped are those that are right and yet without effect, such as repeats.
    A kind that counts the used ones has that checked; one that does not uses all that it does not skip.
    """

    numbers: Mapping[str, JsonValue | float]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    used: int | None = None
    skipped: int = 0


@dataclass(frozen=True, kw_only=True)
class Load:
    """Rows for the records. They are inserted in the order of the file and exactly once, whatever dies on the way.

    A row that equals one that is there in the columns `table.unique` is skipped and counted, whoever wrote that one.
    rows(frame, params) -> frame    what to insert, with the columns of *table*; the frame is that of `chunk` or, where
                                    the kind selects, what `select` returns. Not given: its columns of those names
    """

    table: RecordTable
    rows: Callable[[pd.DataFrame, Any], pd.DataFrame] = lambda frame, _params: frame


@dataclass(frozen=True, kw_only=True)
class Shortlist:
    """Spares the second pass of a commutative kind most of its reading: rows that it may select are set aside in the
    first. For kinds that are worth it; what is selected does not depend on it.

    bound(partial, params)       what must hold of a row that is selected, as guessed from a partial of some rows
    rows(frame, bound, params)   for each row, whether that holds
    holds(bound, total, params)  whether it does hold of all rows that are selected, as the whole table shows. Then
                                 `select` is only given rows for which it holds, so it must judge each row by itself
    """

    bound: Callable[[Any, Any], Any]
    rows: Callable[[pd.DataFrame, Any, Any], NDArray[np.bool_]]
    holds: Callable[[Any, Any, Any], bool]


def _not_given(*_: Any) -> Any:
    raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One job kind, as plain functions over pandas frames. All of them run in the pool.

    The law: the result does not depend on where the file was cut, in which order chunks end, or how often
    the process died; and each report accounts for every row. `consumer.kinds.testing.check_laws` tests it.

    columns(params)                       the columns it needs; or None for every column there is, as text, in which
                                          a blank cell is missing. Then the index that chunk sees is each row's line
    check(frame, params)                  rows to reject beyond what the reader rejects
    chunk(frame, params) -> partial       for some megabytes of the table at a time, rows in file order. In
                                          `frame.attrs`, "rejected" is how many rows of that part were rejected,
                                          "share" which share of the table it is; the index is the row's position.
                                          It leaves the frame as it is
    combine(partials) -> partial          associative; the partials come in file order
    finalize(partial, params) -> Report   for any non-empty subset of the chunks
    select(frame, before, total, params)  a second pass: a frame of rows (index kept) and added columns, written to
                                          the artefact `{selected}.csv` in file order, with all input columns as they
                                          stood; one of the same name as an added column makes room for it. Of the
                                          columns that were given, none need be in it. `before` is the combined
                                          partial of everything earlier, or None at the beginning
    shortlist                             what makes that pass faster, for a commutative kind (see `Shortlist`)
    chart(report, params) -> spec         Vega-Lite, with its data inside
    headline(numbers) -> str              one sentence for a person; `numbers` then also holds `{selected}`, the count
                                          of selected rows (None while it is not known)
    load                                  which rows go into which table of the records; `numbers` then also holds
                                          `inserted updated skipped rejected`
    commutative                           a promise: chunk and combine find the same whatever the order of rows and
                                          partials, and select looks at `total` alone (`before` is then None). Then
                                          rows that were rejected can be repaired without reading those round them:
                                          they come as a chunk of their own, with their lines and with a negative
                                          `frame.attrs["rejected"]`, since they were counted as rejected before
    frame(frame, params) -> Report        instead of chunk, combine and finalize: the whole table at once
    each                                  instead of them too: an errand for each row, which waits instead of
                                          computing (see `consumer.errands`)
    stands_in, source(params)             parameters that stand in for a table, and the rows that are made of them
    """

    title: str
    params: type[Params] = Params
    columns: Callable[[Any], Sequence[Column]] | None
    headline: Callable[[Mapping[str, Any]], str]
    chunk: Callable[[pd.DataFrame, Any], Any] = _not_given
    combine: Callable[[Sequence[Any]], Any] = _not_given
    finalize: Callable[[Any, Any], Report] = _not_given
    frame: Callable[[pd.DataFrame, Any], Report] | None = None
    each: Each | None = None
    stands_in: Sequence[str] = ()
    source: Callable[[Any], Iterable[Sequence[str]]] | None = None
    check: Callable[[pd.DataFrame, Any], Sequence[Failed]] | None = None
    select: Callable[[pd.DataFrame, Any, Any, Any], pd.DataFrame] | None = None
    selected: str = "selected"
    shortlist: Shortlist | None = None
    load: Load | None = None
    chart: Callable[[Report, Any], dict[str, Any]] | None = None
    description: str = ""
    surplus: Literal["reject", "ignore"] = "reject"  # cells beyond the header's
    names: tuple[str, ...] = ()  # of the columns of a table without header, in their order; none: it needs a header
    commutative: bool = False

    def __post_init__(self) -> None:
        if self.frame is None and self.each is None and _not_given in {self.chunk, self.combine, self.finalize}:
            raise TypeError("a kind has chunk, combine and finalize, or frame, or each")
        if not issubclass(self.params, Params):
            raise TypeError(f"params is a class made from consumer.kinds.Params, as {self.params.__name__} is not")

    @property
    def merges(self) -> bool:
        """Whether a later job may go on from the result: repaired or appended rows then are all that is read."""
        loads_alone = self.load is None or (self.commutative and self.select is None)
        return self.frame is None and self.each is None and loads_alone

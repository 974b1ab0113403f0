"""What a kind is to those who may not import it: plain data for the announcement. Runs in the pool."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import ValidationError

from consumer.kinds import BadInput, Column, Kind, Report, discover
from protocol.kinds import KindInfo, NeededColumn


@cache
def kinds() -> dict[str, Kind]:
    """All kinds of this process; looked for once, since finding them imports them."""
    return {name: _as_chunks(kind) for name, kind in discover().items()}


def find(name: str) -> Kind:
    if (kind := kinds().get(name)) is None:
        raise BadInput(f"There is no kind named {name!r}.", "unknown_kind")
    return kind


def describe() -> tuple[KindInfo, ...]:
    """Every kind as it is announced to services."""
    return tuple(_describe(name, kind) for name, kind in sorted(kinds().items()))


def _as_chunks(kind: Kind) -> Kind:
    """A kind that works on the whole table at once is one whose only chunk is the table."""
    if kind.frame is None:
        return kind
    fields = {name: getattr(kind, name) for name in kind.__dataclass_fields__}
    return Kind(**fields | {"chunk": kind.frame, "combine": _only, "finalize": _itself})


def _only(partials: Any) -> Any:
    [partial] = partials
    return partial


def _itself(report: Report, _params: Any) -> Report:
    return report


def _describe(name: str, kind: Kind) -> KindInfo:
    module = inspect.getmodule(kind.headline)
    selected = (f"{kind.selected}.csv",) if kind.select else ()
    return KindInfo(
        name=name,
        title=kind.title,
        description=kind.description or inspect.cleandoc((module and module.__doc__) or ""),
        params=kind.params.model_json_schema(),
        columns=tuple(_needed(kind)),
        artefacts=(*selected, "rejected.csv"),
    )


def _needed(kind: Kind) -> Iterator[NeededColumn]:
    """The needed columns, and for each whether a parameter names it.

    The service has to know which, but may not call `columns`; so it is found out by naming every text parameter
    something else and looking which columns follow.
    """
    if kind.columns is None:
        return
    try:
        plain = kind.params.model_validate({})
    except ValidationError:  # it cannot be asked without parameters; the consumer checks the table itself
        return
    for column, other in zip(kind.columns(plain), kind.columns(_renamed(plain)), strict=True):
        param = other.name.removeprefix("\0") if other.name != column.name else None
        yield _needed_column(column, param)


def _renamed(params: Any) -> Any:
    names = {name: f"\0{name}" for name, value in params if isinstance(value, str) and name != "decimal"}
    return params.model_copy(update=names)


def _needed_column(column: Column, param: str | None) -> NeededColumn:
    return NeededColumn(name=column.name, type=column.type, required=column.required, param=param)

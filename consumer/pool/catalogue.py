"""What a kind is to those who may not import it: plain data for the announcement. Runs in the pool."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import ValidationError

from consumer.kinds import BadInput, Column, Kind, Report
from consumer.origins import origins, sure
from consumer.pool import results
from consumer.pool.builds import build_of
from consumer.steps import Task
from protocol.kinds import KindInfo, NeededColumn


@cache
def find(name: str) -> Kind:
    """The kind of this name; imports it and no other, so that what is wrong with one concerns no other."""
    if (origin := origins().get(name)) is None:
        raise BadInput(f"There is no kind named {name!r}.", "unknown_kind")
    return _as_chunks(sure(origin.load(), Kind, origin.point.value))


def understand(task: Task) -> tuple[Kind, Any]:
    """The kind of a job and its parameters, checked and complete."""
    kind = find(task.kind)
    try:
        return kind, kind.params(**task.params)
    except ValidationError as exc:
        faults = (": ".join([*map(str, error["loc"][:1]), error["msg"]]) for error in exc.errors())  # some are of all
        raise BadInput("; ".join(faults), "params") from None


def _as_chunks(kind: Kind) -> Kind:
    """A kind that works on the whole table at once is one whose only chunk is the table; one of errands counts them."""
    if kind.each is not None:
        return results.as_chunks(kind, kind.each)
    if kind.frame is None:
        return kind
    fields = {name: getattr(kind, name) for name in kind.__dataclass_fields__}
    return Kind(**fields | {"chunk": kind.frame, "combine": _only, "finalize": _itself})


def _only(partials: Any) -> Any:
    [partial] = partials
    return partial


def _itself(report: Report, _params: Any) -> Report:
    return report


def describe(name: str) -> KindInfo:
    """The kind as it is announced to services."""
    kind = find(name)
    module = inspect.getmodule(kind.headline)
    selected = (f"{kind.selected}.csv",) if kind.select else results.artefacts(kind.each) if kind.each else ()
    return KindInfo(
        name=name,
        title=kind.title,
        description=kind.description or inspect.cleandoc((module and module.__doc__) or ""),
        params=kind.params.model_json_schema(),
        columns=tuple(_needed(kind)),
        artefacts=(*selected, "rejected.csv"),
        names=kind.names,
        surplus=kind.surplus,
        table=kind.load.table if kind.load else None,
        merges=kind.merges,
        build=build_of(name),
        stands_in=tuple(kind.stands_in),
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
        name = sure(other, Column, "one of its columns").name
        param = name.removeprefix("\0") if name != column.name else None
        yield _needed_column(column, param)


def _renamed(params: Any) -> Any:
    names = {name: f"\0{name}" for name, value in params if isinstance(value, str) and name != "decimal"}
    return params.model_copy(update=names)


def _needed_column(column: Column, param: str | None) -> NeededColumn:
    return NeededColumn(name=column.name, type=column.type, required=column.required, param=param)

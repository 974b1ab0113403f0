"""What the service knows of a kind: plain data that consumers announce."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from protocol.job import Value
from protocol.records import RecordTable

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")  # of a kind: a part of routing keys, addresses and files


class NeededColumn(Value):
    """A column that a kind needs. The name is fixed, or it is the value of the parameter *param*."""

    name: str
    type: str = "text"  # text or number
    required: bool = True  # whether a blank cell rejects its row
    param: str | None = None

    def name_for(self, params: dict[str, Any]) -> str:
        return str(params.get(self.param, self.name)) if self.param else self.name


class KindInfo(Value):
    """One announced kind. `params` is the JSON Schema of its parameters, defaults included.

    `names` are what columns are called in a table without a header; a kind that has none needs a header. `surplus`
    says whether cells beyond the header's reject a row or are ignored. `table` is what it loads of the records.
    Where it `merges`, a later job may go on from the result of an earlier one that had the same `build`.
    Where all parameters of `stands_in` are given, no table is needed, and none may be sent.
    """

    name: str
    title: str
    description: str = ""
    params: dict[str, Any] = Field(default_factory=dict)
    columns: tuple[NeededColumn, ...] = ()
    artefacts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    surplus: str = "reject"
    table: RecordTable | None = None
    merges: bool = False
    build: str = ""
    stands_in: tuple[str, ...] = ()

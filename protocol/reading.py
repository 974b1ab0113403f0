"""How a table is to be read, as far as whoever sends it declares it: what is not declared is found by looking."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from protocol.value import Value


class Reading(Value):
    """A declaration. `columns` maps a name that the kind needs to the name that the column has in the file.

    A byte order mark wins over the encoding. Without a header the columns are column_1, column_2 and so on, but where
    the kind has names for them. With the quote `none` a quote is a character like any other.
    """

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)  # the contracts show what to send, too

    encoding: str | None = None
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    header: bool | None = None
    quote: Literal['"', "'", "none"] | None = None
    columns: dict[str, str] = Field(default_factory=dict)

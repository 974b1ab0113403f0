"""What everything that travels is: a frozen model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen model; an unknown field is ignored, so that an older reader understands a newer writer."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        ser_json_inf_nan="null",
        json_schema_serialization_defaults_required=True,  # what is sent has all fields
    )

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from protocol.kinds import KindInfo, NeededColumn
from service.pages.forms import form_of


class Speed(StrEnum):
    FAST = "fast"
    SLOW = "slow"


class Params(BaseModel):
    encoding: str | None = Field(None, title="Encoding")
    delimiter: Literal[",", "\t"] | None = None
    sigma: float = Field(2.0, ge=0, lt=10, title="Sigma", description="How far.")
    count: Annotated[int, Field(gt=1, le=10**12)] | None = None
    speed: Speed = Speed.FAST
    deep: bool = True
    urls: list[str] = ["a", "b"]
    column: str = "region"


KIND = KindInfo(
    name="odd", title="Odd", params=Params.model_json_schema(), columns=(NeededColumn(name="region", param="column"),)
)
FIELDS = {field.name: field for field in (*form_of(KIND).own, *form_of(KIND).reading)}


def test_questions_about_reading_the_file_are_folded_away_from_the_kinds_own() -> None:
    form = form_of(KIND)
    assert [field.name for field in form.reading] == ["encoding", "delimiter"]
    assert [field.name for field in form.own] == ["sigma", "count", "speed", "deep", "urls", "column"]


def test_each_json_type_has_its_control() -> None:
    controls = {name: field.control for name, field in FIELDS.items()}
    assert controls == {
        "encoding": "text",
        "delimiter": "choice",
        "sigma": "number",
        "count": "number",
        "speed": "choice",
        "deep": "switch",
        "urls": "lines",
        "column": "text",
    }


def test_a_control_shows_title_description_limits_and_default() -> None:
    sigma = FIELDS["sigma"]
    assert (sigma.label, sigma.help, sigma.limits, sigma.value) == ("Sigma", "How far.", "from 0, less than 10", "2.0")
    assert (FIELDS["urls"].value, FIELDS["deep"].value, FIELDS["encoding"].value) == ("a\nb", "true", "")
    assert FIELDS["count"].limits == "more than 1, up to 1,000,000,000,000"


def test_only_what_may_be_null_is_optional() -> None:
    assert {name for name, field in FIELDS.items() if field.optional} == {"encoding", "delimiter", "count"}


def test_a_choice_offers_the_values_and_spells_invisible_ones() -> None:
    assert [(one.value, one.label) for one in FIELDS["delimiter"].choices] == [(",", "comma  ,"), ("\t", "tab")]
    assert [one.value for one in FIELDS["speed"].choices] == ["fast", "slow"]


def test_a_parameter_that_names_a_column_is_known_as_such() -> None:
    assert {name for name, field in FIELDS.items() if field.column} == {"column"}


def test_the_page_is_told_what_it_can_check_and_that_alone() -> None:
    assert json.loads(FIELDS["sigma"].rules) == {"type": "number", "minimum": 0, "exclusiveMaximum": 10}
    assert json.loads(FIELDS["count"].rules) == {"type": "integer", "exclusiveMinimum": 1, "maximum": 10**12}


def test_what_has_to_be_answered_is_known_as_such() -> None:
    needy = KIND.model_copy(update={"params": {**KIND.params, "required": ["column"]}})
    fields = form_of(needy).own
    assert [field.name for field in fields if json.loads(field.rules).get("required")] == ["column"]

"""What people type on the command line, as values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.exits import Usage
from client.uploads import parse_params, parse_value

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON)
def test_a_value_that_is_json_is_read_as_json(value: Any) -> None:
    assert parse_value(json.dumps(value)) == value


@given(st.text())
def test_any_other_value_is_text_and_whatever_comes_out_can_be_sent_as_json(text: str) -> None:
    json.dumps(parse_value(text), allow_nan=False)


@pytest.mark.parametrize(
    "text", ["", "region", "00123", "NaN", "Infinity", "1e999", "[1e999]", "a=b", "'x'", "[" * 100_000]
)
def test_what_json_does_not_know_stays_text(text: str) -> None:
    assert parse_value(text) == text


def test_only_the_first_equals_sign_divides() -> None:
    assert parse_params(["sigma=2.5", "group_column=a=b", "empty="]) == {
        "sigma": 2.5,
        "group_column": "a=b",
        "empty": "",
    }


@pytest.mark.parametrize("words", [["sigma"], ["=2"], ["a=1", "a=2"]])
def test_a_parameter_that_is_not_one_is_named(words: list[str]) -> None:
    with pytest.raises(Usage, match=words[-1]):
        parse_params(words)

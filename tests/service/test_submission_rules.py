"""What single fields may hold, as properties."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol import strict, submission
from protocol.submission import Fields
from service.jobs import artefacts
from tests.service.house import SALES

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.text())
@example("ä" * submission.NAME_BYTES)
def test_a_file_name_is_one_plain_name_or_refused(raw: str) -> None:
    name, faults = submission.clean_name(raw)
    assert name == submission.DEFAULT_NAME if faults else name in raw
    assert name not in {"", ".", ".."}
    assert not set(name) & set("/\\\0\r\n")
    assert all(unicodedata.category(char) != "Cc" for char in name)
    assert len(name.encode()) <= submission.NAME_BYTES


@pytest.mark.parametrize("address", ["a@x.org", "a.b+c@sub.x-y.example", "x@localhost", "o'neil@x.org"])
def test_plain_addresses_are_addresses(address: str) -> None:
    assert submission.is_address(address)


@pytest.mark.parametrize(
    "address",
    ["a@x.org ", "a b@x.org", "a@x..org", ".a@x.org", "a.@x.org", "a@-x.org", "a@x.org\n", '"a b"@x.org', "a@b@c",
     "ä@x.org", "a@x.org,", "<a@x.org>", "a@[1.2.3.4]", "x" * 65 + "@x.org", "a@" + "x." * 130 + "org"],
)  # fmt: skip
def test_what_is_not_one_plain_address_is_none(address: str) -> None:
    assert not submission.is_address(address)


@given(st.sampled_from(["a@x.org", "a.b+c@sub.x-y.example"]), st.integers(0, 30), st.characters())
def test_whatever_stands_in_an_address_can_stand_in_a_header(address: str, place: int, char: str) -> None:
    text = address[:place] + char + address[place:]
    if submission.is_address(text):
        assert text.isascii()
        assert text.count("@") == 1
        assert not set(text) & set(' ,;<>\r\n\t\0"()')


@given(st.dictionaries(st.text(), JSON))
def test_params_come_through_as_they_are(params: dict[str, Any]) -> None:
    assert strict.parse_object(json.dumps(params)) == params


@given(st.dictionaries(st.sampled_from(["kind", "params", "email", "priority", "filename", "x"]), st.lists(st.text())))
def test_whatever_the_fields_hold_is_judged_and_every_fault_is_a_sentence(values: dict[str, list[str]]) -> None:
    fields = Fields()
    for name, given_values in values.items():
        for value in given_values:
            fields.add(name, value)
    judged = submission.judge(fields, "a.csv", {"sales": SALES}, 20)
    assert (judged.kind is None) == any(fault.code == "unknown_kind" for fault in judged.faults)
    for fault in judged.faults:
        assert fault.detail.isprintable()
        assert fault.detail.endswith(".")
        assert fault.pointer
        fault.model_dump_json()


@given(st.text())
def test_a_download_is_named_without_breaking_its_header(name: str) -> None:
    header = artefacts.disposition(name.encode(errors="replace").decode())
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2

from __future__ import annotations

import pytest

from service.pages.filters import Filters, read_filters

KINDS = {"sales", "profile"}
NOW = 1_800_000_000.0


def test_what_makes_no_sense_asks_for_nothing() -> None:
    given = {"state": "asleep", "kind": "magic", "since": "yesterday", "q": "   "}
    assert read_filters(given, KINDS) == Filters()
    assert not read_filters(given, KINDS)


def test_too_long_a_search_is_cut_to_what_the_list_takes() -> None:
    filters = read_filters({"q": "a " * 500}, KINDS)
    assert filters.q == "a a a a a a a a"
    assert filters.query(NOW, "", 10).words == ("a",) * 8


def test_an_address_holds_all_filters_and_leads_back_to_them() -> None:
    filters = Filters(q="ä & b=c", state="failed", kind="sales", since="7d")
    assert filters.address() == "/?q=%C3%A4+%26+b%3Dc&state=failed&kind=sales&since=7d"
    assert filters.address(state="") == "/?q=%C3%A4+%26+b%3Dc&kind=sales&since=7d"
    assert Filters().address() == "/"


def test_the_list_goes_on_behind_its_last_job() -> None:
    assert Filters(kind="sales").behind({"created": 5, "id": "f" * 32}) == f"/?kind=sales&after=5-{'f' * 32}"
    assert Filters().query(NOW, f"5-{'f' * 32}", 10).after == (5, "f" * 32)


@pytest.mark.parametrize("after", ["x-1", "-", "9" * 18 + "-a", "٣-a"])
def test_a_place_that_is_none_is_the_beginning(after: str) -> None:
    assert Filters().query(NOW, after, 10).after is None


def test_a_job_that_waits_for_its_next_attempt_is_running() -> None:
    filters = Filters(state="running", since="1h")
    assert filters.query(NOW, "", 10).states == ("running", "waiting")
    assert filters.query(NOW, "", 10).since == int((NOW - 3600) * 1_000_000)
    assert filters.for_api == "state=running%2Cwaiting&since=1h"

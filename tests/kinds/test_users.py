"""Users: which addresses are taken, and the law."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.kinds import users
from consumer.kinds.testing import check_laws
from consumer.kinds.users import KIND
from tests.kinds.typed_frames import CUTS, QUICK, inside

GOOD = [
    *("a@x.org", "A.B+c@X-y.Example", "o'neil@x.co", "1@1.com", "a_b-c@sub.sub.org", "x@y.z9", "{|}~@x.org"),
    f"{'a' * 64}@x.org",
    f"a@{'b' * 63}.org",
    f"a@{'.'.join(['b' * 49] * 5)}.o",
]
BAD = [
    *("nobody", "@", "@x.org", "a@", "a b@x.org", "a@x", "a@x..org", ".a@x.org", "a.@x.org", "a..b@x.org", "a@-x.org"),
    *("a@x-.org", "a@x.org.", "a@x,org", "a@b@x.org", "a@x.org, b@x.org", "<a@x.org>", "Ann <a@x.org>", '"a"@x.org'),
    *("a@[127.0.0.1]", "a@127.0.0.1", "a@x_y.org", "ä@x.org", "a@ä.org", "a@x.org\n", "a\n@x.org", "mailto:a@x.org"),
    f"{'a' * 65}@x.org",
    f"a@{'b' * 64}.org",
    f"a@{'.'.join(['b' * 49] * 5)}.org",
]


def table(rows):
    return pd.DataFrame({name: pd.Series(cells, dtype="str") for name, cells in rows.items()})


@pytest.mark.parametrize(("texts", "expected"), [(GOOD, True), (BAD, False)])
def test_an_address_is_one_that_a_mail_can_be_sent_to_as_it_stands(texts, expected):
    found = users.is_address(pd.Series(texts, dtype="str"))
    assert [text for text, is_one in zip(texts, found, strict=True) if is_one != expected] == []


def test_a_name_longer_than_its_column_is_rejected():
    frame = table({"real_name": ["x" * 200, "漢" * 201, None], "email": ["a@x.org"] * 3})
    assert [failed.rows.tolist() for failed in users.check(frame, KIND.params())] == [[False] * 3, [False, True, False]]


@given(rows=st.lists(st.tuples(st.sampled_from(["Ann", None]), st.sampled_from(GOOD + BAD)), max_size=12), cuts=CUTS)
@QUICK
def test_the_law(rows, cuts):
    frame = table({"real_name": [name for name, _ in rows], "email": [email for _, email in rows]})
    report = check_laws(KIND, frame, cuts=inside(cuts, len(rows)))
    assert report.numbers == {"rejected": sum(email in BAD for _, email in rows)}


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ({"inserted": 2, "skipped": 1, "rejected": 1}, "2 users inserted, 1 skipped, 1 rejected."),
        ({"inserted": 0, "skipped": 1000, "rejected": 0}, "No users inserted, 1,000 skipped."),
        ({"inserted": 1, "skipped": 0, "rejected": 0}, "1 user inserted."),
    ],
)
def test_the_headline_is_a_sentence(numbers, says):
    assert users.headline(numbers) == says

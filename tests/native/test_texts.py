"""Equal texts are found by compiled code as by a dict, however they are chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import native
from consumer.native.texts import Encoded, Outcome, encode

pytestmark = pytest.mark.skipif(not native.is_there(), reason="nothing was compiled: there is no C compiler")

WORD = (1 << 64) - 1
FACTOR = 0x9E3779B97F4A7C15


def laid(listed: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    bounds = np.cumsum([0, *map(len, listed)], dtype=np.int64)
    return np.frombuffer(b"".join(listed) or b"\0", np.uint8), bounds


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"", b"a", b"ab", b"12345678", b"123456789", b"x" * 16])))
def test_texts_are_numbered_in_the_order_in_which_they_appear(listed):
    numbers: dict[bytes, int] = {}
    codes = [numbers.setdefault(text, len(numbers)) for text in listed]
    found = encoded(listed)
    assert found.codes.tolist() == codes
    assert [listed[first] for first in found.firsts] == [*numbers]
    assert found.counts.tolist() == [codes.count(code) for code in range(len(numbers))]


def test_equal_texts_are_found_among_more_than_there_were_slots_for_at_first():
    listed = [b"%d" % (number % 20_000) * (number % 3 + 1) for number in range(60_000)]
    numbers = {text: code for code, text in enumerate(dict.fromkeys(listed))}
    found = encoded(listed)
    assert found.codes.tolist() == [numbers[text] for text in listed]
    assert [listed[first] for first in found.firsts] == [*numbers]
    assert found.counts.tolist() == np.bincount(found.codes).tolist()


def test_texts_of_which_the_first_are_different_ones_are_let_be():
    listed = [b"%d" % max(0, number - 3) for number in range(100)]
    assert encode(*laid(listed), 20, 16) is Outcome.differ
    assert isinstance(encode(*laid(listed), 20, 17), Encoded)
    assert isinstance(encode(*laid(listed[:19]), 20, 16), Encoded)


def test_texts_that_were_chosen_to_want_the_same_slot_are_left_to_others():
    assert isinstance(encode(*laid(colliding(255)), 0, 0), Encoded)
    assert encode(*laid(colliding(1_000)), 0, 0) is Outcome.crowded
    assert encode(*laid([*(b"%d" % number for number in range(10_000)), *colliding(1_000)]), 0, 0) is Outcome.crowded


def encoded(listed: list[bytes]) -> Encoded:
    found = encode(*laid(listed), 0, 0)
    assert isinstance(found, Encoded)
    return found


def colliding(count: int) -> list[bytes]:
    """Eight bytes each, whose hash ends in zeros: the way that it is made, back from there."""
    inverse = pow(FACTOR, -1, 1 << 64)
    hashes = (number << 32 for number in range(1, count + 1))
    return [((_unshifted(found) * inverse ^ 8) & WORD).to_bytes(8, "little") for found in hashes]


def _unshifted(value: int) -> int:
    return value ^ (value >> 32)

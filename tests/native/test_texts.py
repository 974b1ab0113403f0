"""Equal texts are found by compiled code as by a dict, however they are chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import native
from consumer.native import texts

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
    found, firsts = texts.encode(*laid(listed))
    assert found.tolist() == codes
    assert [listed[first] for first in firsts] == [*numbers]


def test_texts_that_were_chosen_to_want_the_same_slot_are_left_to_others():
    assert texts.encode(*laid(colliding(255))) is not None
    assert texts.encode(*laid(colliding(1_000))) is None


def colliding(count: int) -> list[bytes]:
    """Eight bytes each, whose hash ends in zeros: the way that it is made, back from there."""
    inverse = pow(FACTOR, -1, 1 << 64)
    hashes = (number << 32 for number in range(1, count + 1))
    return [((_unshifted(found) * inverse ^ 8) & WORD).to_bytes(8, "little") for found in hashes]


def _unshifted(value: int) -> int:
    return value ^ (value >> 32)

"""Whatever blocks come, the windows are the same bytes; and a block that is a window is not copied."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.intake.windows import Windows


@given(st.lists(st.tuples(st.sampled_from([0, 1, 3, 4095, 4096, 5000]), st.integers(0, 9000)), max_size=20))
def test_windows_are_what_was_added_in_its_order(steps: list[tuple[int, int]]) -> None:
    windows, added, taken = Windows(), b"", b""
    for number, (length, wish) in enumerate(steps):
        block = bytes((number + at) % 251 for at in range(length))
        windows.add(block)
        added += block
        taken += (window := windows.take(min(wish, windows.size)))
        assert type(window) is bytes
        assert taken == added[: len(taken)]
        assert windows.waiting() == added[len(taken) :]
        assert windows.size == len(added) - len(taken)


def test_a_block_that_is_a_window_is_given_out_as_it_is() -> None:
    windows, block = Windows(), b"x" * 10_000
    windows.add(b"before")
    windows.add(block)
    windows.take(6)
    assert windows.take(10_000) is block


def test_many_short_blocks_are_few_objects() -> None:
    windows = Windows()
    for _ in range(100_000):
        windows.add(b"x")
    assert len(windows._blocks) == 1
    assert windows.take(100_000) == b"x" * 100_000

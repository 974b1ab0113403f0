"""How far a job is: exact counts, and a rate and a rest that follow from them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.progress import SAMPLES, Meter
from consumer.steps import LISTED


@pytest.fixture
def meter(clock: Any) -> Meter:
    return Meter(clock=clock)


def test_before_anything_is_known_nothing_is_claimed(meter: Meter) -> None:
    progress = meter.read()
    assert (progress.phase, progress.bytes_done, progress.bytes_total) == ("surveying", 0, 0)
    assert (progress.rows_per_second, progress.eta_seconds, meter.share) == (None, None, 0.0)


def test_counts_are_the_sums_of_the_chunks(meter: Meter) -> None:
    meter.start("reading", bytes_total=1000, bytes_done=100)
    meter.add(size=300, rows=30, rejected=1)
    meter.add(size=100, rows=10, rejected=2)
    progress = meter.read()
    assert (progress.phase, progress.bytes_done, progress.bytes_total) == ("reading", 500, 1000)
    assert (progress.rows_done, progress.rows_rejected, meter.share) == (40, 3, 0.5)


def test_rate_and_rest_follow_from_the_time_that_passed(meter: Meter, clock: Any) -> None:
    meter.start("reading", bytes_total=1000)
    clock.pass_by(2)
    meter.add(size=250, rows=100)
    assert meter.read().rows_per_second == 50.0
    assert meter.read().eta_seconds == 6.0  # 125 bytes a second, 750 left
    clock.pass_by(2)
    assert meter.read().rows_per_second == 25.0
    assert meter.read().eta_seconds == 12.0


def test_a_second_pass_is_reckoned_to_take_as_long_as_the_first(meter: Meter, clock: Any) -> None:
    meter.start("reading", bytes_total=1000, passes_left=1)
    clock.pass_by(1)
    meter.add(size=500, rows=5)
    assert meter.read().eta_seconds == 3.0


def test_what_was_done_before_counts_as_done_but_not_for_the_rate(meter: Meter, clock: Any) -> None:
    meter.start("reading", bytes_total=1000, bytes_done=800)
    clock.pass_by(1)
    meter.add(size=100, rows=10)
    progress = meter.read()
    assert (progress.bytes_done, progress.rows_per_second, progress.eta_seconds) == (900, 10.0, 1.0)


def test_rows_that_were_read_in_an_earlier_pass_stay_counted_and_keep_their_rate(meter: Meter, clock: Any) -> None:
    meter.start("reading", bytes_total=1000, passes_left=1)
    clock.pass_by(1)
    meter.add(size=1000, rows=100, rejected=7)
    assert meter.read().rows_per_second == 100.0
    clock.pass_by(10)
    meter.start("selecting", bytes_total=1000)
    clock.pass_by(1)
    meter.add(size=500)
    progress = meter.read()
    assert (progress.phase, progress.rows_done, progress.rows_rejected) == ("selecting", 100, 7)
    assert (progress.bytes_done, progress.rows_per_second, progress.eta_seconds) == (500, 100.0, 1.0)


def read_all(meter: Meter, clock: Any) -> None:
    """A pass of one second over a table of one row."""
    meter.start("reading", bytes_total=10)
    clock.pass_by(1)
    meter.add(size=10, rows=1)


def test_when_all_is_done_nothing_is_left(meter: Meter, clock: Any) -> None:
    read_all(meter, clock)
    assert (meter.read().eta_seconds, meter.share) == (0.0, 1.0)


def test_when_all_is_done_at_once_nothing_is_left_either(clock: Any) -> None:
    meter = Meter(clock=clock, tail=0.5)
    meter.start("reading", bytes_total=100)
    clock.pass_by(0.125)
    meter.add(size=100)
    assert meter.read().eta_seconds == 0.5
    meter.finish()
    meter.end()
    assert meter.read().eta_seconds == 0.0


def test_after_the_last_pass_the_tail_is_counted_down(meter: Meter, clock: Any) -> None:
    meter.tail = 2.0
    read_all(meter, clock)
    meter.finish()
    told = []
    for _ in range(3):
        told.append(meter.read().eta_seconds)
        clock.pass_by(1.5)
    assert told == [2.0, 0.5, 0.0]


def test_whatever_was_reckoned_nothing_is_left_at_the_end(meter: Meter, clock: Any) -> None:
    meter.tail = 2.0
    read_all(meter, clock)
    meter.end()
    assert (meter.read().phase, meter.read().eta_seconds) == ("done", 0.0)


def test_an_empty_table_is_no_division_by_nothing(meter: Meter, clock: Any) -> None:
    meter.start("reading", bytes_total=0)
    meter.add(size=0)
    clock.pass_by(1)
    assert (meter.read().eta_seconds, meter.share) == (None, 0.0)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**6), st.floats(0, 1e4)), max_size=20))
def test_whatever_comes_the_share_and_the_rest_are_sane(chunks: list[tuple[int, int, float]]) -> None:
    now = [0.0]
    meter = Meter(clock=lambda: now[0])
    meter.start("reading", bytes_total=sum(size for size, _, _ in chunks), passes_left=1)
    for size, rows, seconds in chunks:
        now[0] += seconds
        meter.add(size=size, rows=rows)
        progress = meter.read()
        assert 0.0 <= meter.share <= 1.0
        assert progress.eta_seconds is None or progress.eta_seconds >= 0
        assert progress.rows_per_second is None or progress.rows_per_second >= 0
    assert meter.rows == sum(rows for _, rows, _ in chunks)


RECORDED = {  # benchmarks/eta.py: `sales` on 1 GB, two slots; (seconds, megabytes done) of each pass
    "reading": [
        *[(0.31, 0), (0.56, 31), (0.74, 63), (0.8, 126), (1.11, 220), (1.3, 283), (1.31, 314)],
        *[(1.55, 377), (1.88, 471), (2.25, 597), (2.42, 629), (2.46, 691), (2.75, 786), (2.92, 817)],
        *[(2.97, 880), (3.18, 966), (3.28, 997), (3.3, 1006)],
    ],
    "selecting": [(3.3, 0), (3.5, 534)],
}
ENDED, TAIL = 4.27, 0.6  # of which the charts took the most then


def test_after_a_fifth_of_a_job_the_time_left_is_told_within_a_quarter(meter: Meter, clock: Any) -> None:
    """Of what is left or, at the very end, of a fifth of the job."""
    meter.tail, begun = TAIL, clock()
    [told, passes] = [], {"reading": LISTED, "selecting": 0}
    for phase, done in RECORDED.items():
        for place, (at, megabytes) in enumerate(done):
            clock.pass_by(begun + at - clock())
            if place == 0:
                meter.start(phase, bytes_total=1006, bytes_done=megabytes, passes_left=passes[phase])
            else:
                meter.add(size=megabytes - meter.bytes_done)
            told.append((at, meter.read().eta_seconds))
    late = [(eta, ENDED - at) for at, eta in told if at >= ENDED / 5]
    assert len(late) > 15
    assert max(abs(eta - truth) / max(truth, ENDED / 5) for eta, truth in late) < 0.25


def test_the_rate_is_that_of_late_and_chunks_under_way_do_not_hide_it(meter: Meter, clock: Any) -> None:
    meter.start("reading", bytes_total=10_000)
    for chunk in range(1, 51):
        clock.pass_by(1 if chunk <= 10 else 0.25)  # whoever shared the machine has gone
        meter.add(size=100)
    assert meter.read().eta_seconds == pytest.approx(50 * 0.25, rel=0.25)


def test_chunks_under_way_count_when_the_first_one_ends(meter: Meter, clock: Any) -> None:
    """Of two slots the first that delivers has done half of what both have."""
    meter.start("reading", bytes_total=1000)
    meter.begin(0, 100)
    meter.begin(1, 100)
    clock.pass_by(2)
    assert meter.read().eta_seconds is None
    meter.add(size=100, chunk=0)
    meter.begin(2, 100)
    assert meter.read().eta_seconds == 8.0  # 100 bytes a second, and 200 of 1000 are done
    assert meter.read().bytes_done == 100  # as far as anybody can know
    clock.pass_by(1)
    assert meter.read().eta_seconds == 9.0  # one slot is late, and does not count for more than its chunk


def test_what_a_process_does_first_tells_no_time_left(meter: Meter, clock: Any) -> None:
    meter.start("reading", bytes_total=1000, passes_left=1)
    clock.pass_by(0.25)
    meter.add(size=1)
    assert meter.read().eta_seconds is None
    clock.pass_by(0.25)
    meter.add(size=499)
    assert meter.read().eta_seconds == 1.5
    meter.start("selecting", bytes_total=1000)
    assert meter.read().eta_seconds == 1.0  # of the second pass it is known at once


def test_how_fast_a_chunk_under_way_goes_is_told_by_the_last_ones(meter: Meter, clock: Any) -> None:
    """The first one of a process takes longer."""
    meter.start("reading", bytes_total=1000)
    for chunk, seconds in enumerate((4, 1)):
        meter.begin(chunk, 100)
        clock.pass_by(seconds)
        meter.add(size=100, chunk=chunk)
    meter.begin(2, 400)
    clock.pass_by(2)
    reached = 200 + 2 * 125 / 2  # of the first, a quarter of its second and bytes counts
    assert meter.read().eta_seconds == round((1000 - reached) / (reached / 7), 1)


def test_of_two_slots_that_end_together_whichever_is_counted_first_the_time_left_is_that_of_both(
    meter: Meter, clock: Any
) -> None:
    meter.start("reading", bytes_total=1000)
    for chunk in range(0, 10, 2):
        meter.begin(chunk, 100)
        meter.begin(chunk + 1, 100)
        clock.pass_by(1)
        meter.add(size=100, chunk=chunk)  # the other one has ended too, and is being kept
        first = meter.read().eta_seconds
        meter.add(size=100, chunk=chunk + 1)
        assert first == meter.read().eta_seconds == 4 - chunk / 2  # 200 bytes a second


def test_a_chunk_that_was_lost_and_taken_up_again_begins_anew(meter: Meter, clock: Any) -> None:
    meter.start("reading", bytes_total=1000)
    meter.begin(0, 100)
    clock.pass_by(60)
    meter.begin(0, 100)
    clock.pass_by(1)
    meter.add(size=100, chunk=0)
    meter.begin(1, 100)
    clock.pass_by(0.5)
    assert meter.read().eta_seconds == pytest.approx(61.5 / 150 * 850, rel=0.01)


def test_a_second_pass_takes_what_it_was_reckoned_to_take_until_more_is_known(meter: Meter, clock: Any) -> None:
    meter.start("reading", bytes_total=1000, passes_left=0.5)
    clock.pass_by(4)
    meter.add(size=1000)
    meter.start("selecting", bytes_total=1000)
    clock.pass_by(0.5)
    assert meter.read().eta_seconds == 1.5
    meter.finish()
    assert meter.read().eta_seconds == 0.0


def test_how_long_the_tail_took_is_known_at_its_end(meter: Meter, clock: Any) -> None:
    assert meter.end() is None
    meter.finish()
    clock.pass_by(0.75)
    assert meter.end() == 0.75
    assert meter.end() is None


def test_any_number_of_chunks_is_remembered_in_bounded_memory(meter: Meter, clock: Any) -> None:
    meter.start("reading", bytes_total=100_000)
    for _ in range(50_000):
        clock.pass_by(0.01)
        meter.add(size=1)
    assert len(meter._samples) <= SAMPLES
    assert meter.read().eta_seconds == pytest.approx(500, rel=0.01)

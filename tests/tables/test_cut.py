"""Chunks: every byte in exactly one, each from a row's start to a row's end, with its physical line."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumer.tables import cut, survey
from protocol.files import BlockingFiles
from protocol.intake import ReadOptions, decoding
from protocol.intake.scanning import Scanner
from tests.tables import oracle


def chunks_of(files: BlockingFiles, data: bytes, size: int, **how: int) -> tuple[survey.Survey, tuple[cut.Chunk, ...]]:
    files.write("table", [data])
    seen = survey.survey(files, "table", ReadOptions(), name="t.csv", work_prefix="work/")
    return seen, cut.cut(files, seen, size, **how)


@given(st.binary(max_size=100), st.binary(max_size=100).map(bytes.hex))
@example(b"", "")
@example(b"a\x7f", "")
@example(b"a\x80", "")
@example(b"\0", "")
def test_the_worker_looks_at_bytes_faster_and_sees_the_same(data: bytes, text: str) -> None:
    for some in (data, text.encode(), text.encode() + data):
        assert survey.is_plain(some) == decoding.is_plain(some)
        assert survey.count(some, b"\n") == some.count(b"\n")


@pytest.mark.parametrize("data", [b"a,b", b"a,b\n", b"\xef\xbb\xbfa,b\r\n"])
def test_a_table_without_rows_has_no_chunks(files: BlockingFiles, data: bytes) -> None:
    assert chunks_of(files, data, 10)[1] == ()


def test_chunks_cover_the_rows_and_know_their_lines(files: BlockingFiles) -> None:
    data = b'a,b\n1,"x\ny"\n2,z\n3,w\n'
    seen, chunks = chunks_of(files, data, 5)
    assert [data[chunk.start : chunk.stop] for chunk in chunks] == [b'1,"x\ny"\n', b"2,z\n3,w\n"]
    assert [(chunk.index, chunk.first_line) for chunk in chunks] == [(0, 2), (1, 4)]
    assert chunks[-1].stop == seen.size


@pytest.mark.parametrize(("size", "count"), [(1, 12), (4, 12), (5, 6), (8, 6), (47, 1), (1000, 1)])
def test_a_chunk_ends_with_the_first_row_that_fills_it(files: BlockingFiles, size: int, count: int) -> None:
    assert len(chunks_of(files, b"a,b\n" + b"1,2\n" * 12, size)[1]) == count


@pytest.mark.parametrize("size", [1, 2, 5, 7, 64, 1000])
def test_a_chunk_of_any_size_ends_where_a_row_does(files: BlockingFiles, size: int) -> None:
    rows = ['"x","y"', '"q\n""r"", ",2', '5" pipe,"z"', ",", '"",""', "\r", '"a""","b"']
    data = ("a,b\n" + "".join(row + end for row in rows for end in ("\n", "\r\n", "\r"))).encode()
    seen, chunks = chunks_of(files, data, size)
    whole = [(row.line, row.cells) for row in oracle.rows_of(data.decode(), ",")][1:]
    found = [
        (row.line + chunk.first_line - 1, row.cells)
        for chunk in chunks
        for row in oracle.rows_of(data[chunk.start : chunk.stop].decode(), ",")
    ]
    assert found == whole
    assert [chunk.start for chunk in chunks[1:]] == [chunk.stop for chunk in chunks[:-1]]
    assert (chunks[0].start, chunks[-1].stop) == (seen.layout.rows_begin, seen.size)


def test_chunks_grow_at_first_and_grow_smaller_towards_the_end_but_not_below_a_slice(files: BlockingFiles) -> None:
    _, chunks = chunks_of(files, b"a,b\n" + b"1,2\n" * 1_000, 400, slice_size=40)
    sizes = [chunk.stop - chunk.start for chunk in chunks]
    largest = sizes.index(400)
    assert sizes[largest : largest + 3] == [400] * 3
    assert sizes[:largest] == sorted(sizes[:largest])
    assert sizes[largest:] == sorted(sizes[largest:], reverse=True)
    assert sum(sizes) == 4_000
    done = [sum(sizes[:nth]) for nth in range(len(sizes))]
    assert all(size - 4 < max(before // 2, 40) for size, before in zip(sizes, done, strict=True))
    assert all(size - 4 < max((4_000 - before) // 4, 40) for size, before in zip(sizes, done, strict=True))
    assert sizes[0] == min(sizes[:-1]) == 40


def test_where_lines_are_short_chunks_can_be_bounded_by_lines(files: BlockingFiles) -> None:
    _, chunks = chunks_of(files, b"a,b\n" + b"1,2\n" * 10_000, 2**20, most_lines=1_000)
    assert 10 <= len(chunks) <= 11


UNITS = ['"x"', '"', ",", "\n", "\r\n", "\r", '""', "y", " ", ', "', 'z"', ',"', '"a, ",', "é"]
HOW = [{"blanks": False}, {"blanks": True}]


@given(
    st.lists(st.sampled_from(UNITS), min_size=1, max_size=30),
    st.integers(1, 400),
    st.integers(1, 5000),
    st.sampled_from(HOW),
)
@example([',""', " ", '"', ",", "y"], 1, 5000, HOW[1])
@example(['""', '"x"', " ", '"', ",", "y"], 1, 5000, HOW[1])
@settings(max_examples=300, deadline=None)
def test_the_scanner_knows_at_any_place_whether_it_is_in_a_quoted_cell(
    units: list[str], times: int, step: int, how: dict[str, bool]
) -> None:
    data = ("".join(units) * times).encode()[:20_000]
    scanner = Scanner(",", **how)
    states, lines = _states(data, **how)
    for begin in range(0, len(data), step):
        scanner.feed(data[begin : begin + step])
        assert scanner.inside == (states[scanner.offset] == "quoted")
        assert scanner.line == lines[scanner.offset]
        if scanner.inside:
            assert states[scanner.opened] == "start"
            assert {*states[scanner.opened + 1 : scanner.offset + 1]} <= {"quoted", "maybe"}
            assert scanner.opened_line == lines[scanner.opened]
    scanner.finish()
    assert scanner.inside == (states[len(data)] == "quoted")


def _states(data: bytes, *, blanks: bool) -> tuple[list[str], list[int]]:
    """Before each byte: where in a cell it stands (`maybe`: after a quote that closes, or doubles), and its line."""
    states, lines = ["start"], [1]
    for at, char in enumerate(data):
        state = states[-1]
        if state == "quoted" or (state == "maybe" and char == 34):
            states.append("maybe" if char == 34 and state == "quoted" else "quoted")
        elif char in b",\r\n" or (state == "start" and blanks and char == 32):
            states.append("start")
        else:
            states.append("quoted" if char == 34 and state == "start" else "plain")
        lines.append(lines[-1] + (char == 13 or (char == 10 and data[max(at - 1, 0)] != 13)))
    return states, lines

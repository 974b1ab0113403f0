"""A form is the same however the network cuts it, and what is broken about one is the client's fault."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.problems import Refused
from service.submissions.form import parts

BOUNDARY = "----rowmill"
MEDIA_TYPE = f'multipart/form-data; boundary="{BOUNDARY}"'
NAMED = 'form-data; name="file"; '
TEXTS = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", BOUNDARY.encode(), b"a", b"\0", b"\xff"]), max_size=8)
CONTENTS = TEXTS.map(b"".join).filter(lambda content: b"\r\n--" + BOUNDARY.encode() not in b"\r\n" + content)


def written(contents: Sequence[bytes], disposition: str = 'form-data; name="file"') -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode("utf-8", "surrogateescape")
    return b"".join(head + content + b"\r\n" for content in contents) + f"--{BOUNDARY}--\r\n".encode()


async def pour(blocks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


def read(*blocks: bytes, media_type: str = MEDIA_TYPE, most: int = 64) -> list[tuple[str, str | None, bytes]]:
    async def all_of_them() -> list[tuple[str, str | None, bytes]]:
        return [
            (part.name, part.filename, b"".join([piece async for piece in part.pieces()]))
            async for part in parts(media_type, pour(blocks), most)
        ]

    return asyncio.run(all_of_them())


@given(contents=st.lists(CONTENTS, min_size=1, max_size=4), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_a_form_is_the_same_however_it_is_cut(contents: list[bytes], cuts: list[int]) -> None:
    body = written(contents)
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    blocks = [body[start:stop] for start, stop in itertools.pairwise(places)]
    assert read(*blocks) == [("file", None, content) for content in contents]


@pytest.mark.parametrize("size", range(1, 90))
def test_a_boundary_is_found_wherever_it_is_cut(size: int) -> None:
    contents = [b"a" * 200, b"\r\n--" + b"a" * 100, b"a" * 99 + b"\r", b"\n--" * 50]
    body = written(contents)
    blocks = [body[start : start + size] for start in range(0, len(body), size)]
    assert read(*blocks) == [("file", None, content) for content in contents]


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('filename="a.csv"', "a.csv"),
        ('filename=""', ""),
        ('filename="a \\"b\\".csv"', 'a "b".csv'),
        ('filename="größe.csv"', "größe.csv"),
        ("filename=a.csv", "a.csv"),
        ("filename*=UTF-8''gr%C3%B6%C3%9Fe.csv", "größe.csv"),
        ('filename="gr\udcf6\udcdfe.csv"', "gr\udcf6\udcdfe.csv"),  # no UTF-8: named as such by whoever looks at it
    ],
)
def test_a_file_is_called_as_its_client_means_it(disposition: str, filename: str) -> None:
    assert read(written([b"x"], NAMED + disposition)) == [("file", filename, b"x")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        written([b"x"])[:-5],
        written([b"x"]).replace(b"\r\n", b"\n"),
        written([b"x"], "attachment"),
        written([b"x"], NAMED + "x" * 10_000),
        written([b"x"], NAMED + "\r\nX-More: 1" * 100),
        written([b"x"], "form-data; name=file\r\nContent-Type: multipart/mixed; boundary=yy"),
        written([b"x"], NAMED + 'filename*0="it\'s.csv"'),
        written([b"x"], NAMED + "filename*=undefined''%30"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read(body)
    assert refused.value.code == "malformed"


@pytest.mark.parametrize("parameter", ["", "; boundary=", "; boundary=" + "x" * 71, "; boundary=\udcff"])
def test_a_boundary_that_is_none_is_refused(parameter: str) -> None:
    with pytest.raises(Refused) as refused:
        read(written([b"x"]), media_type=f"multipart/form-data{parameter}")
    assert refused.value.code == "malformed"


def test_a_form_has_as_many_parts_as_it_may_have() -> None:
    assert len(read(written([b"x"] * 4), most=4)) == 4
    with pytest.raises(Refused, match="4 fields"):
        read(written([b"x"] * 5), most=4)

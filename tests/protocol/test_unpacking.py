"""Compressed tables come out as they are, however they come in; what is damaged or swells is refused, and early."""

from __future__ import annotations

import gzip
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.intake import BadTable
from protocol.intake.unpacking import FREE, PIECE, Unpacker, compression_of, plain_name, zstd

CHANCE = random.Random(1)
TABLE = b"a,b\n" + b"".join(b"%d,%d\n" % (line, CHANCE.randrange(10**9)) for line in range(40_000))
PACK = {"gzip": gzip.compress, "zstd": zstd.compress}


async def in_blocks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def unpack(data: bytes, size: int = 65_536) -> bytes:
    unpacker, found = Unpacker(), b""
    async for piece in unpacker.unpack(in_blocks(data, size)):
        assert len(piece) < max(2 * PIECE, size + 1)
        found += piece
    assert unpacker.received == len(data)
    assert unpacker.compression == compression_of(data)
    return found


async def refusal(data: bytes) -> tuple[int, str]:
    with pytest.raises(BadTable) as bad:
        await unpack(data)
    [fault] = bad.value.faults
    assert fault.detail.endswith(".")
    return bad.value.status, fault.code


@pytest.mark.parametrize("size", [1_000, 65_536, 10**8])
@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
async def test_a_compressed_table_comes_out_as_it_is(pack, size: int) -> None:
    assert await unpack(pack(TABLE), size) == TABLE


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
@given(pieces=st.lists(st.binary(max_size=50), min_size=1, max_size=4), size=st.integers(1, 30))
async def test_members_and_frames_one_after_another_are_one_table(pack, pieces: list[bytes], size: int) -> None:
    assert await unpack(b"".join(map(pack, pieces)), size) == b"".join(pieces)


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
async def test_tiny_members_come_out_together(pack) -> None:
    """Else a table of them costs thousands of ways to a thread and back, for a few bytes each."""
    data = pack(b"x") * 2_000
    assert [piece async for piece in Unpacker().unpack(in_blocks(data, len(data)))] == [b"x" * 2_000]


@given(data=st.binary(max_size=20), size=st.integers(1, 5))
async def test_what_is_not_compressed_stays_as_it_is(data: bytes, size: int) -> None:
    if compression_of(data) is None:
        assert await unpack(data, size) == data


@pytest.mark.parametrize("size", [1, 65_536])
async def test_frames_of_zstd_that_are_to_be_skipped_hold_nothing_of_the_table(size: int) -> None:
    """`pzstd` begins with one, and files that can be sought in end with one."""
    skipped = b"\x5a\x2a\x4d\x18\x05\x00\x00\x00a,b,c"
    begun, rest = zstd.compress(b"a,b\n"), zstd.compress(b"1,2\n")
    assert await unpack(skipped + begun + skipped + skipped + rest + skipped, size) == b"a,b\n1,2\n"
    assert Unpacker().unpack_some(skipped + begun, 3) == b"a,b"
    assert await refusal(begun + skipped[:-1]) == (422, "cut_off")
    assert await refusal(begun + skipped[:3]) == (422, "cut_off")


async def test_zeros_after_gzip_are_padding() -> None:
    assert await unpack(gzip.compress(TABLE) + bytes(1_000)) == TABLE


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
async def test_what_is_cut_off_or_followed_by_something_else_is_refused(pack) -> None:
    whole = pack(TABLE)
    for end in (len(whole) - 1, len(whole) // 2, 5):
        assert await refusal(whole[:end]) == (422, "cut_off")
    assert await refusal(whole + b"more") == (422, "trailing_bytes")
    assert await refusal(whole + whole[:1]) == (422, "cut_off")


async def test_damaged_data_is_refused() -> None:
    checked = {zstd.CompressionParameter.checksum_flag: 1}
    for whole in (gzip.compress(TABLE), zstd.compress(TABLE, options=checked)):
        damaged = bytearray(whole)
        damaged[len(whole) // 2] ^= 0xFF
        assert await refusal(bytes(damaged)) == (422, "damaged")


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
async def test_what_swells_too_much_is_refused_before_it_has_swollen(pack) -> None:
    bomb = pack(bytes(10 * FREE))
    assert await refusal(bomb) == (413, "swells")
    pieces, given_out = Unpacker().unpack(in_blocks(bomb, 1_000)), 0
    with suppress(BadTable):
        async for piece in pieces:
            given_out += len(piece)
    assert given_out < 3 * FREE


async def test_a_window_that_takes_too_much_memory_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.enable_long_distance_matching: 1}
    packer = zstd.ZstdCompressor(options=options)
    assert await refusal(packer.compress(TABLE) + packer.flush()) == (422, "damaged")


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_the_beginning_can_be_had_of_a_piece(pack) -> None:
    assert Unpacker().unpack_some(pack(TABLE)[:-50_000], 1_000) == TABLE[:1_000]
    assert Unpacker().unpack_some(pack(bytes(10**8)), 1_000) == bytes(1_000)


@pytest.mark.parametrize(("name", "plain"), [("x.csv.gz", "x.csv"), ("X.TSV.ZST", "X.TSV"), ("x.csv", "x.csv")])
def test_a_name_may_say_that_the_table_is_compressed(name: str, plain: str) -> None:
    assert plain_name(name) == plain

"""The compiled part (C), where there was a compiler at installation: numbers and bytes only, it knows no table's rules.

Whatever it does is done elsewhere too, more slowly and with the same result: nothing depends on its being there.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
LIBRARY = FOLDER / "rowmill_native.so"
SWITCH = "_ROWMILL_NATIVE"  # 0 in a process's environment: do without

_P, _I32, _I64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
_BYTES, _BYTE = ctypes.c_char_p, ctypes.c_uint8


class NotThere(Exception):
    """Why it is not used."""


def switch(*, on: bool) -> None:
    """Whether this process may use it; to be said before anything asks for it."""
    os.environ[SWITCH] = f"{on:d}"


def is_there() -> bool:
    return isinstance(_loaded(), ctypes.CDLL)


def code() -> ctypes.CDLL:
    """NotThere where it is not."""
    if isinstance(found := _loaded(), ctypes.CDLL):
        return found
    raise found


def digest() -> str:
    """Of the sources."""
    found = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.[ch]")):
        found.update(path.read_bytes())
    return found.hexdigest()


@cache
def _loaded() -> ctypes.CDLL | NotThere:
    if os.environ.get(SWITCH) == "0":
        return NotThere("it is switched off")
    if not LIBRARY.exists():
        return NotThere("nothing was compiled at installation")
    try:
        found = ctypes.CDLL(str(LIBRARY))
    except OSError as exc:  # made for another machine, perhaps
        return NotThere(f"it cannot be loaded: {exc}")
    found.native_sources.restype = _BYTES
    if found.native_sources() != digest().encode():  # what it is handed may look otherwise
        return NotThere("it was made of other sources")
    found.tokens_count.restype, found.tokens_count.argtypes = None, [_BYTES, _I64, _BYTES, _I32, _P]
    found.tokens_read.restype, found.tokens_read.argtypes = _I32, [_P]
    found.sums_span.restype, found.sums_span.argtypes = ctypes.c_bool, [_P, _I64, _P, _P]
    found.sums_add.restype, found.sums_add.argtypes = None, [_P, _P, _I64, _I32, _I32, _P]
    found.sums_add_weighed.restype, found.sums_add_weighed.argtypes = None, [_P, _P, _I64, _I32, _P, _P]
    found.sums_whole.restype, found.sums_whole.argtypes = ctypes.c_bool, [_P, _P, _I64, _P, _P]
    found.grid_span.restype, found.grid_span.argtypes = None, [_P, _I64, _P, _P]
    found.grid_fill.restype, found.grid_fill.argtypes = None, [_P, _P, _I64, _I32, _I64, _P]
    found.texts_encode.restype, found.texts_encode.argtypes = _I64, [_P, _P, _I64, _P]
    found.texts_hashes.restype, found.texts_hashes.argtypes = None, [_P, _P, _I64, ctypes.c_uint64, _P]
    found.texts_add_to_rows.restype = found.texts_least.restype = None
    found.texts_add_to_rows.argtypes = [_P, _I64, ctypes.c_uint64, _P, _I64, _P]
    found.texts_least.argtypes = [_P, _I64, _I32, _I32, _P]
    found.tokens_numbers.restype, found.tokens_numbers.argtypes = None, [_P, _P, _I64, _BYTE, _P, _P]
    found.texts_sorts.restype, found.texts_sorts.argtypes = None, [_P, _P, _I64, _P, _P, _P]
    found.texts_below.restype, found.texts_below.argtypes = _I64, [_P, _I64, ctypes.c_uint64, _P]
    found.texts_mix.restype, found.texts_mix.argtypes = None, [_P, _I64]
    found.texts_gather.restype, found.texts_gather.argtypes = None, [_BYTES, _I64, _P, _I32, _I64, ctypes.c_bool]
    return found

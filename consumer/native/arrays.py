"""Arrays as they are handed over to compiled code, which takes their bytes for what it expects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def address(array: NDArray[Any], kind: type[np.generic]) -> int:
    """Where it lies; ValueError where it is of another kind, or has gaps."""
    if array.dtype != kind or not array.flags.c_contiguous:
        raise ValueError(f"{kind.__name__} without gaps is wanted, not {array.dtype} in steps of {array.strides} bytes")
    return array.ctypes.data
